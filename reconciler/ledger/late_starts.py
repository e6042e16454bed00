"""What a start that left too late does to the record of its run. Pure.

A process that was frozen just as the start left may send it after its claim has ended. By then
others may have gone by its absence. So the start counts under whatever claim the run is by now,
until its answer, a search or a person settles it.
"""

from collections.abc import Sequence

import msgspec

from reconciler.ledger.events import Claim, Unknown
from reconciler.ledger.records import (
    STARTED,
    UNSETTLED,
    FullRecord,
    LateStart,
    Phase,
    Start,
    ledger_instant,
)
from reconciler.model import EpochMs, Nonce


def with_overdue(record: FullRecord, event: Unknown, claim: Claim) -> FullRecord:
    """Add a start that left too late, although others may have settled its claim meanwhile.

    They may have claimed and started the run themselves, and then it may be the second. If they
    have not, the run is in doubt under the late start's claim.
    """
    known = {one.claim for one in record.overdue} | {one.claim for one in record.starts}
    if event.claim in known:
        return record
    claimed = claim.runs[event.run]
    late = LateStart(
        claim=event.claim,
        at=event.at,
        claimed_at=claim.at,
        until=EpochMs(max(ledger_instant(claim.until), ledger_instant(event.at))),
        digest=claimed.digest,
        trigger_time=claimed.trigger_time,
        flow_id=claimed.flow_id,
        seen=event.seen,
    )
    overdue = (*record.overdue, late)
    record = msgspec.structs.replace(record, overdue=overdue, acknowledged=False)
    if record.phase in UNSETTLED and record.claim != event.claim:
        return record
    if record.phase in STARTED:
        return msgspec.structs.replace(record, error=double_start_error(record.starts, overdue))
    return doubt_late_start(record, late)


def doubt_late_start(record: FullRecord, late: LateStart) -> FullRecord:
    """The record as it is while nothing but the late start may have been made."""
    return msgspec.structs.replace(
        record,
        phase=Phase.UNKNOWN,
        digest=late.digest,
        trigger_time=late.trigger_time,
        flow_id=late.flow_id,
        claim=late.claim,
        claimed_at=late.claimed_at,
        until=late.until,
        error=double_start_error(record.starts, record.overdue),
        evidence=late.seen,
    )


def without_overdue(record: FullRecord, claim: Nonce | None) -> FullRecord:
    """The record once it is known what became of the claim's start."""
    left = tuple(one for one in record.overdue if one.claim != claim)
    if len(left) == len(record.overdue):
        return record
    error = double_start_error(record.starts, left) if record.starts else record.error
    return msgspec.structs.replace(record, overdue=left, error=error)


def double_start_error(starts: Sequence[Start], overdue: Sequence[LateStart]) -> str | None:
    """The error of a run that has, or may have, more than one start, in words; None for others."""
    each = [f"as {one.instance} under claim {one.claim or 'unknown'}" for one in starts]
    if starts and overdue:
        late = (f"too late and without an answer under claim {one.claim}" for one in overdue)
        return f"perhaps started twice: {' and '.join([*each, *late])}"
    return f"started twice: {' and '.join(each)}" if len(each) > 1 else None
