"""What an apply that has nothing to start may still wait for."""

from collections.abc import Mapping

from reconciler.apply.settle import Doubt
from reconciler.model import EpochMs, RunId
from reconciler.plan import Action, Plan


def worth_waiting_for(
    plan: Plan, doubts: Mapping[RunId, Doubt], now: EpochMs, claim_seconds: float
) -> EpochMs | None:
    """When something that is held or in doubt will be decided; None if time decides nothing.

    A run in doubt whose trigger time lies further ahead than a claim lasts is left so: there is no
    bound to that wait.
    """
    times = [held.record.until for held in plan.of_action(Action.HOLD) if held.record]
    horizon = now + int(claim_seconds * 1000)
    for planned in plan.of_action(Action.RESOLVE):
        doubt, record = doubts.get(planned.id), planned.record
        if doubt is None or record is None:
            times.append(now)  # in doubt only since the last look
        elif doubt.decided_at is not None and planned.trigger_time <= max(record.until, horizon):
            times.append(doubt.decided_at)
    return min(times, default=None)


def waits_for(plan: Plan) -> str:
    """What an apply that waits is waiting for, in words."""
    held, doubts = len(plan.of_action(Action.HOLD)), len(plan.of_action(Action.RESOLVE))
    if not doubts:
        return f"{held} run(s) claimed by another apply"
    return f"{doubts} run(s) in doubt" + (f", {held} claimed by another apply" if held else "")
