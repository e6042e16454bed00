"""What the ledger says of runs: as a table and as JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from reconciler.ledger import RunState
from reconciler.render.document import json_document
from reconciler.render.layout import GAP, Screen, as_text, row, width_for
from reconciler.render.moments import clock_time, ledger_time, zone_name
from reconciler.render.status_detail import status_detail_text
from reconciler.render.status_row import StatusRow

__all__ = ["StatusRow", "status_detail_text", "status_json", "status_text", "statuses_json"]

SHOWN_RUNS = 500

_STYLES: Mapping[RunState, str] = {
    RunState.PENDING: "yellow",
    RunState.CLAIMED: "yellow",
    RunState.IN_DOUBT: "bold red",
    RunState.REJECTED: "red",
    RunState.TRIGGERED: "cyan",
    RunState.SUCCEEDED: "green",
    RunState.FAILED: "red",
}
_URGENT = frozenset({RunState.IN_DOUBT, RunState.REJECTED, RunState.FAILED})


def status_json(environment: str, rows: Sequence[StatusRow]) -> str:
    """The JSON document of `status --format json` for one environment."""
    return statuses_json([(environment, rows)])


def statuses_json(statuses: Sequence[tuple[str, Sequence[StatusRow]]]) -> str:
    """One environment as it is; several under `environments`."""
    found = [
        {"version": 1, "environment": environment, "runs": [_row_json(one) for one in rows]}
        for environment, rows in statuses
    ]
    return json_document(found[0] if len(found) == 1 else {"version": 1, "environments": found})


def _row_json(one: StatusRow) -> dict[str, Any]:
    return {
        "run": one.run,
        "state": one.state.value,
        "flowId": one.flow_id,
        "triggerTime": one.trigger_time,
        "flowInstanceId": one.instance,
        "claimedAt": one.claimed_at,
        "triggeredAt": one.triggered_at,
        "status": one.status,
        "error": one.error,
        "labels": dict(one.labels),
        "claim": one.claim,
        "claimedBy": one.by,
        "claimedUntil": one.until,
        "evidence": one.evidence,
    }


def status_text(
    environment: str,
    rows: Sequence[StatusRow],
    zone: tzinfo,
    verbose: bool = False,
    *,
    width: int | None = None,
    color: bool | None = False,
) -> str:
    """The runs of one environment for people; see `plan_text` for `width` and `color`.

    Of more than 500 runs those in doubt, refused or failed are kept and others left out, unless
    `verbose`, which also adds what else is known of each.
    """
    screen = Screen.of(width, color)
    counts = Counter(one.state for one in rows)
    words = [f"{counts[state]} {state.replace('-', ' ')}" for state in RunState if counts[state]]
    heading = screen.wrapped(f"{environment}: {', '.join(words) or 'no runs'}")
    lines = [screen.paint(line, "bold") for line in heading]
    if rows:
        lines.append("")
        lines += _table(rows, zone, screen, verbose=verbose)
    return as_text(lines)


def _table(
    rows: Sequence[StatusRow], zone: tzinfo, screen: Screen, *, verbose: bool
) -> Iterator[str]:
    shown = rows if verbose else _most_urgent(rows)
    cells = [_cells(one, zone) for one in shown]
    headings = ("State", "Run", f"Trigger time ({zone_name(zone)})", "Instance")
    state, name, time, instance = zip(*cells, strict=True)
    others = [
        width_for(state, headings[0], 9),
        width_for(time, "Trigger time", 23),
        width_for(instance, headings[3], 24),
    ]
    room = screen.width - sum(others) - len(GAP) * len(others)
    widths = [others[0], width_for(name, headings[1], room), *others[1:]]
    yield from row(headings, widths)
    yield "-" * (sum(widths) + len(GAP) * len(others))
    for one, parts in zip(shown, cells, strict=True):
        first, *more = row(parts, widths)
        yield screen.paint(one.state, _STYLES[one.state]) + first[len(one.state) :]
        yield from more
        for note in _notes(one, zone, verbose=verbose):
            yield from screen.wrapped(note, indent=others[0] + len(GAP))
    if len(shown) < len(rows):
        yield f"… and {len(rows) - len(shown)} more; --verbose shows all"


def _most_urgent(rows: Sequence[StatusRow]) -> list[StatusRow]:
    """At most SHOWN_RUNS of the rows, in their order; those that somebody must look at first."""
    numbers = sorted(range(len(rows)), key=lambda number: not _is_urgent(rows[number]))
    return [rows[number] for number in sorted(numbers[:SHOWN_RUNS])]


def _is_urgent(one: StatusRow) -> bool:
    return one.state in _URGENT or one.error is not None


def _cells(one: StatusRow, zone: tzinfo) -> tuple[str, ...]:
    return (one.state.value, one.run, clock_time(one.trigger_time, zone), one.instance or "")


def _notes(one: StatusRow, zone: tzinfo, *, verbose: bool) -> Iterator[str]:
    if one.error is not None:
        yield one.error
    if one.status is not None and (verbose or one.state is not RunState.SUCCEEDED):
        yield f"the instance is {one.status}"
    if one.state in {RunState.CLAIMED, RunState.IN_DOUBT}:
        until = f" until {clock_time(one.until, zone)}" if one.until else ""
        yield f"claimed by {one.by or 'another apply'}{until}"
    if not verbose:
        return
    if one.flow_id is not None:
        yield f"flow {one.flow_id}"
    if one.claimed_at is not None:
        yield f"claimed at {ledger_time(one.claimed_at, zone)}"
    if one.triggered_at is not None:
        yield f"triggered at {ledger_time(one.triggered_at, zone)}"
    if one.labels:
        yield ", ".join(f"{key}={value}" for key, value in one.labels.items())
