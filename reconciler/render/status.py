"""What the ledger says of runs: as a table and as JSON."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any

from reconciler.model import backfill_of, manifest_of, run_name, wire_parameters
from reconciler.render.backfills import attempt_of
from reconciler.render.document import MadeRows, json_pieces, one_or_several
from reconciler.render.layout import Screen, as_text
from reconciler.render.status_detail import status_detail_text
from reconciler.render.status_row import StatusRow
from reconciler.render.status_table import state_counts, status_table
from reconciler.times import business_date

__all__ = ["StatusRow", "status_detail_text", "status_text", "statuses_json"]


def statuses_json(statuses: Sequence[tuple[str, tzinfo, Sequence[StatusRow]]]) -> Iterator[str]:
    """One environment, with its zone, as it is; several under `environments`. In pieces."""
    found = [
        {"version": 1, "environment": environment, "runs": MadeRows(rows, partial(_row_json, zone))}
        for environment, zone, rows in statuses
    ]
    return json_pieces(one_or_several(found))


def _row_json(zone: tzinfo, one: StatusRow) -> dict[str, Any]:
    return {
        "run": one.run,
        "backfill": backfill_of(one.run),
        "attempt": attempt_of(one.run),
        "state": one.state.value,
        "flowId": one.flow_id,
        "triggerTime": one.trigger_time,
        "businessDate": business_date(one.trigger_time, zone).isoformat(),
        "reason": one.reason and _reason(one.reason, one.why),
        "waitsFor": list(one.waits_for),
        "parameters": None if one.parameters is None else wire_parameters(one.parameters),
        "declaredAs": one.declared_as,
        "manifest": manifest_of(run_name(one.run)),
        "file": one.place and one.place.file,
        "line": one.place and one.place.line,
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


def _reason(code: str, words: str) -> str:
    """The code, and what there is to say beyond it."""
    plain = code.replace("-", " ")
    for known in (f"{plain}: ", f"{plain} "):
        words = words.removeprefix(known)
    return code if words == plain else f"{code}: {words}"


def status_text(
    environment: str,
    rows: Sequence[StatusRow],
    zone: tzinfo,
    verbose: bool = False,
    *,
    unfolded: bool = False,
    width: int | None = None,
    color: bool | None = False,
) -> str:
    """The runs of one environment for people; see `plan_text` for `width` and `color`.

    A backfill is one line with counts, unless `unfolded`. Of more than 500 lines those with runs
    in doubt, refused or failed are kept and others left out, unless `verbose`, which also unfolds
    and adds what else is known of each run.
    """
    screen = Screen.of(width, color)
    heading = screen.wrapped(f"{environment}: {state_counts(rows)}")
    lines = [screen.paint(line, "bold") for line in heading]
    if rows:
        lines.append("")
        lines += status_table(rows, zone, screen, verbose=verbose, unfolded=unfolded)
    return as_text(lines)
