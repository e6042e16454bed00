"""What an apply refuses to do."""

import json
from collections.abc import Mapping, Sequence
from datetime import tzinfo

from reconciler.apply.ports import SavedRun
from reconciler.errors import RefusedError
from reconciler.model import EpochMs, Parameters, Problem, RunId
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.refusals import too_many
from reconciler.times import in_zone


class InvalidManifestsError(RefusedError):
    """The shared branch's manifests have problems, so nothing is started."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            f"nothing was started: the branch's manifests have {len(problems)} problem(s)",
            hint="Mend them in a pull request; `reconciler validate` finds them before the merge.",
        )
        self.problems = tuple(problems)


def refuse_too_many(wanted: int, limit: int) -> None:
    """Refuse an apply that is larger than anybody meant it to be."""
    refused = too_many(wanted, limit)
    if refused is not None:
        raise RefusedError(refused.message, hint=refused.hint)


def is_as_saved(planned: PlannedRun, saved: SavedRun | None) -> bool:
    """Whether the run would be sent as the saved plan says, at the same time."""
    if saved is None:
        return False
    return (planned.digest, planned.trigger_time) == (saved.digest, saved.trigger_time)


def refuse_stale(plan: Plan, only: Mapping[RunId, SavedRun], zone: tzinfo) -> None:
    """Refuse a saved plan if a start that it lists is no longer what an apply would make now.

    `zone` is the gateway's, in which times are told.
    """
    now = {planned.id: planned for planned in plan.runs}
    stale = {
        run: how for run, saved in only.items() if (how := _difference(saved, now.get(run), zone))
    }
    for run, how in stale.items():
        more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
        raise RefusedError(
            f"the saved plan is stale: an apply would not start {run} as planned: {how}{more}",
            hint="Make a new plan from the branch as it is now.",
        )


def _difference(saved: SavedRun, now: PlannedRun | None, zone: tzinfo) -> str | None:
    """How the run differs from what was saved; None if it does not."""
    if now is None:
        return "it is no longer declared"
    if now.action is not Action.TRIGGER:
        return now.reason
    if is_as_saved(now, saved):
        return None
    found = [
        f"{name} {before} → {after}"
        for name, before, after in (
            ("flowId", str(saved.flow_id), str(now.flow_id)),
            ("triggerTime", _time(saved.trigger_time, zone), _time(now.trigger_time, zone)),
            ("parameters", _written(saved.parameters), _written(now.parameters)),
        )
        if before != after
    ]
    # Two staggers can bring two times to one: the same is sent, and yet not the same was meant.
    return ", ".join(found) or "triggerTime before its stagger"


def _time(instant: EpochMs, zone: tzinfo) -> str:
    try:
        return in_zone(instant, zone).isoformat()
    except (OverflowError, ValueError):  # a saved plan can hold any number
        return f"{instant} ms"


def _written(parameters: Parameters) -> str:
    return json.dumps(dict(parameters), ensure_ascii=False)
