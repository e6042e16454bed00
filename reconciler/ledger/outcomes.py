"""How one outcome changes what is known about its run: one step of the fold. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar, assert_never

import msgspec

from reconciler.enos.statuses import FAILED, FINAL, SUCCEEDED, status_name
from reconciler.errors import LedgerError
from reconciler.ledger.brief import BriefRecord, Record
from reconciler.ledger.events import (
    Absent,
    Adopted,
    Cancelled,
    Claim,
    Event,
    Observed,
    Rejected,
    Resolved,
    Triggered,
    Unknown,
)
from reconciler.ledger.late_starts import (
    double_start_error,
    doubt_late_start,
    may_be_later,
    with_overdue,
    without_overdue,
)
from reconciler.ledger.records import STARTED, UNSETTLED, FullRecord, Phase, Start
from reconciler.model import EpochMs, InstanceId, Nonce

_Text = TypeVar("_Text")
Outcome = Triggered | Rejected | Unknown | Absent | Observed | Cancelled | Resolved | Adopted

LOST = "Restore the ledger's folder from the branch's history; nothing is started until then."


def with_outcome(
    record: Record | None, event: Outcome, claims: Mapping[Nonce, Claim] = MappingProxyType({})
) -> Record:
    """The run's record after the event; an equal one if the event says nothing new.

    `claims` are the ledger's: a start that left too late is sought by what its claim says. Raises
    LedgerError for an outcome of a run that was never claimed, except for `triggered` and
    `adopted`: a start counts, however it became known.
    """
    if isinstance(record, BriefRecord):
        brief = record.with_event(event)
        return _update_full(record.full_value(), event, claims) if brief is None else brief
    return _update_full(record, event, claims)


def _update_full(
    record: FullRecord | None, event: Outcome, claims: Mapping[Nonce, Claim]
) -> FullRecord:
    if isinstance(event, Triggered):
        return _with_triggered(record, event)
    if isinstance(event, Adopted):
        return _with_adopted(record, event)
    if record is None:
        raise LedgerError(
            f"the ledger has {event_kind(event)} for {event.run}, which was never claimed",
            hint=LOST,
        )
    match event:
        case Observed() | Cancelled():
            return _with_instance_event(record, event)
        case Resolved():
            return _with_resolved(record, event)
        case Unknown() if event.late and event.claim in claims:
            return with_overdue(record, event, claims[event.claim])
        case Rejected() | Unknown() | Absent():
            return _with_outcome_of_claim(record, event)
        case _:
            assert_never(event)


def _with_triggered(record: FullRecord | None, event: Triggered) -> FullRecord:
    """Add the start to the record. Two claims make two starts, even with one instance id."""
    record = record and without_overdue(record, event.claim)
    claim = _reuse_equal(record.claim, event.claim or record.claim) if record else event.claim
    start = Start(
        claim=claim, instance=event.flow_instance_id, at=event.at, inferred=event.inferred
    )
    if record is None:
        return FullRecord(
            run=event.run,
            phase=Phase.TRIGGERED,
            digest=event.digest,
            trigger_time=event.trigger_time,
            flow_id=event.flow_id,
            claim=claim,
            claimed_at=None,
            until=EpochMs(0),
            starts=(start,),
            evidence=event.evidence,
        )
    if record.starts and any(_is_the_same(start, one) for one in record.starts):
        return record
    starts = _with_start(record.starts, start)
    if record.phase in STARTED or (record.phase in UNSETTLED and claim != record.claim):
        return _with_late_start(record, starts)
    return msgspec.structs.replace(
        record,
        phase=Phase.TRIGGERED,
        digest=_reuse_equal(record.digest, event.digest),
        trigger_time=event.trigger_time,
        flow_id=event.flow_id,
        claim=claim,
        starts=starts,
        acknowledged=False,
        error=double_start_error(starts, record.overdue),
        evidence=event.evidence,
    )


def _with_late_start(record: FullRecord, starts: tuple[Start, ...]) -> FullRecord:
    """Add the start of a late applier. It says nothing about the outcome of the newest claim."""
    is_settled = record.acknowledged and len(starts) == len(record.starts)
    return msgspec.structs.replace(
        record,
        starts=starts,
        error=record.error if is_settled else double_start_error(starts, record.overdue),
        acknowledged=is_settled,
    )


def _reuse_equal(known: _Text, told: _Text) -> _Text:
    """The known text if both are equal, because each event has a copy, which takes memory."""
    return known if known == told else told


def _with_adopted(record: FullRecord | None, event: Adopted) -> FullRecord:
    """Add a start by hand. Raises LedgerError where the run's claim has no outcome yet.

    That cannot happen on one branch: whoever adopts a run has read its claim, and whoever claims it
    has read the adoption.
    """
    start = Start(claim=event.claim, instance=event.flow_instance_id, at=event.at, by_hand=True)
    if record is not None and record.phase in UNSETTLED:
        raise LedgerError(
            f"the ledger has {event_kind(event)} for {event.run}, "
            f"whose claim {record.claim} had no "
            "outcome: two histories were merged",
            hint=LOST,
        )
    if record is not None and record.phase in STARTED:
        if any(one.instance == start.instance for one in record.starts):
            return record
        starts = (*record.starts, start)
        return msgspec.structs.replace(
            record,
            starts=starts,
            error=double_start_error(starts, record.overdue),
            acknowledged=False,
        )
    return FullRecord(
        run=event.run,
        phase=Phase.TRIGGERED,
        digest=event.digest,
        trigger_time=event.trigger_time,
        flow_id=event.flow_id,
        claim=event.claim,
        starts=(start,),
        evidence={"adoptedBy": event.by}
        | ({"reason": event.reason} if event.reason else {})
        | ({"seen": event.evidence} if event.evidence is not None else {}),
    )


def _with_start(starts: Sequence[Start], start: Start) -> tuple[Start, ...]:
    """The starts with one more, which replaces an inferred start that must have been this one."""
    if not starts:
        return (start,)
    kept = [start if _is_the_same(one, start) else one for one in starts]
    return tuple(dict.fromkeys((*kept, start)))


def _is_the_same(one: Start, other: Start) -> bool:
    """Whether `one` adds nothing to `other`: an inferred start may be any with its instance."""
    if one.instance != other.instance:
        return False
    return one.inferred or (one.claim == other.claim and not other.inferred)


def _with_outcome_of_claim(record: FullRecord, event: Rejected | Unknown | Absent) -> FullRecord:
    if isinstance(event, Absent) and may_be_later(record, event):
        return record
    if not isinstance(event, Unknown):
        record = without_overdue(record, event.claim)
    # A late applier may write about a claim that others have settled meanwhile.
    if record.phase in STARTED or event.claim != record.claim:
        return record
    return _with_newest_outcome(record, event)


def _with_newest_outcome(record: FullRecord, event: Rejected | Unknown | Absent) -> FullRecord:
    match event:
        case Unknown():
            return msgspec.structs.replace(
                record,
                phase=Phase.UNKNOWN,
                error=double_start_error(record.starts, record.overdue),
                evidence=event.seen,
            )
        case Rejected() | Absent() if record.starts:
            # This claim has started nothing, but a late applier has under an older claim.
            return _with_started_phase(record)
        case Rejected() | Absent() if record.overdue:
            return doubt_late_start(record, record.overdue[-1])
        case Rejected():
            return msgspec.structs.replace(
                record, phase=Phase.REJECTED, error=f"{event.code}: {event.message}"
            )
        case Absent():
            return msgspec.structs.replace(
                record, phase=Phase.ABSENT, error=None, evidence=event.evidence
            )
        case _:
            assert_never(event)


def _with_started_phase(record: FullRecord) -> FullRecord:
    return msgspec.structs.replace(
        record,
        phase=Phase.TRIGGERED,
        claim=record.starts[0].claim,
        error=double_start_error(record.starts, record.overdue),
        evidence=None,
    )


def _with_instance_event(record: FullRecord, event: Observed | Cancelled) -> FullRecord:
    if record.phase not in STARTED:
        raise LedgerError(
            f"the ledger has {event_kind(event)} for {event.run}, and not that it was started",
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
    ended_at = record.ended_at
    if status != record.status:  # otherwise the event repeats what is known
        ended_at = event.at if status in FINAL else None
    return msgspec.structs.replace(record, phase=phase, status=status, ended_at=ended_at)


def _with_resolved(record: FullRecord, event: Resolved) -> FullRecord:
    settled = {"resolvedBy": event.by, "reason": event.reason}
    if record.phase is Phase.UNKNOWN and event.claim in {None, record.claim}:
        record = without_overdue(record, record.claim)
    named = event.triggered or InstanceId("")
    made = Start(claim=record.claim, instance=named, at=event.at, named=True)
    if made in record.starts and record.evidence == settled:
        return record  # this very event made the start known
    several = len(record.starts) > 1 or record.overdue
    if several and event.triggered in record.instances:
        chosen = _with_chosen_start(record, event)
        if record.started_twice or chosen == record:  # a repeat says nothing new
            return chosen
    if record.phase in STARTED or event.claim not in {None, record.claim}:
        return record  # the claim that the person judged is no longer the newest
    if event.triggered is None and record.starts:
        return _with_started_phase(record)
    if event.triggered is None and record.overdue:
        return doubt_late_start(record, record.overdue[-1])
    if event.triggered is None:
        return msgspec.structs.replace(record, phase=Phase.ABSENT, error=None, evidence=settled)
    starts = (*record.starts, made)
    return msgspec.structs.replace(
        record,
        phase=Phase.TRIGGERED,
        error=double_start_error(starts, record.overdue),
        starts=starts,
        evidence=settled,
    )


def _with_chosen_start(record: FullRecord, event: Resolved) -> FullRecord:
    """Settle a run that was started twice: the start that a person chose goes first."""
    starts = sorted(record.starts, key=lambda one: one.instance != event.triggered)
    settled = {
        "resolvedBy": event.by,
        "reason": event.reason,
        "settled": double_start_error(starts, record.overdue),
    }
    return msgspec.structs.replace(
        record, starts=tuple(starts), acknowledged=True, error=None, evidence=settled
    )


def event_kind(event: Event) -> str:
    """The event's name in the ledger, for messages."""
    return f"`{type(event).__name__.lower()}`"
