"""What the renderers of an apply share: its steps in words, its result, and lists of runs.

A list has at most 20 lines. If it has more runs, those of one backfill share a line.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from reconciler.apply.ports import Claimed, Learned, Noted, Recorded, Step, Waiting, Watching
from reconciler.apply.result import ApplyResult
from reconciler.counting import format_count
from reconciler.enos.statuses import CANCELLED, FINAL, SUCCEEDED, status_name
from reconciler.ledger import Event, Record, events
from reconciler.model import RunId, backfill_of, first_attempt
from reconciler.plan import PlannedRun
from reconciler.plan.outlook import HarmlessEnd
from reconciler.render.backfills import attempt_of, group_items, natural_order
from reconciler.render.layout import Screen
from reconciler.render.safe import escape_line, escape_message
from reconciler.render.words import status_words
from reconciler.times import format_instant


def plain_step(step: Step) -> str | None:
    """The step in one line that is safe to show, or None where there is nothing to say."""
    match step:
        case Claimed():
            until = format_instant(step.until)
            line: str | None = (
                f"claimed {format_count(step.runs, 'run')} until {until} ({step.claim})"
            )
        case Learned():
            line = _outcome(step.event)
        case Recorded():
            line = f"recorded {format_count(step.events, 'event')}" if step.events else None
        case Waiting():
            line = f"waiting until {format_instant(step.until)}: {step.reason}"
        case Watching():
            line = _count_ended(step)
        case Noted():
            line = "; ".join(filter(None, step.message.split("\n")))
        case _:
            assert_never(step)
    return None if line is None else escape_line(escape_message(line))


def _outcome(event: Event) -> str | None:
    match event:
        case events.Triggered():
            found = "" if event.evidence is None else " (found by a search)"
            return f"{event.run}: triggered as {event.flow_instance_id}{found}"
        case events.Rejected():
            return f"{event.run}: refused: {event.code}: {event.message}"
        case events.Unknown():
            return f"{event.run}: in doubt: {event.seen}"
        case events.Absent():
            return f"{event.run}: not started: {absence_reason(event)}"
        case events.Observed():
            name = status_name(event.status)
            verb = "ended with" if name in FINAL else "is"
            return f"{event.run}: the instance {verb} {status_words(name)}"
        case events.Cancelled():
            answer = "cancelled" if is_done(event) else f"not cancelled: {cancel_answer(event)}"
            return f"{event.run}: {answer}"
        case events.Resolved():
            settled = f"triggered as {event.triggered}" if event.triggered else "not triggered"
            return f"{event.run}: {settled}, says {event.by}"
        case events.Adopted():
            return f"{event.run}: started by hand as {event.flow_instance_id}, says {event.by}"
        case events.Claim():
            return None
        case _:
            assert_never(event)


def _count_ended(step: Watching) -> str:
    verb = "has" if 1 in {step.ended, step.total} else "have"
    return f"{step.ended:,} of {format_count(step.total, 'instance')} {verb} ended"


def is_done(event: events.Cancelled) -> bool:
    """Whether the service has cancelled the instance."""
    return event.code == 0


def cancel_answer(event: events.Cancelled) -> str:
    """What the service answered instead of cancelling."""
    return f"{event.code}: {event.message}" if event.message else str(event.code)


def absence_reason(event: events.Absent) -> str:
    """Why the run was certainly not started, in words."""
    if was_not_sent(event):
        return str(event.evidence["notStarted"])
    return "the service has no instance of it"


def was_not_sent(event: events.Absent) -> bool:
    """Whether the run is absent because no start was sent, not because a search found nothing."""
    return isinstance(event.evidence, dict) and "notStarted" in event.evidence


def triggered_events(result: ApplyResult) -> list[events.Triggered]:
    """The outcomes of runs that were started, or that a search found to be started."""
    return [event for event in result.outcomes if isinstance(event, events.Triggered)]


def rejected_events(result: ApplyResult) -> Mapping[RunId, events.Rejected]:
    """The starts that the service refused."""
    return {event.run: event for event in result.outcomes if isinstance(event, events.Rejected)}


def reasons_not_started(result: ApplyResult) -> Iterator[tuple[RunId, str]]:
    """The runs left to the next apply, without those refused, and why each did not start."""
    refused = rejected_events(result)
    absent = {event.run: event for event in result.outcomes if isinstance(event, events.Absent)}
    for run in result.unstarted:
        if run.id not in refused:
            yield run.id, _unstarted_reason(run, absent)


def _unstarted_reason(run: PlannedRun, absent: Mapping[RunId, events.Absent]) -> str:
    return absence_reason(absent[run.id]) if run.id in absent else "not reached"


def ends(result: ApplyResult) -> dict[RunId, str]:
    """The status, by EnOS's name, of each run whose end was seen, in the runs' natural order."""
    found = {event.run: status_name(event.status) for event in result.observed}
    return dict(sorted(found.items(), key=lambda one: natural_order(one[0])))


def failed_runs(result: ApplyResult) -> dict[RunId, str]:
    """The runs that the apply waited for and that failed for good, with the instance's status."""
    return {run.id: (run.record and run.record.status) or "failed" for run in result.failed}


def unfinished_title(result: ApplyResult) -> str:
    """The title for the instances that the apply waited for and that did not end."""
    if result.interrupted:
        return "Not ended when the apply was interrupted"
    return "Not ended when the time to wait (--timeout) was up"


def unfinished_words(record: Record) -> str:
    """The instances of a run that has not ended, or that another apply has claimed it."""
    return ", ".join(record.instances) or "claimed by another apply"


def cancellations(result: ApplyResult, *, done: bool) -> Sequence[events.Cancelled]:
    """The cancellations that the service carried out (`done`), or those that it refused."""
    return [event for event in result.cancelled if is_done(event) is done]


def bad_ends(result: ApplyResult) -> dict[RunId, str]:
    """The ends that are no success, except of runs that their manifest calls off."""
    return {
        run: status
        for run, status in ends(result).items()
        if status not in SUCCEEDED and result.over.get(run) is not HarmlessEnd.CALLED_OFF
    }


def called_off_runs(result: ApplyResult) -> dict[RunId, str]:
    """The runs that were cancelled, and those that their manifest calls off and that ended badly.

    Each has the words for how it ended; empty where it was cancelled or its end is not known.
    """
    found = {event.run: "" for event in cancellations(result, done=True)}
    for run, status in ends(result).items():
        if status not in SUCCEEDED and result.over.get(run) is HarmlessEnd.CALLED_OFF:
            found[run] = "" if status == CANCELLED else status_words(status)
    return found


def end_words(result: ApplyResult, run: RunId, status: str) -> str:
    """The status with which the run ended, and a note where no manifest declares it any more."""
    is_undeclared = result.over.get(run) is HarmlessEnd.UNDECLARED
    return f"{status_words(status)}{'; no longer declared' if is_undeclared else ''}"


def lasting_failures(result: ApplyResult) -> dict[RunId, str]:
    """The bad ends that somebody must act on: no other attempt follows, and the run is not over."""
    found = bad_ends(result) | failed_runs(result)
    again = {
        (first_attempt(event.run), attempt_of(event.run) - 1) for event in triggered_events(result)
    }
    return {
        run: status
        for run, status in found.items()
        if (first_attempt(run), attempt_of(run)) not in again and run not in result.over
    }


def numbers(result: ApplyResult) -> dict[str, int]:
    """How many runs were `triggered`, `refused`, …, without zeros."""
    counts = {
        "triggered": len(triggered_events(result)),
        "cancelled": len(called_off_runs(result)),
        "not cancelled": len(cancellations(result, done=False)) + len(result.uncancelled),
        "succeeded": sum(status in SUCCEEDED for status in ends(result).values()),
        "failed": len(bad_ends(result) | failed_runs(result)),
        "not ended": len(result.unfinished),
        "waited for in vain": len(result.untold),
        "refused": len(rejected_events(result)) + len(result.refused),
        "not started": len(list(reasons_not_started(result))),
        "started twice": len(result.twice),
        "in doubt": len(result.doubts),
        "waiting": len(result.waiting),
    }
    return {word: number for word, number in counts.items() if number}


def has_done_anything(result: ApplyResult) -> bool:
    """Whether the apply did something, or could not do something that it had to do."""
    started = (result.outcomes, result.unstarted, result.doubts, result.refused, result.twice)
    ended = (result.observed, result.failed, result.unfinished, result.untold)
    return any((*started, *ended, result.cancelled, result.uncancelled))


def conclusion(result: ApplyResult, unpushed: str | None) -> str | None:
    """The sentence before the numbers, if any. `unpushed`: see `apply_text`."""
    if result.interrupted:
        return "Interrupted: what is known was recorded, and another apply goes on from there."
    if has_done_anything(result):
        return None
    if unpushed is not None:
        return f"Nothing to do there: {unpushed}."
    return None if result.left_out else "Nothing to do."


def explain_left_out(result: ApplyResult) -> str | None:
    """A sentence that a run waits for others left out of this apply, and what helps; or None."""
    if not result.left_out:
        return None
    run, names = next(iter(result.left_out.items()))
    others = len(result.left_out) - 1
    more = f" (and {format_count(others, 'more run')} for what was left out)" if others else ""
    return (
        f"{run} waits for {_shorten_names(names)}, which this apply was not called for{more}: "
        "name that as well, or call it without names."
    )


def _shorten_names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


SHOWN = 20  # of each list; `status` shows more
INDENT = 2

Item = tuple[RunId, str]  # a run, and its line


def run_lines(items: Sequence[Item], screen: Screen, indent: int = INDENT) -> Iterator[str]:
    """A line for each run; if there are more than 20 runs, those of one backfill share a line."""
    is_long = len(items) > SHOWN
    lines = group_items(items, lambda item: backfill_of(item[0]) if is_long else None)
    for line in lines[:SHOWN]:
        yield from screen.wrap_text(_line_words(line), indent)
    yield from left_out_line(sum(map(len, lines[SHOWN:])), indent)


def reason_lines(reasons: Iterable[Item], screen: Screen) -> Iterator[str]:
    """The runs by reason: at most 20 reasons, each with at most 20 lines."""
    groups: dict[str, list[RunId]] = defaultdict(list)
    for run, reason in reasons:
        groups[reason].append(run)
    for reason, runs in list(groups.items())[:SHOWN]:
        yield from screen.wrap_text(f"{reason} ({format_count(len(runs), 'run')})", INDENT)
        yield from run_lines([(run, run) for run in runs], screen, 2 * INDENT)
    yield from left_out_line(sum(map(len, list(groups.values())[SHOWN:])))


def left_out_line(number: int, indent: int = INDENT) -> Iterator[str]:
    """The line that counts what was left out, if anything was."""
    if number > 0:
        yield f"{' ' * indent}… and {number:,} more"


def _line_words(items: Sequence[Item]) -> str:
    (first, words), *others = items
    if not others:
        return words
    return f"{backfill_of(first)}: {format_count(len(items), 'run')}, {first} to {others[-1][0]}"
