"""The pure fold from events to what is known of each run."""

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum, auto
from typing import Any, Self, assert_never

import msgspec

from reconciler.errors import LedgerError
from reconciler.ledger.events import (
    Absent,
    Claim,
    ClaimedRun,
    Event,
    Observed,
    Rejected,
    Resolved,
    Triggered,
    Unknown,
)
from reconciler.model import ClaimId, Digest, EpochMs, InstanceId, RunId
from reconciler.times import parse_instant

Outcome = Triggered | Rejected | Unknown | Absent | Observed | Resolved


class RunState(StrEnum):
    """What the ledger says of a run at an instant (docs/exactly-once.md has the table)."""

    PENDING = "pending"
    CLAIMED = "claimed"
    IN_DOUBT = "in-doubt"
    REJECTED = "rejected"
    TRIGGERED = "triggered"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Phase(Enum):
    """The last thing recorded of a run; with the time it gives the run's state."""

    CLAIMED = auto()
    UNKNOWN = auto()
    ABSENT = auto()
    REJECTED = auto()
    TRIGGERED = auto()
    SUCCEEDED = auto()
    FAILED = auto()


MAY_HAVE_STARTED = frozenset(
    {Phase.CLAIMED, Phase.UNKNOWN, Phase.TRIGGERED, Phase.SUCCEEDED, Phase.FAILED}
)
UNSETTLED = frozenset({Phase.CLAIMED, Phase.UNKNOWN})
STARTED = frozenset({Phase.TRIGGERED, Phase.SUCCEEDED, Phase.FAILED})


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger knows of one run."""

    run: RunId
    phase: Phase
    digest: Digest
    trigger_time: EpochMs
    flow_id: int | None = None
    claim: ClaimId | None = None  # the newest
    claimed_at: str | None = None
    until: EpochMs = EpochMs(0)
    instances: tuple[InstanceId, ...] = ()  # more than one: the run was started twice
    triggered_at: str | None = None
    status: str | None = None  # the instance's, as last observed
    error: str | None = None
    evidence: Any = None

    def state(self, now: EpochMs) -> RunState:
        """The run's state at an instant by the gateway's clock."""
        match self.phase:
            case Phase.CLAIMED:
                return RunState.CLAIMED if now < self.until else RunState.IN_DOUBT
            case Phase.UNKNOWN:
                return RunState.IN_DOUBT
            case Phase.ABSENT:
                return RunState.PENDING
            case Phase.REJECTED:
                return RunState.REJECTED
            case Phase.TRIGGERED:
                return RunState.TRIGGERED
            case Phase.SUCCEEDED:
                return RunState.SUCCEEDED
            case Phase.FAILED:
                return RunState.FAILED
            case _:
                assert_never(self.phase)

    @property
    def may_have_started(self) -> bool:
        """Whether an instance of the run exists or could exist."""
        return self.phase in MAY_HAVE_STARTED


# EnOS reference, FlowInstance status: those that are final, by number and by name.
_NAMES = {-1: "FAIL", 0: "INIT", 1: "SUCCESS", 2: "RUNNING", 3: "SUSPEND", 4: "INTERNAL_ERROR"}
_NAMES |= {5: "WAIT", 6: "READY", 7: "TIMEOUT", 8: "CANCEL", 9: "RERUN", 10: "SKIP"}
_SUCCEEDED = frozenset({"SUCCESS"})
_FAILED = frozenset({"FAIL", "INTERNAL_ERROR", "TIMEOUT", "CANCEL", "SKIP"})


class Ledger:
    """What all recorded events together say. A value: `extended` gives a new one."""

    __slots__ = ("claims", "length", "records")

    def __init__(
        self, records: Mapping[RunId, Record], claims: Mapping[ClaimId, Claim], length: int
    ) -> None:
        self.records = records
        self.claims = claims  # without their runs' order mattering: by nonce
        self.length = length  # how many events it was folded from

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Fold events, oldest first. Raises LedgerError where they contradict themselves."""
        return cls({}, {}, 0).extended(events)

    def extended(self, events: Iterable[Event]) -> Self:
        """This ledger with more events after its own."""
        records, claims, length = dict(self.records), dict(self.claims), self.length
        for event in events:
            length += 1
            if isinstance(event, Claim):
                claims[event.claim] = event
                _claim(records, event)
            else:
                _check_claimed(event, claims)
                records[event.run] = _outcome(records.get(event.run), event)
        return type(self)(records, claims, length)

    def holds(self, event: Event) -> bool:
        """Whether the ledger already says what the event says."""
        return not self.missing([event])

    def missing(self, recorded: Iterable[Event]) -> list[Event]:
        """Those events, in their order, without which the ledger says less.

        A run's events are taken together: an `unknown` that an `absent` has followed says nothing
        new to a ledger that has both.
        """
        claims: list[Event] = []
        of_run: dict[RunId, list[Outcome]] = {}
        for event in recorded:
            if not isinstance(event, Claim):
                of_run.setdefault(event.run, []).append(event)
            elif event.claim not in self.claims:
                claims.append(event)
        wanted = [
            event
            for run, of_it in of_run.items()
            if run not in self.records or _after(self.records[run], of_it) != self.records[run]
            for event in of_it
        ]
        return claims + wanted


def _after(record: Record, outcomes: Iterable[Outcome]) -> Record:
    for event in outcomes:
        record = _outcome(record, event)
    return record


def _claim(records: dict[RunId, Record], event: Claim) -> None:
    until = _instant(event.until)
    for run, claimed in event.runs.items():
        before = records.get(run)
        if before is not None and before.phase in STARTED:
            continue  # a claim cannot undo a start; the run stays what it is
        if before is not None and before.phase in UNSETTLED and before.claim != event.claim:
            raise LedgerError(
                f"the ledger has claim {event.claim} over {run}, whose claim {before.claim} had no "
                "outcome: two histories were merged",
                hint=_LOST,
            )
        records[run] = _claimed(run, claimed, event, until)


def _claimed(run: RunId, claimed: ClaimedRun, event: Claim, until: EpochMs) -> Record:
    return Record(
        run=run,
        phase=Phase.CLAIMED,
        digest=claimed.digest,
        trigger_time=claimed.trigger_time,
        flow_id=claimed.flow_id,
        claim=event.claim,
        claimed_at=event.at,
        until=until,
    )


def _check_claimed(event: Event, claims: Mapping[ClaimId, Claim]) -> None:
    """Refuse an outcome whose claim the ledger has lost: the run may be in doubt because of it."""
    if isinstance(event, Rejected | Unknown | Absent):
        claim = claims.get(event.claim)
        if claim is None or event.run not in claim.runs:
            raise LedgerError(
                f"the ledger has {_kind(event)} for {event.run} under claim {event.claim}, "
                "which is not there",
                hint=_LOST,
            )


_LOST = "Restore the ledger's folder from the branch's history; nothing is started until then."


def _outcome(record: Record | None, event: Outcome) -> Record:
    if isinstance(event, Triggered):
        return _triggered(record, event)
    if record is None:
        raise LedgerError(
            f"the ledger has {_kind(event)} for {event.run}, which was never claimed", hint=_LOST
        )
    match event:
        case Observed():
            return _observed(record, event)
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


def _observed(record: Record, event: Observed) -> Record:
    if record.phase not in STARTED:
        raise LedgerError(
            f"the ledger has {_kind(event)} for {event.run}, and not that it was started",
            hint=_LOST,
        )
    status = (
        _NAMES.get(event.status, str(event.status))
        if isinstance(event.status, int)
        else (event.status.upper())
    )
    if status in _SUCCEEDED:
        phase = Phase.SUCCEEDED
    elif status in _FAILED:
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


def _instant(text: str) -> EpochMs:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise LedgerError(f"the ledger holds a time that {error}: {text!r}") from None


def _kind(event: Event) -> str:
    return f"`{type(event).__name__.lower()}`"
