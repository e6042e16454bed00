"""What an apply did: for people, and for scripts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from reconciler.apply.result import ApplyResult
from reconciler.apply.settle import Doubt
from reconciler.ledger import events
from reconciler.model import RunId
from reconciler.plan import PlannedRun
from reconciler.render.document import json_document
from reconciler.render.layout import Screen, as_text
from reconciler.render.moments import clock_time, zone_name
from reconciler.render.steps import why_absent
from reconciler.render.words import COMMIT_DIGITS, command, counted
from reconciler.times import format_instant

SHOWN = 20  # of each list: more is for `status` to show
_INDENT = 2


def apply_text(result: ApplyResult, zone: tzinfo, environment: str) -> str:
    """What was started, refused, left in doubt and waits, each list cut to 20 with a count."""
    blocks = [
        _started(result),
        _refused(result),
        _not_started(result),
        _in_doubt(result, zone, environment),
        _waiting(result),
    ]
    summary = list(_summary(result, environment))
    lines = [line for block in (summary, *map(list, blocks)) if block for line in (*block, "")]
    return as_text(lines[:-1])


def apply_json(result: ApplyResult, environment: str) -> str:
    """The JSON document of `apply --format json`."""
    started = [event for event in result.outcomes if isinstance(event, events.Triggered)]
    refused = _rejected(result)
    return json_document(
        {
            "version": 1,
            "environment": environment,
            "commit": result.commit,
            "interrupted": result.interrupted,
            "triggered": [_triggered_json(event) for event in started],
            "rejected": [
                {"run": event.run, "code": event.code, "message": event.message}
                for event in refused.values()
            ],
            "notStarted": [
                {"run": run, "reason": reason} for run, reason in _reasons_not_started(result)
            ],
            "inDoubt": [_doubt_json(doubt) for doubt in result.doubts],
            "waiting": [{"run": run.id, "reason": run.reason} for run in result.waiting],
        }
    )


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


def _summary(result: ApplyResult, environment: str) -> Iterator[str]:
    started = sum(isinstance(event, events.Triggered) for event in result.outcomes)
    numbers = {
        "triggered": started,
        "refused": len(_rejected(result)),
        "not started": len(list(_reasons_not_started(result))),
        "in doubt": len(result.doubts),
        "waiting": len(result.waiting),
    }
    counts = ", ".join(f"{number} {word}" for word, number in numbers.items() if number)
    where = f"{environment} at {result.commit[:COMMIT_DIGITS]}"
    if result.interrupted:
        yield "Interrupted: what is known was recorded, and another apply goes on from there."
    elif not started and not result.unstarted and not result.doubts:
        yield "Nothing to do."
    if counts:
        yield from Screen().wrapped(f"{where}: {counts}")


def _started(result: ApplyResult) -> Iterator[str]:
    triggered = [event for event in result.outcomes if isinstance(event, events.Triggered)]
    found = [event for event in triggered if event.evidence is not None]
    started = [event for event in triggered if event.evidence is None]
    if started:
        yield "Triggered:"
        yield from _cut([f"{event.run}: {event.flow_instance_id}" for event in started])
    if found:
        yield "Found at the service, started already:"
        yield from _cut([f"{event.run}: {event.flow_instance_id}" for event in found])


def _refused(result: ApplyResult) -> Iterator[str]:
    refused = _rejected(result).values()
    if refused:
        yield "Refused by the service, and tried again by the next apply:"
        yield from _grouped((event.run, f"{event.code}: {event.message}") for event in refused)


def _not_started(result: ApplyResult) -> Iterator[str]:
    reasons = list(_reasons_not_started(result))
    if reasons:
        yield "Not started, and left to the next apply:"
        yield from _grouped(reasons)


def _in_doubt(result: ApplyResult, zone: tzinfo, environment: str) -> Iterator[str]:
    if not result.doubts:
        return
    yield "In doubt: may have been started, and is not started again until it is settled:"
    for doubt in result.doubts[:SHOWN]:
        yield from Screen().wrapped(f"{doubt.planned.id}: {doubt.reason}", _INDENT)
        if doubt.decided_at is not None:
            when = f"{clock_time(doubt.decided_at, zone)} ({zone_name(zone)})"
            yield from Screen().wrapped(f"an apply after {when} can settle it", 2 * _INDENT)
        yield " " * 2 * _INDENT + command("status", doubt.planned.id, "--env", environment)
    yield from _more(len(result.doubts) - SHOWN)


def _waiting(result: ApplyResult) -> Iterator[str]:
    if result.waiting:
        yield "Waiting:"
        yield from _grouped((run.id, run.reason) for run in result.waiting)


def _rejected(result: ApplyResult) -> Mapping[RunId, events.Rejected]:
    return {event.run: event for event in result.outcomes if isinstance(event, events.Rejected)}


def _reasons_not_started(result: ApplyResult) -> Iterator[tuple[RunId, str]]:
    refused = _rejected(result)
    absent = {event.run: event for event in result.outcomes if isinstance(event, events.Absent)}
    for run in result.unstarted:
        if run.id not in refused:
            yield run.id, _why_not_started(run, absent)


def _why_not_started(run: PlannedRun, absent: Mapping[RunId, events.Absent]) -> str:
    return why_absent(absent[run.id]) if run.id in absent else "not reached"


def _grouped(reasons: Iterable[tuple[RunId, str]]) -> Iterator[str]:
    """The runs by reason, at most 20 of one reason and 20 reasons."""
    groups: dict[str, list[RunId]] = defaultdict(list)
    for run, reason in reasons:
        groups[reason].append(run)
    for reason, runs in list(groups.items())[:SHOWN]:
        yield from Screen().wrapped(f"{reason} ({counted(len(runs), 'run')})", _INDENT)
        yield from _cut(runs, 2 * _INDENT)
    yield from _more(sum(map(len, list(groups.values())[SHOWN:])))


def _cut(items: Sequence[str], indent: int = _INDENT) -> Iterator[str]:
    for item in items[:SHOWN]:
        yield from Screen().wrapped(item, indent)
    yield from _more(len(items) - SHOWN, indent)


def _more(number: int, indent: int = _INDENT) -> Iterator[str]:
    if number > 0:
        yield f"{' ' * indent}… and {number} more"
