"""The ledger's events: what is written about runs, and never changed afterwards."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from reconciler.model import Digest, EpochMs, InstanceId, Nonce, Run, RunId
from reconciler.times import FIRST_SHOWN, LAST_SHOWN

VERSION = 1
ADOPTED_VERSION = 2  # of `adopted` alone: an older reconciler must stop at it, and say why

# What a line surely was not written with, and what a length or a limit can tell: such a line is
# damaged. Patterns would take longer than all the rest of the reading.
_Recorded = Annotated[str, Meta(min_length=len("2024-03-02T08:00:00Z"))]
_Instant = Annotated[EpochMs, Meta(ge=FIRST_SHOWN, le=LAST_SHOWN)]
_Milliseconds = Annotated[int, Meta(ge=-LAST_SHOWN, le=LAST_SHOWN)]
_Sha256 = Annotated[Digest, Meta(min_length=64, max_length=64)]
_Run = Annotated[RunId, Meta(min_length=1)]
_Claim = Annotated[Nonce, Meta(min_length=1)]
_Instance = Annotated[InstanceId, Meta(min_length=1)]
_Text = Annotated[str, Meta(min_length=1)]


class _Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="event",
    tag=str.lower,
    rename="camel",
    gc=False,  # an event is never part of a reference cycle
):
    v: int
    at: _Recorded  # RFC 3339, UTC, by the gateway's clock


class ClaimedRun(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False
):
    """What a claim says about one run."""

    digest: _Sha256
    trigger_time: _Instant
    flow_id: int | None = None  # lets us search for a run whose manifest is gone
    stagger: _Milliseconds = (
        0  # milliseconds that the trigger time was moved by; not part of the digest
    )


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The service that a claim's starts go to, and on whose behalf: only it knows about them."""

    org_id: _Text
    gateway: _Text  # URL, normalized by `reconciler.identity.service_of`
    user_id: _Text
    name: _Text | None = None  # `gateway.service`, where one organisation has two services


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An instance in a run's minute that existed before the run was claimed: not the run's own."""

    id: InstanceId
    created: EpochMs | None = None  # as the service stamped it


class Claim(_Event, frozen=True, kw_only=True):
    """This applier is about to start these runs, and nobody else may before `until`."""

    claim: _Claim
    by: str
    until: str  # RFC 3339, by the gateway's clock
    commit: str  # the commit whose manifests the claim was made from
    runs: Mapping[_Run, ClaimedRun]
    service: Service | None = None  # None: written before claims named their service
    correlation: str | None = None  # the parameter that carries this claim's nonce in each start
    before: tuple[Seen, ...] = ()  # instances seen in the runs' minutes before the claim
    looked_at: str | None = None  # a time not before that look; None: nobody looked
    tzdata: str | None = None  # version of the time zone data that local times were read with


class Triggered(_Event, frozen=True, kw_only=True):
    """The run was started, and this is its instance."""

    run: _Run
    claim: _Claim | None = None
    digest: _Sha256
    flow_id: int
    trigger_time: _Instant
    flow_instance_id: _Instance
    evidence: Any = None  # how this is known, if not from the answer to the start
    inferred: bool = False  # neither answer nor nonce says so: no other instance was possible


class Rejected(_Event, frozen=True, kw_only=True):
    """The service certainly rejected the start of the run."""

    run: _Run
    claim: _Claim
    code: int | str
    message: str


class Unknown(_Event, frozen=True, kw_only=True):
    """The start was sent, and neither its answer nor a later search tells the outcome."""

    run: _Run
    claim: _Claim
    seen: Any
    late: bool = False  # it left after its claim had ended: others may have gone by its absence


class Absent(_Event, frozen=True, kw_only=True):
    """It is certain that the claim started no instance of the run."""

    run: _Run
    claim: _Claim
    evidence: Any


class Observed(_Event, frozen=True, kw_only=True):
    """The final status of the run's instance, as the service reported it."""

    run: _Run
    status: int | str  # EnOS's number; NOT_FOUND: the service no longer knows the instance
    claim: _Claim | None = None  # the claim under which the instance was started


class Cancelled(_Event, frozen=True, kw_only=True):
    """The service's answer to the request to cancel the run's instance."""

    run: _Run
    code: int  # 0: the instance was cancelled
    message: str = ""
    claim: _Claim | None = None  # the claim under which the instance was started


# What stands in printed commands where a person must write a reason, or the id of an instance. No
# decision is recorded with them.
WHY, INSTANCE_ID = "WHY", "INSTANCE_ID"
PLACEHOLDERS = frozenset({WHY, "TEXT", INSTANCE_ID, "ID"})  # and what help and hints call them


class Resolved(_Event, frozen=True, kw_only=True):
    """A person settled a run that was in doubt."""

    run: _Run
    by: str
    triggered: InstanceId | None
    claim: _Claim | None = None  # the claim that the person judged; None: the newest
    reason: str = ""
    evidence: Any = None  # what the service listed although the person says nothing was started


class Adopted(_Event, frozen=True, kw_only=True):
    """A person has started the run by hand, as this instance: nobody may start it again.

    The event is a claim and its outcome in one, so it also holds what a claim says about a run.
    """

    run: _Run
    claim: _Claim  # this event's own nonce; no instance carries it
    by: str
    commit: str  # the commit whose manifest declared the run
    digest: _Sha256
    flow_id: int
    trigger_time: _Instant
    stagger: _Milliseconds = 0  # see `ClaimedRun`
    flow_instance_id: _Instance
    service: Service
    reason: str = ""
    evidence: Any = None  # what the service said about the instance

    def implied_claim(self) -> Claim:
        """The claim that this event stands for; it expires the moment it is made."""
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
    """What a claim says about the run."""
    return ClaimedRun(
        digest=run.digest, trigger_time=run.trigger_time, flow_id=run.flow_id, stagger=run.delay
    )


def stagger_of(claims: Mapping[Nonce, Claim], claim: Nonce | None, run: RunId) -> int:
    """Milliseconds by which the claim moved the run's trigger time; 0 where that is not known."""
    made = claims.get(claim) if claim is not None else None
    claimed = made.runs.get(run) if made is not None else None
    return claimed.stagger if claimed is not None else 0
