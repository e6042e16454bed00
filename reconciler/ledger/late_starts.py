"""What a start that left too late does to the record of its run. Pure.

A process that was frozen just as the start left may send it after its claim has ended. By then
others may have gone by its absence. So the start counts under whatever claim the run is by now,
until its answer, a search or a person settles it.
"""

from collections.abc import Iterator, Sequence

import msgspec

from reconciler.ledger.brief import Record
from reconciler.ledger.events import Absent, Claim, Unknown
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

# In the evidence of an absence: by when the late start that it is about had left.
LATE_UNTIL = "lateUntil"


def with_overdue(record: FullRecord, event: Unknown, claim: Claim) -> FullRecord:
    """Add a start that left too late, although others may have settled its claim meanwhile.

    They may have claimed and started the run themselves, and then it may be the second. If they
    have not, the run is in doubt under the late start's claim.
    """
    answered = {one.claim for one in record.starts if one.is_from_an_answer}
    if event.claim in {one.claim for one in record.overdue} | answered:
        return record
    claimed = claim.runs[event.run]
    late = LateStart(
        claim=event.claim,
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


def late_doubts(record: Record) -> Iterator[FullRecord]:
    """The record as it would be about each late start, where it is about another claim or start.

    Each may have an instance, also once a person knows of it: another run's search may find that.
    """
    for late in record.overdue:
        if record.phase not in UNSETTLED or record.claim != late.claim:
            doubt = doubt_late_start(record.full_value(), late)
            yield msgspec.structs.replace(doubt, starts=(), overdue=(late,), error=None)


def may_be_later(record: FullRecord, event: Absent) -> bool:
    """Whether a late start of the claim may not have been listed yet by the search for it.

    A search that knew of the start says so (`LATE_UNTIL`); another may have come too early.
    """
    evidence = event.evidence if isinstance(event.evidence, dict) else {}
    late = next((one for one in record.overdue if one.claim == event.claim), None)
    if late is None or "searchedAt" not in evidence:
        return False
    known = evidence.get(LATE_UNTIL)
    return not isinstance(known, str) or ledger_instant(known) < late.until


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
