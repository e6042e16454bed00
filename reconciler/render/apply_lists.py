"""Lists of runs in what an apply says: each cut to 20, a backfill's runs together past that."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from reconciler.counting import counted
from reconciler.model import RunId, backfill_of
from reconciler.render.backfills import together
from reconciler.render.layout import Screen

SHOWN = 20  # of each list: more is for `status` to show
INDENT = 2

Item = tuple[RunId, str]  # a run, and its line


def listed(items: Sequence[Item], screen: Screen, indent: int = INDENT) -> Iterator[str]:
    """A line each; where they are more than 20, one for the runs of each backfill."""
    is_long = len(items) > SHOWN
    lines = together(items, lambda item: backfill_of(item[0]) if is_long else None)
    for line in lines[:SHOWN]:
        yield from screen.wrapped(_words(line), indent)
    yield from more(sum(map(len, lines[SHOWN:])), indent)


def grouped(reasons: Iterable[Item], screen: Screen) -> Iterator[str]:
    """The runs by reason, at most 20 lines of one reason and 20 reasons."""
    groups: dict[str, list[RunId]] = defaultdict(list)
    for run, reason in reasons:
        groups[reason].append(run)
    for reason, runs in list(groups.items())[:SHOWN]:
        yield from screen.wrapped(f"{reason} ({counted(len(runs), 'run')})", INDENT)
        yield from listed([(run, run) for run in runs], screen, 2 * INDENT)
    yield from more(sum(map(len, list(groups.values())[SHOWN:])))


def more(number: int, indent: int = INDENT) -> Iterator[str]:
    """The line that counts what was left out, if anything was."""
    if number > 0:
        yield f"{' ' * indent}… and {number:,} more"


def _words(items: Sequence[Item]) -> str:
    (first, words), *others = items
    if not others:
        return words
    return f"{backfill_of(first)}: {counted(len(items), 'run')}, {first} to {others[-1][0]}"
