"""What there is to show of one run's state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.ledger import RunState
from reconciler.ledger.records import Start
from reconciler.model import ClaimId, EpochMs, InstanceId, Parameters, Place, RunId
from reconciler.plan import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """What is known of one run, declared or recorded."""

    run: RunId
    state: RunState
    flow_id: int | None
    trigger_time: EpochMs
    instance: InstanceId | None = None
    claimed_at: str | None = None  # RFC 3339, by the gateway's clock; so is `triggered_at`
    triggered_at: str | None = None
    status: str | None = None  # the instance's, as last observed
    cancelled: str | None = None  # what the service answered to a cancellation
    error: str | None = None
    starts: tuple[Start, ...] = ()  # that are known; more than one: it was started twice
    started_twice: bool = False  # and nobody has settled that
    reason: Reason | None = None  # why it is not done; None: it is, or is no longer declared
    why: str = ""  # the same in words
    parameters: Parameters | None = None  # None: it is no longer declared
    declared_as: str | None = None  # its id by its manifest, where that has another name by now
    place: Place | None = None  # of its manifest; None: the same
    is_early: bool = False  # its claim, or its trigger time, lies ahead: it may start yet
    labels: Mapping[str, str] = field(default_factory=dict)
    evidence: Any = None
    until: EpochMs | None = None  # when the newest claim expires
    claim: ClaimId | None = None
    by: str | None = None  # who made that claim
