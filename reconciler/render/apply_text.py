"""What an apply did, for people and for scripts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from reconciler.apply.doubt import Doubt
from reconciler.apply.result import ApplyResult
from reconciler.enos.statuses import status_name
from reconciler.ledger import Event, Record, events
from reconciler.model import RunId
from reconciler.render.apply_outcomes import (
    INDENT,
    SHOWN,
    bad_ends,
    called_off_runs,
    cancel_answer,
    cancellations,
    conclusion,
    end_words,
    explain_left_out,
    failed_runs,
    lasting_failures,
    left_out_line,
    numbers,
    reason_lines,
    reasons_not_started,
    rejected_events,
    run_lines,
    triggered_events,
    unfinished_title,
    unfinished_words,
)
from reconciler.render.json_output import json_document
from reconciler.render.layout import Screen, join_lines
from reconciler.render.safe import escape_message
from reconciler.render.words import (
    COMMIT_DIGITS,
    all_start_again_advice,
    clock_time,
    command,
    local_times,
    zone_name,
)
from reconciler.times import format_instant

__all__ = ["apply_json", "apply_text", "outcomes_json"]


def apply_text(
    result: ApplyResult,
    zone: tzinfo,
    environment: str,
    width: int | None = None,
    *,
    unpushed: str | None = None,
) -> str:
    """What was started, what was not, and what has ended; each list is cut to 20, with a count.

    `unpushed`: what is only in this clone and not on the branch; it is shown where the apply had
    nothing to do. See `plan_text` for `width`.
    """
    screen = Screen.of(width, color=False)
    blocks = [
        _summary(result, environment, screen, unpushed),
        _started_lines(result, screen),
        _cancelled_lines(result, screen),
        _bad_end_lines(result, screen),
        _unfinished_lines(result, screen),
        _untold_lines(result, environment, screen),
        _refused_lines(result, screen),
        _unstarted_lines(result, screen),
        _started_twice_lines(result, environment, screen),
        _doubt_lines(result, zone, environment, screen),
        _waiting_lines(result, zone, screen),
    ]
    lines = [line for block in map(list, blocks) if block for line in (*block, "")]
    return join_lines(lines[:-1])


def _summary(
    result: ApplyResult, environment: str, screen: Screen, unpushed: str | None
) -> Iterator[str]:
    for words in filter(None, (conclusion(result, unpushed), explain_left_out(result))):
        yield from screen.wrap_text(escape_message(words))
    counts = ", ".join(f"{number:,} {word}" for word, number in numbers(result).items())
    if counts:
        where = f"{environment} at {result.commit[:COMMIT_DIGITS]}"
        yield from screen.wrap_text(f"{where}: {counts}")


def _started_lines(result: ApplyResult, screen: Screen) -> Iterator[str]:
    found = [event for event in triggered_events(result) if event.evidence is not None]
    started = [event for event in triggered_events(result) if event.evidence is None]
    for heading, those in (
        ("Triggered:", started),
        ("Found at the service, started already:", found),
    ):
        if those:
            yield heading
            yield from run_lines(
                [(one.run, escape_message(f"{one.run}: {one.flow_instance_id}")) for one in those],
                screen,
            )


def _cancelled_lines(result: ApplyResult, screen: Screen) -> Iterator[str]:
    if done := called_off_runs(result):
        yield "Cancelled:"
        told = ((run, f"{run}: {words}" if words else run) for run, words in done.items())
        yield from run_lines([(run, escape_message(words)) for run, words in told], screen)
    if refused := cancellations(result, done=False):
        yield "Not cancelled, because the service refused it:"
        yield from reason_lines([(event.run, cancel_answer(event)) for event in refused], screen)


def _bad_end_lines(result: ApplyResult, screen: Screen) -> Iterator[str]:
    """Runs that the apply waited for have a list of their own: they have no attempt left."""
    for_good = failed_runs(result)
    seen = {run: status for run, status in bad_ends(result).items() if run not in for_good}
    if seen:
        yield "Failed:"
        yield from _status_lines(result, seen, screen)
    if for_good:
        yield "Failed, with no attempt left:"
        yield from _status_lines(result, for_good, screen)
    for advice in all_start_again_advice(dict(list(lasting_failures(result).items())[:SHOWN])):
        yield from screen.wrap_text(advice)


def _status_lines(
    result: ApplyResult, statuses: Mapping[RunId, str], screen: Screen
) -> Iterator[str]:
    told = ((run, end_words(result, run, status)) for run, status in statuses.items())
    yield from reason_lines(told, screen)


def _unfinished_lines(result: ApplyResult, screen: Screen) -> Iterator[str]:
    if result.unfinished:
        yield f"{unfinished_title(result)}:"
        yield from run_lines(
            [
                (record.run, escape_message(f"{record.run}: {unfinished_words(record)}"))
                for record in result.unfinished
            ],
            screen,
        )


def _untold_lines(result: ApplyResult, environment: str, screen: Screen) -> Iterator[str]:
    if not result.untold:
        return
    yield "Waited for in vain: look at the instance at the service, then ask again:"
    for run, reason in list(result.untold.items())[:SHOWN]:
        yield from screen.wrap_text(escape_message(f"{run}: {reason}"), INDENT)
        yield " " * 2 * INDENT + command("status", run, "--refresh", "--env", environment)
    yield from left_out_line(len(result.untold) - SHOWN)


def _refused_lines(result: ApplyResult, screen: Screen) -> Iterator[str]:
    if refused := rejected_events(result).values():
        yield "Refused by the service, and tried again by the next apply:"
        yield from reason_lines(
            [(event.run, f"{event.code}: {event.message}") for event in refused], screen
        )
    if result.refused:
        yield "Not claimed, by the preflight:"
        yield from reason_lines(
            [(run.id, escape_message(run.reason)) for run in result.refused], screen
        )


def _unstarted_lines(result: ApplyResult, screen: Screen) -> Iterator[str]:
    if reasons := list(reasons_not_started(result)):
        yield "Not started, and left to the next apply:"
        yield from reason_lines(reasons, screen)


def _started_twice_lines(result: ApplyResult, environment: str, screen: Screen) -> Iterator[str]:
    if not result.twice:
        return
    yield "Started twice: look at both instances, then say which one speaks for the run:"
    for record in result.twice[:SHOWN]:
        yield from screen.wrap_text(escape_message(f"{record.run}: {record.error}"), INDENT)
        yield " " * 2 * INDENT + command("status", record.run, "--env", environment)
    yield from left_out_line(len(result.twice) - SHOWN)


def _doubt_lines(
    result: ApplyResult, zone: tzinfo, environment: str, screen: Screen
) -> Iterator[str]:
    if not result.doubts:
        return
    yield "In doubt: may have been started, and is not started again until it is settled:"
    for doubt in result.doubts[:SHOWN]:
        yield from screen.wrap_text(
            escape_message(f"{doubt.planned.id}: {local_times(doubt.reason, zone)}"), INDENT
        )
        if doubt.decided_at is not None:
            when = f"{clock_time(doubt.decided_at, zone)} ({zone_name(zone)})"
            yield from screen.wrap_text(f"an apply after {when} can settle it", 2 * INDENT)
        yield " " * 2 * INDENT + command("status", doubt.planned.id, "--env", environment)
    yield from left_out_line(len(result.doubts) - SHOWN)


def _waiting_lines(result: ApplyResult, zone: tzinfo, screen: Screen) -> Iterator[str]:
    if result.waiting:
        yield "Waiting:"
        told = [(run.id, local_times(run.shared_reason, zone)) for run in result.waiting]
        yield from reason_lines(told, screen)


def apply_json(result: ApplyResult, environment: str, unpushed: str | None = None) -> str:
    """The JSON document of `apply --format json`; `unpushed`: see `apply_text`."""
    return json_document(
        {
            "version": 1,
            "environment": environment,
            "commit": result.commit,
            "interrupted": result.interrupted,
            "unpushed": unpushed,
            "triggered": [_triggered_json(event) for event in triggered_events(result)],
            "rejected": [_answered_json(event) for event in rejected_events(result).values()],
            "notStarted": [
                {"run": run, "reason": reason} for run, reason in reasons_not_started(result)
            ],
            "startedTwice": [_double_start_json(record) for record in result.twice],
            "inDoubt": [_doubt_json(doubt) for doubt in result.doubts],
            "waiting": [{"run": run.id, "reason": run.reason} for run in result.waiting],
            "leftOut": [
                {"run": run, "waitsFor": list(names)} for run, names in result.left_out.items()
            ],
            "refused": [{"run": run.id, "reason": run.reason} for run in result.refused],
            "observed": [
                {"run": event.run, "status": status_name(event.status)} for event in result.observed
            ],
            "notCancelled": [run.id for run in result.uncancelled],
            "cancelled": [_answered_json(event) for event in result.cancelled],
            "failed": [
                {"run": run, "status": status} for run, status in failed_runs(result).items()
            ],
            "unfinished": [_unfinished_json(record) for record in result.unfinished],
            "untold": [{"run": run, "reason": why} for run, why in result.untold.items()],
        }
    )


def outcomes_json(outcomes: Sequence[Event]) -> dict[str, Any]:
    """What a document says of an apply that was stopped, besides the reason: what it had done.

    The same as in `apply_json`. `outcomes`: on the branch, or kept in a rescue file.
    """
    last = {one.run: one for one in outcomes if isinstance(one, _OF_A_START)}
    doubts = [one for one in last.values() if isinstance(one, events.Unknown)]
    return {
        "triggered": [
            _triggered_json(one) for one in outcomes if isinstance(one, events.Triggered)
        ],
        "rejected": [
            _answered_json(one) for one in last.values() if isinstance(one, events.Rejected)
        ],
        "inDoubt": [{"run": one.run} for one in doubts],
        "cancelled": [_answered_json(one) for one in outcomes if isinstance(one, events.Cancelled)],
    }


_OF_A_START = (events.Triggered, events.Rejected, events.Unknown, events.Absent)


def _answered_json(event: events.Rejected | events.Cancelled) -> dict[str, Any]:
    return {"run": event.run, "code": event.code, "message": event.message}


def _double_start_json(record: Record) -> dict[str, Any]:
    starts = [{"claim": start.claim, "flowInstanceId": start.instance} for start in record.starts]
    return {"run": record.run, "starts": starts}


def _triggered_json(event: events.Triggered) -> dict[str, Any]:
    return {
        "run": event.run,
        "flowId": event.flow_id,
        "triggerTime": event.trigger_time,
        "flowInstanceId": event.flow_instance_id,
        "triggeredAt": event.at,
        "evidence": event.evidence,
    }


def _doubt_json(doubt: Doubt) -> dict[str, Any]:
    decided_at = None if doubt.decided_at is None else format_instant(doubt.decided_at)
    return {"run": doubt.planned.id, "reason": doubt.reason, "decidedAt": decided_at}


def _unfinished_json(record: Record) -> dict[str, Any]:
    return {"run": record.run, "flowInstanceId": next(iter(record.instances), None)}
