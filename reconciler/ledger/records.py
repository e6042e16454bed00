"""What the ledger knows of one run, and the state that follows from it."""

from enum import Enum, StrEnum, auto
from typing import Any, assert_never

import msgspec

from reconciler.model import ClaimId, Digest, EpochMs, InstanceId, RunId


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
    cancelled: str | None = None  # what the service answered to a cancellation
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

    @property
    def has_failed(self) -> bool:
        """Whether the instance is known to have ended, and not with success."""
        return self.phase is Phase.FAILED
