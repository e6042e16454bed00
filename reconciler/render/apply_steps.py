"""The steps of an apply, in words."""

from typing import assert_never

from reconciler.apply.ports import Claimed, Noted, Recorded, Settled, Step, Waiting, Watching
from reconciler.counting import counted
from reconciler.enos.statuses import FINAL, status_name
from reconciler.ledger import Event, events
from reconciler.render.safe import said, visible
from reconciler.render.words import status_words
from reconciler.times import format_instant


def plain_step(step: Step) -> str | None:
    """One line for the step, safe to show; None where there is nothing to say."""
    match step:
        case Claimed():
            until = format_instant(step.until)
            line: str | None = f"claimed {counted(step.runs, 'run')} until {until} ({step.claim})"
        case Settled():
            line = _outcome(step.event)
        case Recorded():
            line = f"recorded {counted(step.events, 'event')}" if step.events else None
        case Waiting():
            line = f"waiting until {format_instant(step.until)}: {step.reason}"
        case Watching():
            line = _ended(step)
        case Noted():
            line = "; ".join(filter(None, step.message.split("\n")))
        case _:
            assert_never(step)
    return None if line is None else visible(said(line))


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
            return f"{event.run}: not started: {why_absent(event)}"
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


def _ended(step: Watching) -> str:
    verb = "has" if 1 in {step.ended, step.total} else "have"
    return f"{step.ended:,} of {counted(step.total, 'instance')} {verb} ended"


def is_done(event: events.Cancelled) -> bool:
    """Whether the service has cancelled the instance."""
    return event.code == 0


def cancel_answer(event: events.Cancelled) -> str:
    """What the service answered instead of cancelling."""
    return f"{event.code}: {event.message}" if event.message else str(event.code)


def why_absent(event: events.Absent) -> str:
    """Why it is certain that the run was not started, in words."""
    if was_not_sent(event):
        return str(event.evidence["notStarted"])
    return "the service has no instance of it"


def was_not_sent(event: events.Absent) -> bool:
    """Whether no start of the run was sent; else a search found no instance."""
    return isinstance(event.evidence, dict) and "notStarted" in event.evidence
