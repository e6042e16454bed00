"""The steps of an apply as records of a log: level, words, and fields that scripts rely on."""

from typing import Any, Literal, assert_never

from reconciler.apply.ports import Claimed, Noted, Recorded, Settled, Step, Waiting, Watching
from reconciler.enos.statuses import FAILED, status_name
from reconciler.ledger import Event, events
from reconciler.render.apply_steps import is_done, plain_step
from reconciler.times import format_instant


def step_level(step: Step) -> Literal["info", "warning"]:
    """`warning` for what a person should look at."""
    is_amiss = isinstance(step, Noted) or (isinstance(step, Settled) and _is_amiss(step.event))
    return "warning" if is_amiss else "info"


def step_message(step: Step) -> str:
    """The step in words."""
    return plain_step(step) or "nothing to record"


def step_fields(step: Step) -> dict[str, Any]:
    """What the step is about, as `schemas/log.schema.json` has it."""
    match step:
        case Claimed():
            until = format_instant(step.until)
            return {"event": "claimed", "claim": step.claim, "count": step.runs, "until": until}
        case Settled():
            return _of_event(step.event)
        case Recorded():
            return {"event": "recorded", "count": step.events}
        case Waiting():
            return {"event": "waiting", "until": format_instant(step.until)}
        case Watching():
            return {"event": "watching", "count": step.ended}
        case Noted():
            return {"event": "noted"}
        case _:
            assert_never(step)


def _of_event(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": type(event).__name__.lower()}
    if not isinstance(event, events.Claim):
        fields["run"] = event.run
    if event.claim is not None:
        fields["claim"] = event.claim
    if isinstance(event, events.Triggered | events.Adopted):
        fields["flowInstanceId"] = event.flow_instance_id
    return fields


def _is_amiss(event: Event) -> bool:
    match event:
        case events.Unknown() | events.Rejected():
            return True
        case events.Observed():
            return status_name(event.status) in FAILED
        case events.Cancelled():
            return not is_done(event)
        case _:
            return False
