"""What every look at the service needs: whom to ask, what is known, how to tell an instance."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from msgspec import Struct, field

from reconciler.apply.immediate import immediate_window
from reconciler.apply.known import Known
from reconciler.apply.ports import Gateway
from reconciler.apply.suspect import Suspect
from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.identity import service_of
from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.events import stagger_of
from reconciler.ledger.records import Start
from reconciler.model import Digest, EpochMs, Nonce, Parameters, Run, run_digest
from reconciler.times import parse_instant


class Look(Struct, frozen=True, kw_only=True):
    """One look at the service, on behalf of one environment."""

    gateway: Gateway
    environment: Environment
    ledger: Ledger
    declared: Mapping[Digest, Run]  # as the manifests say; of runs that are alike, any
    now: Callable[[], EpochMs]  # no later than the gateway's time
    known: Known
    # Claims made before the gateway's clock was set back, and when they had run out all the same.
    lapsed: Mapping[Nonce, EpochMs] = field(default_factory=dict)
    turn: int = 0  # grows from look to look: what one leaves out, the next one begins with
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)  # seconds

    def parameters(self, record: Record) -> Parameters | None:
        """What the run was sent with; None if no manifest says so any more.

        Any run of the same digest says so, whatever it is called: mostly a later revision. The
        digest is worked out again, because what is taken for the manifest's may be a cache's.
        """
        run = self.declared.get(record.digest)
        if run is None:
            return None
        time = EpochMs(run.trigger_time - run.delay)
        is_so = run_digest(run.flow_id, time, run.parameters) == record.digest
        return run.parameters if is_so else None

    def suspect(self, record: Record, claim: Nonce | None) -> Suspect | None:
        """How to recognise what the claim started for the run; None if its flow is not known."""
        if record.flow_id is None:
            return None
        made = self.known.claims.get(claim) if claim is not None else None
        configured = self.environment.gateway.correlation_parameter
        is_timed = claim not in self.lapsed and not record.is_by_hand(claim)
        late = next((one.until for one in record.overdue if one.claim == claim), None)
        return Suspect(
            run=record.run,
            claim=claim,
            flow_id=record.flow_id,
            trigger_time=record.trigger_time,
            parameters=self.parameters(record),
            digest=record.digest,
            delay=stagger_of(self.known.claims, claim, record.run),
            claimed_at=parse_instant(made.at) if made is not None and is_timed else None,
            until=(late or parse_instant(made.until)) if made is not None and is_timed else None,
            slack=int(self.environment.gateway.stamp_slack * 1000),
            correlation=_correlation(made, configured),
            zone=self.environment.gateway.zone,
            before=frozenset(made.before) if made is not None else frozenset(),
            gap=_gap(made),
        )

    def immediate_window(self, suspect: Suspect) -> tuple[EpochMs, EpochMs] | None:
        """When its start may have been triggered at once, as the function of that name has it.

        None as well where no claim is recorded.
        """
        made = self.known.claims.get(suspect.claim) if suspect.claim is not None else None
        if made is None:
            return None
        return immediate_window(suspect, made)

    def service_mismatch(self, record: Record) -> str | None:
        """Why the configured service must not be asked about the run; None if it may be."""
        return service_mismatch(record, self.known.claims, self.environment.gateway)


def service_mismatch(
    record: Record, claims: Mapping[Nonce, events.Claim], gateway: GatewayConfiguration
) -> str | None:
    """Why that gateway must not be asked about the run; None if the run was claimed for it.

    What another service, organisation or user lists says nothing about the run.
    """
    made = claims.get(record.claim) if record.claim is not None else None
    if made is None or made.service is None:
        return None
    return _difference(made.service, service_of(gateway))


def _difference(recorded: events.Service, configured: events.Service) -> str | None:
    """What to put back, in words; None if both are the same."""
    pairs = (
        ("gateway.url", recorded.gateway, configured.gateway),
        ("gateway.orgId", recorded.org_id, configured.org_id),
        ("gateway.userId", recorded.user_id, configured.user_id),
    )
    changed = [(name, old, new) for name, old, new in pairs if old != new]
    if not changed:
        return None
    now = ", ".join(f"{name} is {new}" for name, _, new in changed)
    back = ", ".join(f"{name}: {old}" for name, old, _ in changed)
    return f"it was claimed for another service than is configured ({now}); put back {back}"


def _correlation(made: events.Claim | None, configured: str | None) -> str | None:
    """The parameter that carried the nonce; the configured one for claims that do not record it."""
    if made is None:
        return None
    return made.correlation if made.service is not None else configured


def _gap(made: events.Claim | None) -> int:
    """Milliseconds between the look before the claim and the claim; 0 without a look."""
    if made is None or made.looked_at is None:
        return 0
    return max(0, parse_instant(made.at) - parse_instant(made.looked_at))


def index_runs(runs: Iterable[Run]) -> dict[Digest, Run]:
    """The declared runs by their digest; of those that have one digest, the last."""
    return {run.digest: run for run in runs}


def start_of(record: Record) -> Start | None:
    """The start that counts for the run; None if no start is known."""
    return record.starts[0] if record.starts else None
