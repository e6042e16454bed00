"""What the ledger says of runs as JSON: the contract with scripts."""

from collections.abc import Iterator, Sequence
from datetime import UTC, tzinfo
from functools import lru_cache, partial
from typing import Any

from reconciler.ledger import RunState
from reconciler.model import EpochMs, RunId, backfill_of, manifest_of, run_name
from reconciler.render.backfills import attempt_of
from reconciler.render.json_output import MadeRows, environments_document, json_pieces, wire_form
from reconciler.render.status_row import FullRow, StatusRow, SuccessRow
from reconciler.times import business_date


def statuses_json(statuses: Sequence[tuple[str, tzinfo, Sequence[StatusRow]]]) -> Iterator[str]:
    """The JSON document in pieces. One environment, with its zone, as it is; several in a list."""
    found = [
        {"version": 1, "environment": environment, "runs": MadeRows(rows, partial(_row_json, zone))}
        for environment, zone, rows in statuses
    ]
    return json_pieces(environments_document(found))


def _row_json(zone: tzinfo, one: StatusRow) -> dict[str, Any]:
    return _success_json(zone, one) if isinstance(one, SuccessRow) else _full_json(zone, one)


def _success_json(zone: tzinfo, one: SuccessRow) -> dict[str, Any]:
    """The same as of the full row, in a quarter of the time: nearly all rows are such."""
    run, record, declared = one.run, one.record, one.declared
    time, instance, claim = record.trigger_time, record.instance, record.claim
    found = {
        **_PLAIN,
        "run": run,
        "backfill": backfill_of(run),
        "attempt": attempt_of(run),
        "flowId": one.flow_id,
        "triggerTime": time,
        "businessDate": _date(time, zone),
        "manifest": manifest_of(run_name(run)),
        "flowInstanceId": instance,
        "instanceUrl": one.instance_url,
        "claimedAt": record.claimed_at,
        "triggeredAt": record.triggered_at,
        "status": record.status,
        "starts": [{"claim": claim, "flowInstanceId": instance}],
        "claim": claim,
        "claimedBy": one.made.by,
        "claimedUntil": one.until,
    }
    if declared is not None:
        found["parameters"] = wire_form(declared.shown_parameters())
        found["file"] = declared.file
        found["line"] = declared.marks[""][0]
        found["labels"] = declared.labels
    return found


def _full_json(zone: tzinfo, one: StatusRow) -> dict[str, Any]:
    run, time, parameters, place = one.run, one.trigger_time, one.parameters, one.place
    return {
        "run": run,
        "backfill": backfill_of(run),
        "attempt": attempt_of(run),
        "state": one.state,
        "flowId": one.flow_id,
        "triggerTime": time,
        "businessDate": _date(time, zone),
        "reason": one.reason and _reason(one.reason, one.why),
        "waitsFor": list(one.waits_for),
        "parameters": None if parameters is None else wire_form(parameters),
        "declaredAs": one.declared_as,
        "manifest": manifest_of(run_name(run)),
        "file": place and place.file,
        "line": place and place.line,
        "flowInstanceId": one.instance,
        "instanceUrl": one.instance_url,
        "claimedAt": one.claimed_at,
        "triggeredAt": one.triggered_at,
        "status": one.status,
        "cancelled": one.cancelled,
        "error": one.error,
        "starts": [
            {"claim": start.claim, "flowInstanceId": start.instance} for start in one.starts
        ],
        "startedTwice": one.started_twice,
        "labels": dict(one.labels),
        "claim": one.claim,
        "claimedBy": one.by,
        "claimedUntil": one.until,
        "evidence": one.evidence,
    }


# Cached because many runs share a trigger time.
@lru_cache(maxsize=16_384)
def _date(time: EpochMs, zone: tzinfo) -> str:
    return business_date(time, zone).isoformat()


def _reason(code: str, words: str) -> str:
    """The code, and what `words` say beyond it."""
    plain = code.replace("-", " ")
    for known in (f"{plain}: ", f"{plain} "):
        words = words.removeprefix(known)
    return code if words == plain else f"{code}: {words}"


# What a row says that has nothing to tell but that it succeeded.
_PLAIN = _full_json(
    UTC, FullRow(run=RunId(""), state=RunState.SUCCEEDED, flow_id=None, trigger_time=EpochMs(0))
)
