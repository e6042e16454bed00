"""What the ledger says of runs, as text, and all that is known of one run."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from reconciler.ledger import RunState
from reconciler.ledger.events import WHY
from reconciler.plan.outlook import Outlook
from reconciler.render.layout import Screen, join_lines
from reconciler.render.safe import escape_line, escape_message
from reconciler.render.seen import Fact, evidence_facts
from reconciler.render.status_row import (
    StatusRow,
    additional_error,
    caution,
    outlook,
    ways_to_settle,
)
from reconciler.render.status_table import state_counts, status_table
from reconciler.render.words import (
    clock_time,
    command,
    ledger_time,
    local_times,
    processed_date,
    start_again_advice,
    status_words,
    zone_name,
)

_LABEL_WIDTH = 15
_UNDECLARED = "no longer declared"


def status_detail_text(
    environment: str, row: StatusRow, zone: tzinfo, width: int | None = None
) -> str:
    """Everything that is known of the run; if it is in doubt, the commands that settle it.

    Each command has one line, however long, so that it can be copied. See `plan_text` for `width`.
    """
    state = row.state.replace("-", " ")
    screen = Screen.of(width, color=False)
    lines = screen.wrap_text(f"{row.run} in {environment}: {state}")
    lines.append("")
    for label, value in facts(row, zone):
        first, *more = screen.without_margin(_LABEL_WIDTH).wrap_text(value)
        lines.append(f"{label:<{_LABEL_WIDTH}}{first}")
        lines += [" " * _LABEL_WIDTH + line for line in more]
    if row.state is RunState.IN_DOUBT:
        lines += _advice(environment, row, zone, screen)
    elif row.started_twice:
        lines += _choice(environment, row, screen)
    elif row.state is RunState.FAILED and outlook(row) is Outlook.AMISS:
        advice = start_again_advice(row.run, row.status, is_suspended=row.is_suspended)
        lines += ["", *screen.wrap_text(advice)]
    return join_lines(lines)


def facts(row: StatusRow, zone: tzinfo) -> Iterator[Fact]:
    """What is known of the run, each fact with its label."""
    here = f"({zone_name(zone)})"
    time = f"{clock_time(row.trigger_time, zone)} {here}"
    if row.declared_as is not None:
        yield "declared as", row.declared_as
    if row.reason is not None:
        yield "why", escape_message(local_times(row.why, zone))
    yield "flow", "not known" if row.flow_id is None else str(row.flow_id)
    yield "trigger time", f"{time}, business date {processed_date(row.trigger_time, zone)}"
    given, error = row.parameters or (), additional_error(row)
    recorded = "recorded at" if row.starts and row.starts[0].by_hand else "triggered at"
    known = {
        "instance": row.instance and escape_message(row.instance),
        "see it at": row.instance_url,
        recorded: row.triggered_at and f"{ledger_time(row.triggered_at, zone)} {here}",
        "ended at": row.ended_at and f"{ledger_time(row.ended_at, zone)} {here}",
        "status": row.status and status_words(row.status),
        "cancellation": row.cancelled,
        "error": error and escape_message(error),
        "claim": row.claim,
        "claimed by": row.by,
        "claimed at": row.claimed_at and f"{ledger_time(row.claimed_at, zone)} {here}",
        "claimed until": row.until and f"{clock_time(row.until, zone)} {here}",
        "parameters": escape_message(", ".join(f"{key}={value}" for key, value in given)),
        "manifest": escape_line(f"{row.place.file}:{row.place.line}") if row.place else _UNDECLARED,
        "labels": ", ".join(f"{key}={value}" for key, value in row.labels.items()),
    }
    for label, value in known.items():
        if value:
            yield label, str(value)
    yield from evidence_facts(row.evidence, zone)
    if row.state is RunState.IN_DOUBT:
        if row.evidence is None:
            yield "seen", "nothing: the apply that claimed it recorded no outcome"
        if row.settled_from is not None:
            yield "to be settled", f"by a search after {clock_time(row.settled_from, zone)} {here}"


def _choice(environment: str, row: StatusRow, screen: Screen) -> Iterator[str]:
    instances = dict.fromkeys(start.instance for start in row.starts)
    look = (
        "Two claims have each started it. Look at both instances in EnOS, undo what one of them "
        "has done where that matters, and say which one speaks for the run:"
    )
    if len(row.starts) == 1:
        look = (
            "Another start of it left too late, from a process that had been frozen, and was not "
            "answered. Look in EnOS for a second instance with its flow and trigger time, undo "
            "what that one has done where that matters, and say that this one speaks for the run:"
        )
    yield ""
    yield from screen.wrap_text(look)
    yield ""
    said_why = ("--reason", WHY, "--env", environment)
    for instance in instances:
        yield f"  {command('resolve', row.run, '--triggered', instance, *said_why)}"


def _advice(environment: str, row: StatusRow, zone: tzinfo, screen: Screen) -> Iterator[str]:
    flow = "its flow" if row.flow_id is None else f"flow {row.flow_id}"
    when = f"{clock_time(row.trigger_time, zone)} ({zone_name(zone)})"
    look = (
        "It may have been started. The next apply looks for its instance; if that settles nothing, "
        f"look in EnOS for an instance of {flow} with trigger time {when}, created after the "
        "claim. Then say what you found, with one of:"
    )
    yield ""
    yield from screen.wrap_text(look)
    yield ""
    *named, denied = (
        f"  {command('resolve', row.run, *found, '--env', environment)}"
        for found in ways_to_settle(row)
    )
    yield from named
    if warning := caution(row):
        yield from ("", *screen.wrap_text(f"{warning}:"), "")
    yield denied


__all__ = ["StatusRow", "status_detail_text", "status_text"]


def status_text(
    environment: str,
    rows: Sequence[StatusRow],
    zone: tzinfo,
    verbose: bool = False,
    *,
    unfolded: bool = False,
    width: int | None = None,
    color: bool | None = False,
) -> str:
    """The runs of one environment for people; see `plan_text` for `width` and `color`.

    A backfill is one line with counts, unless `unfolded`. Of more than 500 lines, those with runs
    in doubt, refused or failed are kept first. `verbose` leaves out no line, unfolds backfills, and
    adds what else is known of each run.
    """
    screen = Screen.of(width, color)
    heading = screen.wrap_text(f"{environment}: {state_counts(rows)}")
    lines = [screen.paint(line, "bold") for line in heading]
    if rows:
        lines.append("")
        lines += status_table(rows, zone, screen, verbose=verbose, unfolded=unfolded)
    return join_lines(lines)
