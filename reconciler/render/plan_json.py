"""Plans as JSON values: the contract with scripts, and what `plan --out` saves.

A plan says what a change does only where it is compared with a base.
"""

from collections.abc import Sequence
from typing import Any

from reconciler.ledger import Record
from reconciler.model import Retry, Run, Terms, backfill_of, wire_parameters
from reconciler.plan import Plan, PlannedRun
from reconciler.plan.changes import FIELDS, Change, document_name
from reconciler.plan.review import NO_REVIEW, Compared, Review
from reconciler.plan.values import BriefPlanned, find_awaited
from reconciler.refused import Refused
from reconciler.render.backfills import attempt_of
from reconciler.render.json_output import MadeRows, environments_document, wire_form
from reconciler.render.problems import problem_json
from reconciler.times import format_instant


def plans_json(plans: Sequence[Plan], reviews: Sequence[Review] = ()) -> dict[str, Any]:
    """One plan as it is; several under `environments`. `reviews` has one review for each plan."""
    given = [*reviews, *[NO_REVIEW] * len(plans)]
    found = [plan_json(plan, review) for plan, review in zip(plans, given, strict=False)]
    return environments_document(found)


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
        "awaited": list(find_awaited(plan).started),
        "edited": [change_json(change) for one in review.edited for change in one.changes],
    }
    return found if review.compared is None else found | compared_json(review.compared)


def _warnings(review: Review) -> list[Refused]:
    return [] if review.refused_with_wait is None else [review.refused_with_wait]


def _run_json(run: PlannedRun) -> dict[str, Any]:
    declared, record = run.run, run.record
    # Where a brief one takes it from: with a hundred thousand, the way through it counts.
    told, decided = (run.run, run.decision) if isinstance(run, BriefPlanned) else (run, run)
    id_, place = told.id, told.place
    terms = declared.terms if declared is not None else Terms()
    return {
        "run": id_,
        "backfill": backfill_of(id_),
        "attempt": attempt_of(id_),
        "action": decided.action,
        "reason": decided.reason,
        "flowId": told.flow_id,
        "triggerTime": told.trigger_time,
        "parameters": wire_form(run.parameters),
        "file": place and place.file,
        "line": place and place.line,
        "digest": told.digest,
        "labels": told.labels,
        "instance": record.instance if record is not None else None,
        "dependsOn": list(terms.depends_on),
        "match": match_json(terms) if terms.matching else {},
        "after": declared and declared.after,
        "waitsFor": list(decided.waits_for),
        "blocked": decided.blocked,
        "refused": decided.refused,
        "warning": decided.warning,
    }


def compared_json(compared: Compared) -> dict[str, Any]:
    """What a comparison adds to a plan; `gone` only where the change takes the environment away."""
    return {
        "base": {"commit": compared.base, "notes": list(compared.notes)},
        "changes": [change_json(change) for change in compared.changes],
        "configuration": [
            {"pointer": one.pointer, "before": one.before, "after": one.after}
            for one in compared.configuration
        ],
        "unjudged": [
            {"file": file, "runs": len(names)} for file, names in compared.unjudged.items()
        ],
        **({"gone": True} if compared.is_gone else {}),
    }


def change_json(change: Change) -> dict[str, Any]:
    """One run before and after. Of a run that has started, `before` is what it was started with."""
    sides = (change.before, change.after)
    hidden = frozenset[str]().union(*(run.sensitive for run in sides if run is not None))
    return {
        "run": change.id,
        "change": change.kind.value,
        "before": _side_json(change.before, hidden),
        "after": _side_json(change.after, hidden),
        "file": change.run.place.file,
        "line": change.run.place.line,
        "ran": [_ran_json(record) for record in change.earlier],
        **({"unseen": change.unseen} if change.unseen else {}),
    }


def _side_json(run: Run | None, hidden: frozenset[str]) -> dict[str, Any] | None:
    if run is None:
        return None
    return {
        "run": run.declared_id(run.attempt),
        **{document_name(name): _field_json(run, name, hidden) for name in FIELDS},
    }


def _field_json(run: Run, name: str, hidden: frozenset[str]) -> object:
    match name:
        case "parameters":
            return wire_parameters(run.shown_parameters(hidden))
        case "matching":
            return match_json(run.terms)
        case "retry":
            return _retry_json(run.retry)
        case _:
            value = getattr(run, name)
            return list(value) if isinstance(value, tuple) else value


def match_json(terms: Terms) -> dict[str, list[str]]:
    """By name in `dependsOn`, the keys whose values must agree for a run of that name to count."""
    return {name: list(one.keys) for one in terms.matching for name in one.names}


def _retry_json(retry: Retry | None) -> dict[str, Any] | None:
    return None if retry is None else {"max": retry.max, "on": sorted(retry.on)}


def _ran_json(record: Record) -> dict[str, Any]:
    return {"run": record.run, "state": record.phase.name.lower(), "status": record.status}
