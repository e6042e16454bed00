"""What every look at the service needs: whom to ask, what is known, how to recognise an instance.

Also the look at a minute before a run is claimed in it: what stands there already cannot be the
run's. Attempts, revisions and declared duplicates carry what another run has carried, in the same
minute, and a service whose ids tell only flow and minute gives all of them one id.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence

from msgspec import Struct, field

from reconciler.apply.known import Known
from reconciler.apply.ports import Gateway
from reconciler.apply.suspect import Suspect, search_window
from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.identity import service_of
from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.events import stagger_of
from reconciler.ledger.records import Start
from reconciler.model import ClaimId, EpochMs, InstanceId, Parameters, Run, RunId, first_attempt
from reconciler.times import DAY_MS, parse_instant

# So many milliseconds must lie between a claim and the look before it: then a stamp in seconds
# tells what stood there before from what was created after.
STAMP_MS = 1_000

MOST_SEEN = 5_000  # instances in one claim; if there are more, its runs are told apart as others

LOOK_SECONDS = 1.0  # between looks for what was started a moment ago

MinuteSpan = tuple[int, EpochMs, EpochMs]  # flow, from inclusive, to exclusive


class Look(Struct, frozen=True, kw_only=True):
    """One look at the service, on behalf of one environment."""

    gateway: Gateway
    environment: Environment
    ledger: Ledger
    declared: Mapping[RunId, Run]  # first attempts, as the manifests say
    now: Callable[[], EpochMs]  # no later than the gateway's time
    known: Known
    # Claims made before the gateway's clock was set back, and when they had run out all the same.
    lapsed: Mapping[ClaimId, EpochMs] = field(default_factory=dict)
    turn: int = 0  # grows from look to look: what one leaves out, the next one begins with
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)  # seconds

    def parameters(self, record: Record) -> Parameters | None:
        """What the run was sent with; None if no manifest says so any more."""
        run = self.declared.get(first_attempt(record.run))
        return run.parameters if run is not None and run.digest == record.digest else None

    def suspect(self, record: Record, claim: ClaimId | None) -> Suspect | None:
        """How to recognise what the claim started for the run; None if its flow is not known."""
        if record.flow_id is None:
            return None
        made = self.known.claims.get(claim) if claim is not None else None
        configured = self.environment.gateway.correlation_parameter
        is_timed = claim not in self.lapsed and not record.is_by_hand(claim)
        return Suspect(
            run=record.run,
            claim=claim,
            flow_id=record.flow_id,
            trigger_time=record.trigger_time,
            parameters=self.parameters(record),
            digest=record.digest,
            delay=stagger_of(self.known.claims, claim, record.run),
            claimed_at=parse_instant(made.at) if made is not None and is_timed else None,
            until=parse_instant(made.until) if made is not None and is_timed else None,
            slack=int(self.environment.gateway.stamp_slack * 1000),
            correlation=_correlation(made, configured),
            zone=self.environment.gateway.zone,
            before=frozenset(made.before) if made is not None else frozenset(),
            gap=_gap(made),
        )

    def elsewhere(self, record: Record) -> str | None:
        """Why the configured service must not be asked about the run; None if it may be."""
        return elsewhere(record, self.known.claims, self.environment.gateway)


def elsewhere(
    record: Record, claims: Mapping[ClaimId, events.Claim], gateway: GatewayConfiguration
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


def by_id(runs: Iterable[Run]) -> dict[RunId, Run]:
    """The declared runs by their id, which is that of their first attempt."""
    return {run.id: run for run in runs}


def start_of(record: Record) -> Start | None:
    """The start that counts for the run; None if no start is known."""
    return record.starts[0] if record.starts else None


class Before(Struct, frozen=True, kw_only=True):
    """What stood in the minutes of some runs, and a time no earlier than the last look."""

    seen: tuple[events.Seen, ...]
    at: EpochMs


def shares_a_minute(run: Run, look: Look) -> bool:
    """Whether the run's minute may hold something else that could be taken for its instance."""
    if run.attempt > 1 or run.revision > 1 or run.duplicate_of is not None:
        return True
    if look.environment.gateway.same_minute_allowed:
        return True
    known = look.known
    started = known.starts_in(run.flow_id, run.trigger_time)
    return bool(started or known.in_doubt_in(run.flow_id, run.trigger_time))


async def look_before(
    runs: Sequence[Run], look: Look, latest: Callable[[], EpochMs]
) -> Before | None:
    """Search the minutes of those runs; None if more stands there than a claim can hold.

    An instance that was started there a moment ago may not be listed yet, and would later look like
    that of one of these runs. So the search is repeated until the instance is listed, or should
    have been. `latest` gives a time no earlier than the gateway's. Raises GatewayError.
    """
    while True:
        seen: dict[events.Seen, None] = {}
        began = look.now()  # the search must show what had to be listed by then
        for flow_id, start, end in _spans(runs):
            for one in await look.gateway.search(flow_id, start, end):
                seen[events.Seen(id=one.id, created=one.created)] = None
        if not _awaited(runs, look, {one.id for one in seen}, began):
            return Before(seen=tuple(seen), at=latest()) if len(seen) <= MOST_SEEN else None
        await look.pause(min(LOOK_SECONDS, look.environment.gateway.settle))


def _awaited(runs: Sequence[Run], look: Look, seen: Container[InstanceId], began: EpochMs) -> bool:
    """Whether anything that was started in these minutes is not listed, and may be soon.

    That is so for `settleSeconds` after its start, and again after its trigger time. A trigger time
    that lies ahead is not waited for: that may take days.
    """
    young = began - int(look.environment.gateway.settle * 1000)
    return any(
        start.instance not in seen and (young < start.instant or young < run.trigger_time <= began)
        for run in runs
        for start in look.known.starts_in(run.flow_id, run.trigger_time)
    )


def _spans(runs: Sequence[Run]) -> list[MinuteSpan]:
    """Windows that hold the minutes of all runs: few, for one page shows a hundred instances."""
    windows: dict[int, list[tuple[EpochMs, EpochMs]]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.trigger_time):
        start, end = search_window(run.trigger_time)
        of_flow = windows[run.flow_id]
        if of_flow and start - of_flow[-1][1] <= DAY_MS:
            of_flow[-1] = of_flow[-1][0], max(end, of_flow[-1][1])
        else:
            of_flow.append((start, end))
    return [(flow_id, *window) for flow_id, of_flow in windows.items() for window in of_flow]
