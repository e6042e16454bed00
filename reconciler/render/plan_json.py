"""Plans as JSON values: the contract with scripts, and what `plan --out` saves."""

from collections.abc import Sequence
from typing import Any

from reconciler.model import backfill_of, wire_parameters
from reconciler.plan import Plan, PlannedRun
from reconciler.plan.looking import awaited
from reconciler.plan.review import NO_REVIEW, Refused, Review
from reconciler.render.backfills import attempt_of
from reconciler.render.changes_json import change_json, compared_json, match_json
from reconciler.render.document import MadeRows, one_or_several
from reconciler.render.problems import problem_json
from reconciler.times import format_instant


def plans_json(plans: Sequence[Plan], reviews: Sequence[Review] = ()) -> dict[str, Any]:
    """One plan as it is; several under `environments`. Of `reviews` each is of one plan."""
    given = [*reviews, *[NO_REVIEW] * len(plans)]
    found = [plan_json(plan, review) for plan, review in zip(plans, given, strict=False)]
    return one_or_several(found)


def plan_json(plan: Plan, review: Review = NO_REVIEW) -> dict[str, Any]:
    """The plan of one environment, its runs in the order in which they would start."""
    found: dict[str, Any] = {
        "version": 1,
        "environment": plan.environment,
        "commit": plan.commit,
        "digest": plan.digest,
        "at": format_instant(plan.at),
        "summary": plan.summary,
        **({"retired": plan.retired} if plan.retired else {}),
        "runs": MadeRows(plan.runs, _run_json),
        "problems": [problem_json(problem) for problem in plan.problems],
        "refusals": [{"code": one.code, "message": str(one)} for one in review.refused],
        "warnings": [{"code": one.code, "message": str(one)} for one in _warnings(review)],
        "awaited": list(awaited(plan).started),
        "edited": [change_json(change) for one in review.edited for change in one.changes],
    }
    return found if review.compared is None else found | compared_json(review.compared)


def _warnings(review: Review) -> list[Refused]:
    return [] if review.refused_with_wait is None else [review.refused_with_wait]


def _run_json(run: PlannedRun) -> dict[str, Any]:
    return {
        "run": run.id,
        "backfill": backfill_of(run.id),
        "attempt": attempt_of(run.id),
        "action": run.action.value,
        "reason": run.reason,
        "flowId": run.flow_id,
        "triggerTime": run.trigger_time,
        "parameters": wire_parameters(run.parameters),
        "file": run.place.file if run.place else None,
        "line": run.place.line if run.place else None,
        "digest": run.digest,
        "labels": dict(run.labels),
        "instance": run.instance,
        "dependsOn": list(run.run.depends_on) if run.run else [],
        "match": match_json(run.run) if run.run else {},
        "after": run.run and run.run.after,
        "waitsFor": list(run.waits_for),
        "blocked": run.blocked,
        "refused": run.refused,
        "warning": run.warning,
    }
