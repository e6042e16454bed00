"""What a change does, as a comment's table: one row per manifest; all values unfold below it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, tzinfo
from math import prod

from reconciler.counting import format_count
from reconciler.model import Place, Run, combination_of, label_of
from reconciler.plan import Action, Plan
from reconciler.plan.by_manifest import OfManifest
from reconciler.plan.changes import Kind
from reconciler.plan.review import Compared
from reconciler.render.backfills import FEW, FEW_VALUES, values_of
from reconciler.render.changes_text import rows
from reconciler.render.differences import Quoted, Words
from reconciler.render.markdown import CUT, code, html_code, length, prose, table_row
from reconciler.render.words import clock_time, processed_date, zone_name

HEADINGS = ("Manifest", "Change", "Carries", "When")
_LONGEST = 100  # characters of one quoted piece
_MOST_OF_A_CELL = 1_000
_MOST_OF_A_LIST = 4_000  # bytes of all values of one key


def words_markdown(words: Words) -> str:
    """The words as Markdown, with quoted text as code."""
    return "".join(
        code(word.text, _LONGEST) if isinstance(word, Quoted) else word for word in words
    )


def change_rows(plan: Plan, compared: Compared, zone: tzinfo) -> Iterator[str]:
    """One row of the table for each manifest that the change touches."""
    at_once = {
        run.id for run in plan.runs if run.action is Action.START and run.trigger_time <= plan.at
    }
    for one, row in zip(compared.manifests, rows(compared.manifests, zone), strict=True):
        runs, gone = _runs(one), [change.run for change in one.of(Kind.REMOVED)]
        starting = sum(change.id in at_once for change in one.changes)
        cells = (
            _manifest_cell(one.name, one.place, runs[0].description),
            words_markdown(row.words),
        )
        when = [] if len(gone) == len(one.changes) else [_times_cell(runs, starting, zone)]
        if gone:
            when.append(f"no longer: {_span(_dates(gone, zone)) or format_count(len(gone), 'run')}")
        yield table_row((*cells, _contents_cell(runs), "<br>".join(when)))


def value_blocks(compared: Compared, zone: tzinfo) -> Iterator[list[str]]:
    """For each manifest whose row leaves out values, a block that unfolds into all of them."""
    for one in compared.manifests:
        runs = _runs(one)
        many = _hidden_values(runs, zone)
        if many:
            counts = ", ".join(f"{len(found):,} of {html_code(key)}" for key, found in many.items())
            summary = f"<summary>{html_code(one.name)}: all values ({counts})</summary>"
            lines = [f"- {code(key)}: {_all_values(found)}" for key, found in many.items()]
            yield ["<details>", summary, "", *lines, "", "</details>", ""]


def _runs(one: OfManifest) -> list[Run]:
    """The manifest's runs that the change leaves; where it removes them all, the removed runs."""
    stays = [change.run for change in one.changes if change.kind is not Kind.REMOVED]
    return stays or [change.run for change in one.changes]


def _manifest_cell(name: str, place: Place | None, description: str) -> str:
    where = code(f"{place.file}:{place.line}") if place is not None else "no longer declared"
    return "<br>".join(filter(None, (code(name), where, prose(description))))


def _values(runs: Iterable[Run]) -> dict[str, list[str]]:
    return values_of(run.shown_parameters() for run in runs)


def _dates(runs: Iterable[Run], zone: tzinfo) -> list[str]:
    """The business dates of the runs, without runs whose date no calendar has."""
    found = {processed_date(run.trigger_time, zone) for run in runs}
    return sorted(found - {""})


def _hidden_values(runs: Sequence[Run], zone: tzinfo) -> dict[str, list[str]]:
    """All values of each key whose row shows only the first and the last, where there are more."""
    found = {key: shown for key, shown in _values(runs).items() if len(shown) > FEW_VALUES}
    dates = _dates(runs, zone)
    return found if len(dates) <= FEW or _is_every_day(dates) else {**found, "business date": dates}


def _is_every_day(dates: Sequence[str]) -> bool:
    """Whether the dates, sorted and without repeats, leave out no day between first and last."""
    if not dates:
        return True
    first, last = (date.fromisoformat(one) for one in (dates[0], dates[-1]))
    return (last - first).days + 1 == len(dates)


def _span(dates: Sequence[str]) -> str:
    """`31 business dates: 2024-03-01 to 2024-03-31`; empty where there are no dates."""
    if not dates:
        return ""
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{format_count(len(dates), 'business date')}: {span}"


def _contents_cell(runs: Sequence[Run]) -> str:
    """The flow, and each parameter with its value or, where the runs differ, its values."""
    flows = sorted({run.flow_id for run in runs})
    pieces = [f"flow {', '.join(map(code, map(str, flows[:FEW])))}"]
    if len(flows) > FEW:
        pieces = [f"{len(flows):,} flows, the first: {code(str(flows[0]))}"]
    values = _values(runs)
    for number, (key, found) in enumerate(values.items()):
        piece = code(f"{key}={found[0]}") if len(found) == 1 else _several_values(key, found)
        if length(pieces) + len(piece) > _MOST_OF_A_CELL:
            pieces.append(f"… and {format_count(len(values) - number, 'more parameter')}{CUT}")
            break
        pieces.append(piece)
    if len(runs) < _combinations(runs):
        pieces.append("not every combination")
    return "<br>".join(pieces)


def _combinations(runs: Iterable[Run]) -> int:
    """How many runs the backfill would have if it left out no combination of dates and values."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for key, value in {"": label_of(run.name), **combination_of(run.name)}.items():
            found.setdefault(key, set()).add(value)
    return prod(map(len, found.values()))


def _several_values(key: str, found: Sequence[str]) -> str:
    """`SITE: 40 values: cn-01 … cn-40`."""
    if len(found) <= FEW_VALUES:
        return f"{code(key)}: {', '.join(_piece(value) for value in found)}"
    first, last = _piece(found[0]), _piece(found[-1])
    return f"{code(key)}: {len(found):,} values: {first} … {last}"


def _piece(value: str) -> str:
    return code(value, _LONGEST) or "(empty)"


def _all_values(found: Sequence[str]) -> str:
    shown: list[str] = []
    room = _MOST_OF_A_LIST
    for value in found:
        piece = code(value) or "(empty)"
        room -= length([piece]) + 1
        if room < 0:
            shown.append(f"… and {len(found) - len(shown):,} more{CUT}")
            break
        shown.append(piece)
    return ", ".join(shown)


def _times_cell(runs: Sequence[Run], at_once: int, zone: tzinfo) -> str:
    """Business dates, trigger times, how many start at once (their time is past), conditions."""
    times = sorted({run.trigger_time for run in runs})
    span = _span(_dates(runs, zone))
    pieces = [span] if span else []
    first, last = clock_time(times[0], zone), clock_time(times[-1], zone)
    span = first if first == last else f"{first} to {last}"
    pieces.append(f"at {span} ({prose(zone_name(zone), _LONGEST)})")
    if at_once:
        whole = len(runs) > 1 and at_once == len(runs)
        number = f"all {at_once:,}" if whole else f"{at_once:,}"
        pieces.append(f"{number} at once: the time is past")
    return "<br>".join((*pieces, *_gates(runs, zone)))


def _gates(runs: Sequence[Run], zone: tzinfo) -> Iterator[str]:
    """What the runs' starts wait for, and what may prevent them."""
    found: dict[str, int] = {}
    for run in runs:
        for gate in _gates_of(run, zone):
            found[gate] = found.get(gate, 0) + 1
    for number, (gate, of) in enumerate(found.items()):
        if number == FEW * 2:
            yield f"… and {format_count(len(found) - number, 'more condition')}{CUT}"
            return
        yield gate if of == len(runs) else f"{gate} ({format_count(of, 'run')})"


def _gates_of(run: Run, zone: tzinfo) -> Iterator[str]:
    if run.suspend:
        yield "suspended"
    if run.cancel:
        yield "called off"
    if run.depends_on:
        keys = {name: ", ".join(one.keys) for one in run.matching for name in one.names}
        names = ", ".join(
            code(name, _LONGEST) + (f" by {code(keys[name], _LONGEST)}" if name in keys else "")
            for name in run.depends_on[:FEW]
        )
        more = len(run.depends_on) - FEW
        yield f"after {names}" + (f" and {more:,} more{CUT}" if more > 0 else "")
    if run.after is not None:
        yield "each after the date before it"
    if run.max_active is not None:
        yield f"at most {run.max_active:,} at the same time"
    if run.stop_after is not None:
        yield f"stops after {format_count(run.stop_after, 'failure')}"
    if run.retry:
        yield f"retry: {format_count(run.retry.max, 'time')}"
    if run.not_after is not None:
        yield f"not after {clock_time(run.not_after, zone)}"
