"""What the ledger knows about one run, and the state that follows from that."""

from enum import Enum, StrEnum, auto
from typing import Any, Protocol, assert_never

import msgspec

from reconciler.errors import LedgerError
from reconciler.model import Digest, EpochMs, InstanceId, Nonce, RunId
from reconciler.times import parse_instant


def ledger_instant(text: str) -> EpochMs:
    """A time in the ledger as an instant. Raises LedgerError for malformed text."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise LedgerError(f"the ledger holds a time that {error}: {text!r}") from None


def settling_time(until: EpochMs, trigger_time: EpochMs, settle_seconds: float) -> EpochMs:
    """From when on a whole search that finds nothing proves that a claim has started nothing.

    That is `settleSeconds` after two times. The claim must have expired (`until`), because until
    then its applier may start the run. The trigger time must have passed, because the reference
    does not say that an instance that still waits is listed.
    """
    return EpochMs(max(until, trigger_time) + int(settle_seconds * 1000))


class RunState(StrEnum):
    """What the ledger says about a run at an instant (docs/exactly-once.md has the table)."""

    PENDING = "pending"
    CLAIMED = "claimed"
    IN_DOUBT = "in-doubt"
    REJECTED = "rejected"
    TRIGGERED = "triggered"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Phase(Enum):
    """The last thing recorded about a run. The phase and the time give the run's state."""

    CLAIMED = auto()
    UNKNOWN = auto()
    ABSENT = auto()
    REJECTED = auto()
    TRIGGERED = auto()
    SUCCEEDED = auto()
    FAILED = auto()

    __hash__ = object.__hash__  # Enum's own is slow Python, and each run is looked up ten times


MAY_HAVE_STARTED = frozenset(
    {Phase.CLAIMED, Phase.UNKNOWN, Phase.TRIGGERED, Phase.SUCCEEDED, Phase.FAILED}
)
UNSETTLED = frozenset({Phase.CLAIMED, Phase.UNKNOWN})
UNDER_WAY = UNSETTLED | {Phase.TRIGGERED}  # may have been started, not known to have ended
STARTED = frozenset({Phase.TRIGGERED, Phase.SUCCEEDED, Phase.FAILED})


class Start(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One known start of a run: under which claim, and as which instance.

    The instance alone does not tell two starts apart: the service may give both the same id.
    """

    claim: Nonce | None  # None: recorded before outcomes named their claim
    instance: InstanceId
    at: str  # when the start was recorded, by the gateway's clock: not before the start itself
    inferred: bool = False  # from a search, without a nonce
    by_hand: bool = False  # a person started the run before the adoption that stands for its claim
    named: bool = False  # a person settled a doubt by naming the instance

    @property
    def is_from_an_answer(self) -> bool:
        """Whether an answer or a nonce gave the id, not a search without one, nor a person."""
        return self.claim is not None and not (self.inferred or self.by_hand or self.named)

    @property
    def instant(self) -> EpochMs:
        """`at` as an instant. Raises LedgerError for malformed text."""
        return ledger_instant(self.at)


class LateStart(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A start that left after its claim had ended, and whose answer nobody knows.

    By then another apply may have found nothing, and may have claimed the run again. So the record
    may be about another claim, and this holds what the late start was sent with.
    """

    claim: Nonce
    claimed_at: str
    until: EpochMs  # by then the claim had ended, and the start had left
    digest: Digest
    trigger_time: EpochMs
    flow_id: int | None
    seen: Any = None


class _Told(Protocol):
    """The fields that the conclusions below are drawn from."""

    @property
    def phase(self) -> Phase: ...
    @property
    def until(self) -> EpochMs: ...
    @property
    def starts(self) -> tuple[Start, ...]: ...
    @property
    def overdue(self) -> tuple[LateStart, ...]: ...
    @property
    def acknowledged(self) -> bool: ...


class Concluding:
    """What follows from a record, be it full or brief."""

    __slots__ = ()

    def state(self: _Told, now: EpochMs) -> RunState:
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
    def instances(self: _Told) -> tuple[InstanceId, ...]:
        """The known instances of the run; the one that speaks for the run first."""
        return tuple(dict.fromkeys(start.instance for start in self.starts))

    @property
    def instance(self: _Told) -> InstanceId | None:
        """The instance that speaks for the run; None where none is known."""
        return self.starts[0].instance if self.starts else None

    @property
    def triggered_at(self: _Told) -> str | None:
        """When the start that speaks for the run was recorded; None where there is none."""
        return self.starts[0].at if self.starts else None

    def is_by_hand(self: _Told, claim: Nonce | None) -> bool:
        """Whether the claim is an adoption, which comes after the start and cannot date it."""
        return any(start.by_hand and start.claim == claim for start in self.starts)

    @property
    def started_twice(self: _Told) -> bool:
        """Whether the run has, or may have, two starts, and no person has settled that yet."""
        return (
            len(self.starts) > 1 or bool(self.starts and self.overdue)
        ) and not self.acknowledged

    @property
    def may_have_started(self: _Told) -> bool:
        """Whether an instance of the run exists or could exist."""
        return self.phase in MAY_HAVE_STARTED

    @property
    def has_failed(self: _Told) -> bool:
        """Whether the instance is known to have ended without success."""
        return self.phase is Phase.FAILED


class FullRecord(Concluding, msgspec.Struct, frozen=True, kw_only=True, gc=False):  # in no cycle
    """All that the ledger can know about one run."""

    run: RunId
    phase: Phase
    digest: Digest
    trigger_time: EpochMs
    flow_id: int | None = None
    claim: Nonce | None = None  # the newest
    claimed_at: str | None = None
    until: EpochMs = EpochMs(0)
    starts: tuple[Start, ...] = ()  # more than one: the run was started twice
    overdue: tuple[LateStart, ...] = ()  # beside a known start: it may have been started twice
    acknowledged: bool = False  # a person knows that it was started twice, and has chosen
    status: str | None = None  # the instance's, as last observed
    ended_at: str | None = None  # when its end was recorded: not before the end itself
    cancelled: str | None = None  # what the service answered to a cancellation
    error: str | None = None
    evidence: Any = None

    def full_value(self) -> "FullRecord":
        """The record itself."""
        return self
