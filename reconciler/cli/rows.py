"""The rows of `status` and `report`: what plan and ledger say of each run or attempt."""

from collections import defaultdict
from typing import assert_never

import msgspec

from reconciler.configuration import GatewayConfiguration
from reconciler.ledger import Ledger, Record, RunState
from reconciler.ledger.brief import BriefRecord
from reconciler.ledger.records import Phase, settling_time
from reconciler.model import (
    EpochMs,
    Run,
    RunId,
    first_attempt,
    manifest_of,
    run_attempt,
    run_name,
)
from reconciler.plan import Action, Plan, PlannedRun, Reason
from reconciler.render.backfills import attempt_of, natural_order
from reconciler.render.status_row import FullRow, StatusRow, SuccessRow, instance_url


def with_gateway(row: StatusRow, gateway: GatewayConfiguration) -> StatusRow:
    """The row with what the gateway's configuration adds to it.

    It adds the URL of the run's instance, if `instanceUrl` is configured. For a run in doubt it
    adds the time from when a search that finds nothing proves that there is no instance.
    """
    template = gateway.instance_url
    if template is None and row.state is not RunState.IN_DOUBT:
        return row
    if row.state is RunState.IN_DOUBT:
        until = row.until or EpochMs(0)
        row = row.but(settled_from=settling_time(until, row.trigger_time, gateway.settle))
    if template is None or row.instance is None:
        return row
    if isinstance(row, SuccessRow):
        return msgspec.structs.replace(row, template=template)
    return row.but(instance_url=instance_url(template, row.instance, row.flow_id))


def status_rows(plan: Plan, ledger: Ledger, now: EpochMs, *, most: int) -> list[StatusRow]:
    """A row for each run or attempt that is recorded, or declared and not recorded yet.

    Sorted by manifest, trigger time and name, so that each look has the same order. `most`: how
    many runs an apply may start.
    """
    of_manifest: dict[str, list[StatusRow]] = defaultdict(list)
    for row in _rows(plan, ledger, now, most=most):
        of_manifest[manifest_of(run_name(RunId(row.declared_as or row.run)))].append(row)
    found: list[StatusRow] = []
    for manifest in sorted(of_manifest, key=natural_order):
        by_time: dict[EpochMs, list[StatusRow]] = defaultdict(list)
        for row in of_manifest[manifest]:
            by_time[row.trigger_time].append(row)
        for time in sorted(by_time):
            alike = by_time[time]
            found += (
                sorted(alike, key=lambda row: natural_order(row.run)) if len(alike) > 1 else alike
            )
    return found


def _rows(plan: Plan, ledger: Ledger, now: EpochMs, *, most: int) -> list[StatusRow]:
    planned: dict[RunId, PlannedRun] = {}  # those that are not done, and a code says why
    runs: dict[RunId, Run] = {}
    for one in plan.runs:
        id_ = one.id
        if one.code is not None:
            planned[id_] = one
        if one.run is not None:
            runs[first_attempt(id_)] = one.run
    starts = len(plan.runs_of_action(Action.START))
    over = (
        f"{starts:,} runs to start are more than limits.maxRunsPerApply, {most:,}: an apply "
        "refuses them"
    )

    def with_reason(row: StatusRow, newest: Run | None) -> StatusRow:
        one = planned.get(row.run)
        if newest is not None and newest.attempt > 1 and newest.attempt > attempt_of(row.run):
            row = row.but(followed_by=newest.id)
        if one is None or one.code is None:
            return _unplanned_row(row, now)
        if one.action is Action.START and starts > most:
            return row.but(reason=Reason.OVER_LIMIT, why=over)
        why = _UNDER_WAY.get(one.code, one.reason)
        return row.but(reason=one.code, why=why, gist=one.gist, waits_for=one.waits_for)

    rows = [
        with_reason(_pending_row(run), runs.get(first_attempt(run.id)))
        for run in runs.values()
        if run.id not in ledger.records
    ]
    for record in ledger.records.values():
        declared = runs.get(first_attempt(record.run))
        rows.append(with_reason(_recorded_row(record, declared, ledger, now), declared))
    return rows


_UNDER_WAY = {
    Reason.NOT_DUE: "the service starts it at its time",
    Reason.RUNNING: "started, and not known to have ended",
}  # what the ledger knows; the row's status is what the service said last


def _unplanned_row(row: StatusRow, now: EpochMs) -> StatusRow:
    """The row of a run that is done, or is not done for a reason that the plan does not give."""
    match row.state:
        case RunState.SUCCEEDED | RunState.CLAIMED | RunState.IN_DOUBT:  # most have succeeded
            return row
        case RunState.FAILED:
            return row.but(reason=Reason.FAILED, why=_end_words(row))
        case RunState.TRIGGERED:
            code = Reason.NOT_DUE if row.trigger_time > now else Reason.RUNNING
            return row.but(reason=code, why=_UNDER_WAY[code])
        case RunState.PENDING | RunState.REJECTED:
            gone = "this attempt is no longer wanted" if row.is_declared else "no longer declared"
            return row.but(reason=Reason.UNDECLARED, why=f"{gone}: will not start")
        case _:
            assert_never(row.state)


def _end_words(row: StatusRow) -> str:
    ended = f"it ended with {row.status}" if row.status else "it ended badly"
    return ended if row.followed_by is None else f"{ended}; {row.followed_by} follows"


def _pending_row(run: Run) -> StatusRow:
    return FullRow(
        run=run.id,
        state=RunState.PENDING,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        is_suspended=run.suspend,
        parameters=run.shown_parameters(),
        place=run.place,
        labels=run.labels,
    )


def _recorded_row(record: Record, run: Run | None, ledger: Ledger, now: EpochMs) -> StatusRow:
    nonce = record.claim
    claim = ledger.claims.get(nonce) if nonce else None
    is_early = max(record.until, record.trigger_time) > now
    is_renamed = run is not None and bool(run.declared_as)
    if (
        isinstance(record, BriefRecord)
        and record.phase is Phase.SUCCEEDED
        and claim is not None
        and not (is_early or is_renamed)
    ):
        return SuccessRow(record.run, record, run, claim)
    return FullRow(
        run=record.run,
        state=record.state(now),
        flow_id=record.flow_id or (run.flow_id if run else None),
        trigger_time=record.trigger_time,
        instance=record.instance,
        claimed_at=record.claimed_at,
        triggered_at=record.triggered_at,
        status=record.status,
        ended_at=record.ended_at,
        cancelled=record.cancelled,
        error=record.error,
        starts=record.starts,
        started_twice=record.started_twice,
        is_early=is_early,
        is_unwanted=run is not None and run.cancel,
        is_suspended=run is not None and run.suspend,
        parameters=run.shown_parameters() if run else None,
        declared_as=run.declared_id(run_attempt(record.run)) if run and is_renamed else None,
        place=run.place if run else None,
        labels=run.labels if run else {},
        evidence=record.evidence,
        until=record.until or None,
        claim=record.claim,
        by=claim.by if claim and not record.is_by_hand(record.claim) else None,
        commit=claim.commit if claim else None,
    )
