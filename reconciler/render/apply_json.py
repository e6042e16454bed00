"""What an apply did, for scripts."""

from typing import Any

from reconciler.apply.doubt import Doubt
from reconciler.apply.result import ApplyResult
from reconciler.enos.statuses import status_name
from reconciler.ledger import Record, events
from reconciler.render.apply_outcomes import failed, reasons_not_started, rejected, triggered
from reconciler.render.document import json_document
from reconciler.times import format_instant


def apply_json(result: ApplyResult, environment: str, unpushed: str | None = None) -> str:
    """The JSON document of `apply --format json`; `unpushed`: see `apply_text`."""
    return json_document(
        {
            "version": 1,
            "environment": environment,
            "commit": result.commit,
            "interrupted": result.interrupted,
            "unpushed": unpushed,
            "triggered": [_triggered(event) for event in triggered(result)],
            "rejected": [
                {"run": event.run, "code": event.code, "message": event.message}
                for event in rejected(result).values()
            ],
            "notStarted": [
                {"run": run, "reason": reason} for run, reason in reasons_not_started(result)
            ],
            "startedTwice": [
                {
                    "run": record.run,
                    "starts": [
                        {"claim": start.claim, "flowInstanceId": start.instance}
                        for start in record.starts
                    ],
                }
                for record in result.twice
            ],
            "inDoubt": [_doubt(doubt) for doubt in result.doubts],
            "waiting": [{"run": run.id, "reason": run.reason} for run in result.waiting],
            "leftOut": [
                {"run": run, "waitsFor": list(names)} for run, names in result.left_out.items()
            ],
            "refused": [{"run": run.id, "reason": run.reason} for run in result.refused],
            "observed": [
                {"run": event.run, "status": status_name(event.status)} for event in result.observed
            ],
            "notCancelled": [run.id for run in result.uncancelled],
            "cancelled": [
                {"run": event.run, "code": event.code, "message": event.message}
                for event in result.cancelled
            ],
            "failed": [{"run": run, "status": status} for run, status in failed(result).items()],
            "unfinished": [_unfinished(record) for record in result.unfinished],
            "untold": [{"run": run, "reason": why} for run, why in result.untold.items()],
        }
    )


def _triggered(event: events.Triggered) -> dict[str, Any]:
    return {
        "run": event.run,
        "flowId": event.flow_id,
        "triggerTime": event.trigger_time,
        "flowInstanceId": event.flow_instance_id,
        "triggeredAt": event.at,
        "evidence": event.evidence,
    }


def _doubt(doubt: Doubt) -> dict[str, Any]:
    decided_at = None if doubt.decided_at is None else format_instant(doubt.decided_at)
    return {"run": doubt.planned.id, "reason": doubt.reason, "decidedAt": decided_at}


def _unfinished(record: Record) -> dict[str, Any]:
    return {"run": record.run, "flowInstanceId": next(iter(record.instances), None)}
