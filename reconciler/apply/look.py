"""What every look at the service needs: whom to ask, what is known, how to recognise an instance.

Also the look at a minute before a run is claimed in it: what stands there already cannot be the
run's. Attempts, revisions and declared duplicates carry what another run has carried, in the same
minute, and a service whose ids tell only flow and minute gives all of them one id.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from itertools import chain

from msgspec import Struct, field

from reconciler.apply.known import Known
from reconciler.apply.ports import Gateway
from reconciler.apply.suspect import Suspect, search_window
from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.errors import GatewayError
from reconciler.identity import service_of
from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.events import stagger_of
from reconciler.ledger.records import Start
from reconciler.model import (
    EpochMs,
    InstanceId,
    Nonce,
    Parameters,
    Run,
    RunId,
    first_attempt,
    run_digest,
)
from reconciler.times import DAY_MS, MINUTE_MS, SECOND_MS, parse_instant

# So many milliseconds must lie between a claim and the look before it: then a stamp in seconds
# tells what stood there before from what was created after.
STAMP_MS = SECOND_MS

MOST_SEEN = 5_000  # instances in one claim; if there are more, its runs are told apart as others

LOOK_SECONDS = 1.0  # between looks for what was started a moment ago
KEPT_MS = MINUTE_MS  # how long a look counts for further claims; see `Stood`

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
    lapsed: Mapping[Nonce, EpochMs] = field(default_factory=dict)
    turn: int = 0  # grows from look to look: what one leaves out, the next one begins with
    pause: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)  # seconds

    def parameters(self, record: Record) -> Parameters | None:
        """What the run was sent with; None if no manifest says so any more.

        The digest is worked out again: what is taken for the manifest's may be a cache's.
        """
        run = self.declared.get(first_attempt(record.run))
        if run is None or run.digest != record.digest:
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


class Stood(Struct, frozen=True, kw_only=True):
    """What stood in a minute, by one search before a claim; kept for a while within one apply.

    A claim that lost its race has started nothing: somebody else has moved the branch, perhaps by
    a commit that has nothing to do with these runs. An apply that searched anew each time would
    never claim anything on a busy branch. What was seen may be kept, because it is said of the time
    of the look, which the claim records: it stood there before any claim that comes later. But a
    look does not show what was started after it. So it is dropped

    - once the ledgers hold another claim or start beside the run, be it this apply's own: that
      instance should be seen before the next claim, to be told from what that claim starts;
    - once the run's trigger time has come, when what waited for that time must be listed soon;
    - after `KEPT_MS`, for strangers may start something at any time. That is measured by the
      gateway's clock, so it is dropped as well where that clock was set by more than this.
    """

    seen: tuple[events.Seen, ...]
    began: EpochMs  # no later than the search
    at: EpochMs  # no earlier than the search
    recorded: frozenset[Start | Nonce]  # beside the run, by what the ledgers said then


async def look_before(
    runs: Sequence[Run],
    look: Look,
    latest: Callable[[], EpochMs],
    stood: dict[MinuteSpan, Stood],
) -> Before | None:
    """Search the minutes of those runs; None if more stands there than a claim can hold.

    An instance that was started there a moment ago may not be listed yet, and would later look like
    that of one of these runs. So the search is repeated until the instance is listed, or should
    have been. `latest` gives a time no earlier than the gateway's. `stood` is what earlier looks of
    this apply have shown: it is not searched for again while it counts, and what this look shows is
    added, also if a search fails. Raises GatewayError.
    """
    minutes: dict[MinuteSpan, list[Run]] = defaultdict(list)
    for run in runs:
        minutes[_minute(run)].append(run)
    for minute in [*stood]:
        if minute not in minutes or not _counts(stood[minute], minutes[minute], look, latest()):
            del stood[minute]
    while missing := {one: its for one, its in minutes.items() if one not in stood}:
        began = look.now()  # the search must show what had to be listed by then
        found, failure = await _search(_spans(chain.from_iterable(missing.values())), look)
        at = latest()
        for (flow_id, start, end), seen in found.items():
            ids = {one.id for one in seen}
            for minute, its in missing.items():
                within = minute[0] == flow_id and start <= minute[1] and minute[2] <= end
                if within and not _awaited(its, look, ids, began):
                    recorded = _recorded(its[0], look.known)
                    stood[minute] = Stood(seen=seen, began=began, at=at, recorded=recorded)
        if failure is not None:
            raise failure
        if not minutes.keys() <= stood.keys():
            await look.pause(min(LOOK_SECONDS, look.environment.gateway.settle))
    kept = dict.fromkeys(chain.from_iterable(stood[one].seen for one in minutes))
    at = max(stood[one].at for one in minutes)
    return Before(seen=tuple(kept), at=at) if len(kept) <= MOST_SEEN else None


async def _search(
    spans: Iterable[MinuteSpan], look: Look
) -> tuple[dict[MinuteSpan, tuple[events.Seen, ...]], GatewayError | None]:
    """Search the windows side by side; once one fails, no further one is begun."""
    gate = asyncio.Semaphore(look.environment.limits.concurrency)
    found: dict[MinuteSpan, tuple[events.Seen, ...]] = {}
    failures: list[GatewayError] = []

    async def one(span: MinuteSpan) -> None:
        async with gate:
            if failures:
                return
            try:
                listed = await look.gateway.search(*span)
            except GatewayError as error:
                failures.append(error)
            else:
                seen = (events.Seen(id=one.id, created=one.created) for one in listed)
                found[span] = tuple(dict.fromkeys(seen))

    async with asyncio.TaskGroup() as searches:
        for span in spans:
            searches.create_task(one(span))
    return found, failures[0] if failures else None


def _counts(stood: Stood, runs: Sequence[Run], look: Look, latest: EpochMs) -> bool:
    """Whether what an earlier look has shown still counts for those runs, all of one minute."""
    return (
        abs(latest - stood.at) <= KEPT_MS
        and stood.recorded == _recorded(runs[0], look.known)
        and not any(stood.began < run.trigger_time <= look.now() for run in runs)
    )


def _recorded(run: Run, known: Known) -> frozenset[Start | Nonce]:
    """What the ledgers hold beside the run: starts in its minute, claims there and around it."""
    claims = (claim.claim for claim, _ in known.claims_near(run.flow_id, run.trigger_time))
    return frozenset(chain(known.starts_in(run.flow_id, run.trigger_time), claims))


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


def _minute(run: Run) -> MinuteSpan:
    """The window that holds the run's minute."""
    return run.flow_id, *search_window(run.trigger_time)


def _spans(runs: Iterable[Run]) -> list[MinuteSpan]:
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
