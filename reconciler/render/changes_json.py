"""What a change does, as JSON values: the part of a plan that stands there with a base."""

from typing import Any

from reconciler.ledger import Record
from reconciler.model import Retry, Run, wire_parameters
from reconciler.plan.changes import Change
from reconciler.plan.review import Compared


def compared_json(compared: Compared) -> dict[str, Any]:
    """`base`, `changes`, `configuration`, and `gone` where it is, of one environment's plan."""
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
    """One run before and after; of what ran, before is what it was started with."""
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
        "flowId": run.flow_id,
        "triggerTime": run.trigger_time,
        "parameters": wire_parameters(run.shown_parameters(hidden)),
        "suspend": run.suspend,
        "notAfter": run.not_after,
        "dependsOn": list(run.depends_on),
        "match": match_json(run),
        "after": run.after,
        "maxActive": run.max_active,
        "stopAfter": run.stop_after,
        "cancel": run.cancel,
        "retry": _retry_json(run.retry),
        "duplicateOf": run.duplicate_of,
    }


def match_json(run: Run) -> dict[str, list[str]]:
    """By their names, those of `dependsOn` that mean only runs that agree, with the keys."""
    return {name: list(one.keys) for one in run.matching for name in one.names}


def _retry_json(retry: Retry | None) -> dict[str, Any] | None:
    return None if retry is None else {"max": retry.max, "on": sorted(retry.on)}


def _ran_json(record: Record) -> dict[str, Any]:
    return {"run": record.run, "state": record.phase.name.lower(), "status": record.status}
