"""The table of `status`: a row for each run, or a line for each backfill."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from reconciler.counting import format_count
from reconciler.enos.statuses import FINAL
from reconciler.ledger import RunState
from reconciler.model import RunId, backfill_of, first_attempt
from reconciler.plan import Reason
from reconciler.render.backfills import attempt_of, group_items
from reconciler.render.layout import GAP, Screen, row, width_for
from reconciler.render.safe import escape_message
from reconciler.render.status_row import StatusRow, additional_error, listed_instances
from reconciler.render.words import (
    LONGEST_TIME,
    UNFOLD,
    clock_time,
    ledger_time,
    local_times,
    status_words,
    zone_name,
)

SHOWN_RUNS = 500  # lines: nobody reads more
SHOWN_NOTES = 20  # of a backfill
_INDENT = 2

_Line = Sequence[StatusRow]  # one run, or all of a backfill

_STYLES: Mapping[RunState, str] = {
    RunState.IN_DOUBT: "bold red",
    RunState.REJECTED: "red",
    RunState.FAILED: "red",
    RunState.CLAIMED: "yellow",
    RunState.PENDING: "yellow",
    RunState.TRIGGERED: "cyan",
    RunState.SUCCEEDED: "green",
}  # the most urgent first: a backfill has the style of its most urgent run
_UNTOLD = frozenset(
    {
        None,
        Reason.CLAIMED,
        Reason.IN_DOUBT,
        Reason.REJECTED,
        Reason.NOT_DUE,
        Reason.RUNNING,
        Reason.FAILED,
    }
)  # not shown: the state, the trigger time, the error or the status says it
_URGENT = frozenset({RunState.IN_DOUBT, RunState.REJECTED, RunState.FAILED})


def newest_attempts(rows: Iterable[StatusRow]) -> list[StatusRow]:
    """The rows, without a failed attempt where a later attempt of the run is among the rows.

    An attempt that was started twice stays, because a later attempt says nothing about that.
    """
    every = list(rows)
    if not any("#" in one.run for one in every):
        return every  # no run has a second attempt
    newest: dict[RunId, int] = {}
    for one in every:
        first = first_attempt(one.run)
        newest[first] = max(newest.get(first, 0), attempt_of(one.run))
    return [
        one
        for one in every
        if one.state is not RunState.FAILED
        or one.started_twice
        or attempt_of(one.run) == newest[first_attempt(one.run)]
    ]


def state_counts(rows: Iterable[StatusRow]) -> str:
    """`31 pending, 1,200 succeeded (2 after a retry), 9 failed`, or `no runs`.

    A run counts once, with its newest attempt among the rows.
    """
    newest = newest_attempts(rows)
    counts = Counter(one.state for one in newest)
    again = (one.run for one in newest if one.state is RunState.SUCCEEDED and "#" in one.run)
    retried = sum(attempt_of(run) > 1 for run in again)
    words = {state: f"{counts[state]:,} {state.replace('-', ' ')}" for state in counts}
    if retried:
        words[RunState.SUCCEEDED] += f" ({retried:,} after a retry)"
    return ", ".join(words[state] for state in RunState if state in words) or "no runs"


def status_table(
    rows: Sequence[StatusRow], zone: tzinfo, screen: Screen, *, verbose: bool, unfolded: bool
) -> Iterator[str]:
    """The rows' lines, at most SHOWN_RUNS unless `verbose`; headings where a run has its own row.

    With `unfolded` or `verbose`, each run of a backfill has a row of its own.
    """
    each = verbose or unfolded
    lines = group_items(rows, lambda one: None if each else backfill_of(one.run))
    shown = lines if verbose else _choose_lines(lines)
    yield from _lines(shown, zone, screen, verbose=verbose)
    left_out = len(rows) - sum(map(len, shown))
    if left_out:
        yield f"… and {left_out:,} more; --verbose shows all"
    elif any(len(line) > 1 for line in shown):
        yield from ("", UNFOLD)


def _lines(lines: Sequence[_Line], zone: tzinfo, screen: Screen, *, verbose: bool) -> Iterator[str]:
    alone = [_cells(line[0], zone) for line in lines if len(line) == 1]
    headings = ("State", "Run", f"Trigger time ({zone_name(zone)})", "Instance")
    widths = _widths(alone, headings, screen)
    if alone:
        yield from row(headings, widths)
        yield "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    for line in lines:
        if len(line) > 1:
            yield from _backfill(line, screen)
            told = list(_counted_notes(line, zone))
        else:
            yield from _run(line[0], _cells(line[0], zone), widths, screen)
            told = list(notes(line[0], zone, verbose=verbose))
        for note in told:
            yield from screen.wrap_text(note, indent=widths[0] + len(GAP))


def _run(
    one: StatusRow, cells: Sequence[str], widths: Sequence[int], screen: Screen
) -> Iterator[str]:
    first, *more = screen.row(cells, widths)
    yield screen.paint(one.state, _STYLES[one.state]) + first[len(one.state) :]
    yield from more


def _backfill(rows: _Line, screen: Screen) -> Iterator[str]:
    newest = newest_attempts(rows)
    states = {one.state for one in newest}
    style = next(style for state, style in _STYLES.items() if state in states)
    words = (
        f"{backfill_of(rows[0].run)}: {format_count(len(newest), 'run')}: {state_counts(newest)}"
    )
    first, *more = screen.without_margin(_INDENT).wrap_text(words)
    yield screen.paint(first, style)
    yield from (screen.paint(" " * _INDENT + line, style) for line in more)


def _counted_notes(rows: _Line, zone: tzinfo) -> Iterator[str]:
    """What a person must know of the backfill's runs: each note once, with the number of runs."""
    newest = newest_attempts(rows)
    urgent = (one for one in newest if _is_urgent(one) or one.reason not in _UNTOLD)
    alike = (one.but(why=one.gist or one.why, evidence=None) for one in urgent)
    found = Counter(note for one in alike for note in notes(one, zone, verbose=False))
    for note, number in found.most_common(SHOWN_NOTES):
        yield f"{note} ({format_count(number, 'run')})"
    if len(found) > SHOWN_NOTES:
        yield f"… and more; {UNFOLD}"


def _choose_lines(lines: Sequence[_Line]) -> list[_Line]:
    """At most SHOWN_RUNS of the lines, in their order; the urgent lines are kept first."""
    numbers = sorted(range(len(lines)), key=lambda number: not any(map(_is_urgent, lines[number])))
    return [lines[number] for number in sorted(numbers[:SHOWN_RUNS])]


def _is_urgent(one: StatusRow) -> bool:
    return one.state in _URGENT or one.error is not None


def _cells(one: StatusRow, zone: tzinfo) -> tuple[str, ...]:
    return (
        one.state.value,
        one.run,
        clock_time(one.trigger_time, zone),
        escape_message(one.instance or ""),
    )


def _widths(rows: Sequence[Sequence[str]], headings: Sequence[str], screen: Screen) -> list[int]:
    """Each column is as wide as its content needs; the names of runs get the room that is left."""
    state, name, time, instance = zip(*rows, strict=True) if rows else [()] * len(headings)
    others = [
        width_for(state, headings[0], 9),
        width_for(time, "Trigger time", LONGEST_TIME),
        width_for(instance, headings[3], 24),
    ]
    room = screen.width - sum(others) - len(GAP) * len(others)
    return [others[0], screen.width_for_names(name, headings[1], room), *others[1:]]


def notes(one: StatusRow, zone: tzinfo, *, verbose: bool) -> Iterator[str]:
    """What a person must know of the run apart from its state, one line for each note."""
    if one.declared_as is not None:
        yield f"declared as {one.declared_as} now"
    is_told = one.reason not in _UNTOLD
    error = additional_error(one) if is_told else one.error
    if error is not None:
        yield escape_message(error)
    if one.status is not None and (verbose or one.state is not RunState.SUCCEEDED):
        seen_only = one.state is RunState.TRIGGERED and one.status in FINAL
        yield f"the instance is {status_words(one.status)}{_TO_BE_RECORDED if seen_only else ''}"
    if one.cancelled is not None:
        yield f"asked to cancel it, the service said: {one.cancelled}"
    if is_told:
        yield escape_message(local_times(one.why, zone))
    if one.state in {RunState.CLAIMED, RunState.IN_DOUBT}:
        until = f" until {clock_time(one.until, zone)}" if one.until else ""
        yield f"claimed by {one.by or 'another apply'}{until}"
        if listed := listed_instances(one):
            yield escape_message(f"the service lists what may be its instance: {', '.join(listed)}")
    if verbose:
        yield from _detail_notes(one, zone)


# Until `settleSeconds` after a start, the instance listed with its id may be another's.
_TO_BE_RECORDED = "; not recorded yet, so soon after its start: the next look records it"


def _detail_notes(one: StatusRow, zone: tzinfo) -> Iterator[str]:
    if one.flow_id is not None:
        yield f"flow {one.flow_id}"
    if one.claimed_at is not None:
        yield f"claimed at {ledger_time(one.claimed_at, zone)}"
    if one.triggered_at is not None:
        yield f"triggered at {ledger_time(one.triggered_at, zone)}"
    if one.labels:
        yield ", ".join(f"{key}={value}" for key, value in one.labels.items())
