"""The ledger's events: what is written of runs, and never changed."""

from collections.abc import Mapping
from typing import Any

import msgspec

from reconciler.model import ClaimId, Digest, EpochMs, InstanceId, Run, RunId

VERSION = 1
ADOPTED_VERSION = 2  # of `adopted` alone: who does not know that event must stop, and say why


class _Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="event",
    tag=str.lower,
    rename="camel",
    gc=False,  # it lies in no cycle
):
    v: int
    at: str  # RFC 3339, UTC, by the gateway's clock


class ClaimedRun(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False
):
    """What a claim holds of one run."""

    digest: Digest
    trigger_time: EpochMs
    flow_id: int | None = None  # with it, a run whose manifest is gone can still be looked for
    stagger: int = 0  # milliseconds by which the trigger time was moved; the digest is without


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Whom a claim's starts are sent to, and on whose behalf: only it can be asked about them."""

    org_id: str
    gateway: str  # URL, in the form that `reconciler.identity.service_of` gives it
    user_id: str
    name: str | None = None  # `gateway.service`, where two services stand under one organisation


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An instance that stood in a run's minute before the run was claimed: it is not the run's."""

    id: InstanceId
    created: EpochMs | None = None  # as the service stamped it


class Claim(_Event, frozen=True, kw_only=True):
    """These runs are about to be started by this applier and by nobody else before `until`."""

    claim: ClaimId
    by: str
    until: str  # RFC 3339, by the gateway's clock
    commit: str  # whose manifests the claim was derived from
    runs: Mapping[RunId, ClaimedRun]
    service: Service | None = None  # None: recorded before claims named it
    correlation: str | None = None  # the parameter in which each start carries this claim's nonce
    before: tuple[Seen, ...] = ()  # what stood in the minutes that were looked at before the claim
    looked_at: str | None = None  # no earlier than that look; None: nobody looked
    tzdata: str | None = None  # version of the zones that local times were read by


class Triggered(_Event, frozen=True, kw_only=True):
    """The run was started, and this is its instance."""

    run: RunId
    claim: ClaimId | None = None
    digest: Digest
    flow_id: int
    trigger_time: EpochMs
    flow_instance_id: InstanceId
    evidence: Any = None  # how it is known, where not from the answer to the start itself
    inferred: bool = False  # neither the answer nor a nonce says so: it alone was possible


class Rejected(_Event, frozen=True, kw_only=True):
    """The service refused the run for certain."""

    run: RunId
    claim: ClaimId
    code: int | str
    message: str


class Unknown(_Event, frozen=True, kw_only=True):
    """The start left and its outcome could not be told, nor by a later search, for what it saw."""

    run: RunId
    claim: ClaimId
    seen: Any


class Absent(_Event, frozen=True, kw_only=True):
    """It is certain that the claim started no instance of the run."""

    run: RunId
    claim: ClaimId
    evidence: Any


class Observed(_Event, frozen=True, kw_only=True):
    """The instance's final status, as the service said it."""

    run: RunId
    status: int | str  # EnOS's number; NOT_FOUND: the service no longer knows the instance
    claim: ClaimId | None = None  # the one under which it was started


class Cancelled(_Event, frozen=True, kw_only=True):
    """The service was asked to cancel the run's instance, and this is what it answered."""

    run: RunId
    code: int  # 0: it was done
    message: str = ""
    claim: ClaimId | None = None  # the one under which it was started


# What stands in printed commands where a person must write a reason, or the id of an instance. No
# decision is recorded with them.
WHY, INSTANCE_ID = "WHY", "INSTANCE_ID"
PLACEHOLDERS = frozenset({WHY, "TEXT", INSTANCE_ID, "ID"})  # and what help and hints call them


class Resolved(_Event, frozen=True, kw_only=True):
    """A person settled a run that was in doubt."""

    run: RunId
    by: str
    triggered: InstanceId | None
    claim: ClaimId | None = None  # the one that was judged; None: whichever is the newest
    reason: str = ""
    evidence: Any = None  # what the service listed though it is said that nothing was started


class Adopted(_Event, frozen=True, kw_only=True):
    """A person has started the run by hand, as this instance: nobody is to start it any more.

    It is a claim and its outcome in one, so that all that is known by a run's claim is known here.
    """

    run: RunId
    claim: ClaimId  # its own nonce; no instance carries it
    by: str
    commit: str  # whose manifest declared the run
    digest: Digest
    flow_id: int
    trigger_time: EpochMs
    stagger: int = 0  # see `ClaimedRun`
    flow_instance_id: InstanceId
    service: Service
    reason: str = ""
    evidence: Any = None  # what the service said of the instance

    def as_claim(self) -> Claim:
        """What it says as a claim: one that is over as soon as it is made."""
        claimed = ClaimedRun(
            digest=self.digest,
            trigger_time=self.trigger_time,
            flow_id=self.flow_id,
            stagger=self.stagger,
        )
        return Claim(
            v=VERSION,
            at=self.at,
            claim=self.claim,
            by=self.by,
            until=self.at,
            commit=self.commit,
            runs={self.run: claimed},
            service=self.service,
        )


Event = Claim | Triggered | Rejected | Unknown | Absent | Observed | Cancelled | Resolved | Adopted


def claimed_run(run: Run) -> ClaimedRun:
    """What a claim holds of the run."""
    return ClaimedRun(
        digest=run.digest, trigger_time=run.trigger_time, flow_id=run.flow_id, stagger=run.delay
    )


def stagger_of(claims: Mapping[ClaimId, Claim], claim: ClaimId | None, run: RunId) -> int:
    """Milliseconds by which that claim moved the run's trigger time; 0 where it is not known."""
    made = claims.get(claim) if claim is not None else None
    claimed = made.runs.get(run) if made is not None else None
    return claimed.stagger if claimed is not None else 0
