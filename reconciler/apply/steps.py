"""What an apply tells while it works, as values. The caller decides how and where to show them."""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.ledger import Event
from reconciler.model import ClaimId, EpochMs, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A claim has landed: these runs are this apply's to start."""

    claim: ClaimId
    runs: int
    until: EpochMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One run has an outcome; or its instance has ended, or was cancelled."""

    run: RunId
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Outcomes are on the shared branch."""

    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Nothing can be done before that time, or before somebody else has done it."""

    reason: str
    until: EpochMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Started instances are waited for: how many of them have ended."""

    ended: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something that a person should know and that stops nothing."""

    message: str


Step = Claimed | Settled | Recorded | Waiting | Watching | Noted
Progress = Callable[[Step], None]
