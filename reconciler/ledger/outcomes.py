"""What one more outcome does to what is known of a run."""

from typing import assert_never

import msgspec

from reconciler.errors import LedgerError
from reconciler.ledger.events import (
    Absent,
    Cancelled,
    Event,
    Observed,
    Rejected,
    Resolved,
    Triggered,
    Unknown,
)
from reconciler.ledger.records import STARTED, Phase, Record
from reconciler.ledger.statuses import FAILED, SUCCEEDED, status_name
from reconciler.model import EpochMs

Outcome = Triggered | Rejected | Unknown | Absent | Observed | Cancelled | Resolved

LOST = "Restore the ledger's folder from the branch's history; nothing is started until then."


def with_outcome(record: Record | None, event: Outcome) -> Record:
    """Give what is known of the run once the event is recorded; the same if it says nothing new.

    Raises LedgerError for an outcome of a run that was never claimed, but for a `triggered`: a
    start counts however it became known.
    """
    if isinstance(event, Triggered):
        return _triggered(record, event)
    if record is None:
        raise LedgerError(
            f"the ledger has {kind_of(event)} for {event.run}, which was never claimed", hint=LOST
        )
    match event:
        case Observed() | Cancelled():
            return _of_instance(record, event)
        case Resolved():
            return _resolved(record, event)
        case Rejected() | Unknown() | Absent():
            # An applier that woke up late speaks of a claim that others have settled since.
            if record.phase in STARTED or event.claim != record.claim:
                return record
            return _not_started(record, event)
        case _:
            assert_never(event)


def _triggered(record: Record | None, event: Triggered) -> Record:
    instances = record.instances if record else ()
    if record is not None and event.flow_instance_id in instances:
        return record
    return Record(
        run=event.run,
        phase=Phase.TRIGGERED,
        digest=event.digest,
        trigger_time=event.trigger_time,
        flow_id=event.flow_id,
        claim=event.claim or (record.claim if record else None),
        claimed_at=record.claimed_at if record else None,
        until=record.until if record else EpochMs(0),
        instances=(*instances, event.flow_instance_id),
        triggered_at=event.at,
        error=f"started twice: also as {', '.join(instances)}" if instances else None,
        evidence=event.evidence,
    )


def _not_started(record: Record, event: Rejected | Unknown | Absent) -> Record:
    match event:
        case Rejected():
            return msgspec.structs.replace(
                record, phase=Phase.REJECTED, error=f"{event.code}: {event.message}"
            )
        case Unknown():
            return msgspec.structs.replace(
                record, phase=Phase.UNKNOWN, error=None, evidence=event.seen
            )
        case Absent():
            return msgspec.structs.replace(
                record, phase=Phase.ABSENT, error=None, evidence=event.evidence
            )
        case _:
            assert_never(event)


def _of_instance(record: Record, event: Observed | Cancelled) -> Record:
    if record.phase not in STARTED:
        raise LedgerError(
            f"the ledger has {kind_of(event)} for {event.run}, and not that it was started",
            hint=LOST,
        )
    if isinstance(event, Cancelled):
        return msgspec.structs.replace(record, cancelled=event.message or "done")
    status = status_name(event.status)
    if status in SUCCEEDED:
        phase = Phase.SUCCEEDED
    elif status in FAILED:
        phase = Phase.FAILED
    else:
        phase = record.phase
    return msgspec.structs.replace(record, phase=phase, status=status)


def _resolved(record: Record, event: Resolved) -> Record:
    if record.phase in STARTED or event.claim not in {None, record.claim}:
        return record  # somebody judged a claim that is not the newest any more
    settled = {"resolvedBy": event.by, "reason": event.reason}
    if event.triggered is None:
        return msgspec.structs.replace(record, phase=Phase.ABSENT, error=None, evidence=settled)
    return msgspec.structs.replace(
        record,
        phase=Phase.TRIGGERED,
        error=None,
        instances=(event.triggered,),
        triggered_at=event.at,
        evidence=settled,
    )


def kind_of(event: Event) -> str:
    """The event's name as the ledger writes it, for messages."""
    return f"`{type(event).__name__.lower()}`"
