"""Runs of one backfill shown as one entry, and the parameters that they carry."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import tzinfo
from itertools import accumulate
from typing import TypeVar

from reconciler.counting import format_count
from reconciler.model import Parameters, RunId, run_attempt
from reconciler.plan import PlannedRun
from reconciler.render.layout import Screen, fold
from reconciler.render.safe import escape_line
from reconciler.render.words import processed_date

T = TypeVar("T")


def group_items(items: Iterable[T], key: Callable[[T], Hashable | None]) -> list[list[T]]:
    """The items grouped by key, each group where its first item was; those without a key alone."""
    found: dict[Hashable, list[T]] = {}
    for item in items:
        its_key = key(item)
        if its_key is None:
            found[object()] = [item]
        elif its_key in found:
            found[its_key].append(item)
        else:
            found[its_key] = [item]
    return list(found.values())


def runs_in_words(runs: Sequence[PlannedRun], zone: tzinfo) -> str:
    """`1,240 runs of flow 3377, business dates 2024-03-01 to 2024-03-31`.

    Flow and dates are left out where they are not known.
    """
    flows = {run.flow_id for run in runs if run.flow_id is not None}
    words = format_count(len(runs), "run")
    if flows:
        words += f" of flow {flows.pop()}" if len(flows) == 1 else f" of {len(flows):,} flows"
    times = [run.trigger_time for run in runs]
    first, last = processed_date(min(times), zone), processed_date(max(times), zone)
    if not first or not last:
        return words
    dates = f"date {first}" if first == last else f"dates {first} to {last}"
    return f"{words}, business {dates}"


def reason_in_words(runs: Sequence[PlannedRun]) -> str:
    """The reason for the action; for several runs, what their reasons share, and the first's."""
    first = runs[0]
    if len(runs) == 1 or not first.gist:
        return first.reason
    return f"{first.gist}; the first {first.reason}"


def attempt_of(run: RunId) -> int:
    """The attempt that the id names; 1 also for an id written by hand that names no valid one."""
    try:
        return run_attempt(run)
    except ValueError:
        return 1


def natural_order(value: str) -> list[tuple[bool, int, str]]:
    """A sort key that orders numbers within names by size: `site-9` before `site-10`."""
    return [
        (False, int(one), one) if number % 2 else (True, 0, one)
        for number, one in enumerate(_DIGITS.split(value))  # every other one is a number
        if one
    ]


_DIGITS = re.compile(r"([0-9]{1,18})")  # longer ones are split: Python refuses huge numbers

FEW = 3  # at most so many things of a kind are named
FEW_VALUES = 8  # up to so many values of a parameter are named; of more, only the first and last


def values_of(carried: Iterable[Parameters]) -> dict[str, list[str]]:
    """The values of each parameter, each once and sorted, so that `first … last` spans them all.

    Numbers within values sort by size: `site-9` comes before `site-10`.
    """
    found: dict[str, dict[str, None]] = {}
    for parameters in carried:
        for key, value in parameters:
            found.setdefault(key, {})[value] = None
    return {key: sorted(values, key=natural_order) for key, values in found.items()}


def carried_text(runs: Sequence[PlannedRun], screen: Screen, *, verbose: bool) -> list[str]:
    """`MODE=full, SITE: 40 values: cn-01 … cn-40`: what fits one line, or all with `verbose`."""
    from rich.cells import cell_len

    pieces = [
        f"{key}={values[0]}" if len(values) == 1 else _values_words(key, values, verbose=verbose)
        for key, values in values_of(run.parameters for run in runs).items()
    ]
    if not pieces:
        return []
    whole = screen.wrap_text(", ".join(pieces))
    if verbose or _fits(whole, screen):
        return whole
    ends = accumulate(cell_len(escape_line(piece)) for piece in pieces)
    most = sum(end <= screen.width for end in ends)  # to try thousands of them takes minutes
    for number in range(min(most, len(pieces) - 1), 0, -1):
        more = f"… and {format_count(len(pieces) - number, 'more parameter')}"
        lines = screen.wrap_text(", ".join((*pieces[:number], more)))
        if _fits(lines, screen):
            return lines
    more = f" and {format_count(len(pieces) - 1, 'more parameter')}" if len(pieces) > 1 else ""
    return [fold(pieces[0], screen.width - len(more) - 1)[0] + "…" + more]


def _fits(lines: Sequence[str], screen: Screen) -> bool:
    from rich.cells import cell_len

    return len(lines) == 1 and cell_len(lines[0]) <= screen.width


def _values_words(key: str, values: Sequence[str], *, verbose: bool) -> str:
    if len(values) <= FEW_VALUES or verbose:
        return f"{key}: {', '.join(values)}"
    return f"{key}: {len(values):,} values: {values[0]} … {values[-1]}"
