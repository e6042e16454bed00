"""The apply protocol: fetch, plan, claim, start, settle, record, and again until nothing is left.

The order is the promise. A run is started only under a claim that has landed on the shared branch,
each push is a compare-and-swap derived from the branch as it was just read, and what is not certain
is recorded as such. docs/exactly-once.md shows why that is enough.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from reconciler.apply.batch import FIRST_GUESS_SECONDS, capacity, choose_batch
from reconciler.apply.branch import Branch, Claiming
from reconciler.apply.guards import InvalidManifestsError, refuse_stale, refuse_too_many
from reconciler.apply.lease import Lease, ServiceClock
from reconciler.apply.ports import Gateway, Options, Ports
from reconciler.apply.preflight import check_clock, check_zone
from reconciler.apply.result import ApplyResult
from reconciler.apply.settle import Doubt, Search, settle
from reconciler.apply.start import Batch, Outcome, start_batch
from reconciler.apply.steps import Claimed, Noted, Settled, Waiting
from reconciler.apply.waiting import waits_for, worth_waiting_for
from reconciler.configuration import Environment
from reconciler.errors import GatewayError, RefusedError
from reconciler.ledger import events
from reconciler.model import ClaimId, EpochMs, Run, RunId
from reconciler.plan import Action, Plan, PlannedRun, make_plan
from reconciler.times import format_instant

DAY_MS = 86_400_000
STARTS_OF_ONE_RUN = 3  # after that many proven absent, an apply leaves the run to the next one
FIRST_LOOK_SECONDS = 1.0  # between looks whether others have finished, or an instance shows up
LONGEST_LOOK_SECONDS = 15.0
FRESH_SECONDS = 2.0  # within them, clocks that drift do not drift apart by anything that counts


async def apply(ports: Ports, options: Options) -> ApplyResult:
    """Start every declared run that is not recorded, and settle those in doubt.

    Raises InvalidManifestsError, RefusedError (limit, stale plan, other zone), GatewayError before
    anything was claimed, GitError, LedgerError. Outcomes are recorded, or kept in a rescue file,
    before any of them leaves here.
    """
    branch = Branch(
        store=ports.store,
        snapshot=await ports.store.fetch(),
        progress=ports.progress,
        jitter=ports.jitter,
        rescue=ports.rescue,
        pending=[],
    )
    work = _Apply(ports, options, branch)
    plan = work.plan(ports.clock.wall())
    work.guard(plan)
    if options.only is not None:
        refuse_stale(plan, options.only)
    if not any(_needs_gateway(run, plan.at) for run in plan.runs):
        return work.result(plan)
    async with ports.open_gateway(branch.snapshot.environment) as gateway:
        try:
            return await work.go_on(gateway)
        finally:
            await asyncio.shield(branch.record())


def _needs_gateway(planned: PlannedRun, now: EpochMs) -> bool:
    """Whether there is something to do, as far as a local clock that may be hours off can tell."""
    run = planned.run
    if planned.action is Action.WAIT and run is not None and run.not_after is not None:
        return run.not_after + DAY_MS > now
    return planned.action in {Action.TRIGGER, Action.RESOLVE, Action.HOLD}


class _Apply:
    """One apply's own knowledge: what it tried, what came of it, what nobody can tell."""

    def __init__(self, ports: Ports, options: Options, branch: Branch) -> None:
        self.ports = ports
        self.options = options
        self.branch = branch
        self.outcomes: dict[RunId, Outcome] = {}
        self.doubts: dict[RunId, Doubt] = {}
        self.gateway = self.environment.gateway  # the one that this apply works with
        self.starts: Counter[RunId] = Counter()
        self.unclear: dict[ClaimId, Lease] = {}  # claims whose push was not answered
        self.request_seconds = FIRST_GUESS_SECONDS
        self.looks = 0
        self.waiting: Waiting | None = None  # what was last said of it
        self.stuck = False  # the last batch started nothing

    @property
    def environment(self) -> Environment:
        """The environment as the branch configures it."""
        return self.branch.snapshot.environment

    def plan(self, now: EpochMs) -> Plan:
        """Derive the plan from the branch as last seen."""
        snapshot = self.branch.snapshot
        return make_plan(
            snapshot.declared,
            self.branch.ledger,
            now,
            environment=self.environment.name,
            commit=snapshot.commit,
            same_minute_allowed=self.environment.gateway.same_minute_allowed,
            reserved_parameter=self.environment.gateway.correlation_parameter,
        )

    def guard(self, plan: Plan) -> None:
        """Refuse what must not be applied."""
        if plan.problems:
            raise InvalidManifestsError(plan.problems)
        if self.environment.gateway != self.gateway:
            raise RefusedError(
                f"the gateway of {self.environment.name} was configured anew meanwhile",
                hint="What was started is recorded. Apply again.",
            )
        wanted = {run.id for run in self._triggers(plan)} | self.starts.keys()
        limit = self.options.max_runs or self.environment.limits.max_runs_per_apply
        refuse_too_many(len(wanted), limit)

    async def go_on(self, gateway: Gateway) -> ApplyResult:
        """Work until nothing is left that this apply can do."""
        clock, zone = await asyncio.gather(
            ServiceClock.ask(gateway, self.ports.clock), gateway.timezone()
        )
        check_clock(clock, self.ports.clock, self.ports.progress)
        plan = self.plan(clock.earliest())
        times = [run.trigger_time for run in self._triggers(plan)]
        check_zone(zone, self.environment, clock.earliest(), times)
        while not self.ports.stop.is_set():
            self.guard(plan)
            if await self._settle(plan, gateway, clock):
                plan = self.plan(clock.earliest())
            batch = self._adopt(plan)
            if batch is None and (runs := self._choose(plan)):
                clock = await self._ask_again(gateway, clock)
                batch = await self._claim(runs, clock)
            elif batch is None:
                if not await self._wait(plan, clock):
                    break
                clock = await self._ask_again(gateway, clock)
            if batch is not None:
                await self._start(batch, gateway)
            plan = self.plan(clock.earliest())
        await self.branch.record()
        return self.result(plan)

    def result(self, plan: Plan) -> ApplyResult:
        """What has become of everything, as far as this apply knows."""
        wanted = {run.id for run in self._triggers(plan)}
        return ApplyResult(
            commit=self.branch.snapshot.commit,
            outcomes=tuple(self.outcomes.values()),
            unstarted=[run for run in plan.of_action(Action.TRIGGER) if run.id in wanted],
            doubts=[
                self.doubts.get(run.id) or Doubt(planned=run, reason=run.reason, decided_at=None)
                for run in plan.of_action(Action.RESOLVE)
            ],
            waiting=plan.of_action(Action.WAIT),
            interrupted=self.ports.stop.is_set(),
        )

    def _triggers(self, plan: Plan) -> list[Run]:
        only = self.options.only
        return [
            planned.run
            for planned in plan.of_action(Action.TRIGGER)
            if planned.run is not None and (only is None or only.get(planned.id) == planned.digest)
        ]

    def _choose(self, plan: Plan) -> tuple[Run, ...]:
        """Choose the next batch; none where trying again at once is no use."""
        if self.stuck:
            return ()
        limits = self.environment.limits
        room = capacity(limits, self.environment.gateway.timeout, self.request_seconds)
        return choose_batch((run for run in self._triggers(plan) if self._startable(run)), room)

    def _startable(self, run: Run) -> bool:
        """Whether this apply may still try: a refused run, or one lost too often, is the next's."""
        refused = isinstance(self.outcomes.get(run.id), events.Rejected)
        return not refused and self.starts[run.id] < STARTS_OF_ONE_RUN

    async def _claim(self, runs: Sequence[Run], clock: ServiceClock) -> Batch | None:
        """Claim the runs, together with what is pending; None if that did not come about."""
        at = clock.earliest()
        lease = Lease(
            clock=clock,
            until=EpochMs(at + int(self.environment.limits.claim_seconds * 1000)),
            reserve=self.environment.gateway.timeout + self.environment.limits.margin,
        )
        claim = events.Claim(
            v=events.VERSION,
            at=format_instant(at),
            claim=self.ports.new_claim(),
            by=self.options.by,
            until=format_instant(lease.until),
            commit=self.branch.snapshot.commit,
            runs={run.id: events.claimed_run(run) for run in runs},
        )
        claiming = await self.branch.claim(claim)
        if claiming is Claiming.OURS:
            return self._batch(claim.claim, runs, lease)
        if claiming is Claiming.UNCLEAR:
            self.unclear[claim.claim] = lease
        return None

    def _adopt(self, plan: Plan) -> Batch | None:
        """Take up a claim of this apply whose push was not answered and has landed after all."""
        for claim in self.unclear.keys() & self.branch.snapshot.ledger.claims.keys():
            lease = self.unclear.pop(claim)
            runs = [
                planned.run
                for planned in plan.of_action(Action.HOLD)
                if planned.run and planned.record and planned.record.claim == claim
            ]
            if runs:
                return self._batch(claim, runs, lease)
        return None

    def _batch(self, claim: ClaimId, runs: Sequence[Run], lease: Lease) -> Batch:
        self.ports.progress(Claimed(claim=claim, runs=len(runs), until=lease.until))
        self.starts.update(run.id for run in runs)
        return Batch(
            claim=claim,
            runs=runs,
            lease=lease,
            progress=self.ports.progress,
            stop=self.ports.stop,
            jitter=self.ports.jitter,
            correlation=self.environment.gateway.correlation_parameter,
        )

    async def _start(self, batch: Batch, gateway: Gateway) -> None:
        try:
            await start_batch(batch, gateway, self.environment.limits.concurrency)
        finally:
            outcomes = batch.remaining()
            self.branch.pending += outcomes
            self.outcomes.update((outcome.run, outcome) for outcome in outcomes)
        if batch.request_seconds:
            self.request_seconds = max(1.5 * fmean(batch.request_seconds), 0.01)
        self.stuck = all(isinstance(outcome, events.Absent) for outcome in outcomes)

    async def _settle(self, plan: Plan, gateway: Gateway, clock: ServiceClock) -> bool:
        """Look once for every run in doubt and take down what is certain; whether anything was."""
        search = Search(
            gateway=gateway,
            ledger=self.branch.ledger,
            settle_seconds=self.environment.gateway.settle,
            correlation=self.environment.gateway.correlation_parameter,
            now=clock.earliest,
            concurrency=self.environment.limits.concurrency,
        )
        settled = False
        for found in await settle(plan.of_action(Action.RESOLVE), search):
            if isinstance(found, Doubt):
                self.doubts[found.planned.id] = found
                continue
            settled = True
            self.doubts.pop(found.run, None)
            self.branch.pending.append(found)
            self.outcomes[found.run] = found
            self.ports.progress(Settled(run=found.run, event=found))
        return settled

    async def _wait(self, plan: Plan, clock: ServiceClock) -> bool:
        """Record, then wait for what time or others may change; False if nothing will."""
        await self.branch.record()
        claim_seconds = self.environment.limits.claim_seconds
        until = worth_waiting_for(plan, self.doubts, clock.earliest(), claim_seconds)
        if until is None:
            return False
        waiting = Waiting(reason=waits_for(plan), until=until)
        if waiting != self.waiting:
            self.ports.progress(waiting)
            self.waiting = waiting
        look = min(FIRST_LOOK_SECONDS * 1.5**self.looks, LONGEST_LOOK_SECONDS)
        self.looks += 1
        left = (until - clock.earliest()) / 1000 + 0.05
        await self._sleep(min(max(left, 0.05), look * (0.75 + self.ports.jitter() / 2)))
        await self.branch.refetch()
        return True

    async def _ask_again(self, gateway: Gateway, clock: ServiceClock) -> ServiceClock:
        """Ask for the time, unless that was just done; if it fails, go on from the last answer."""
        if clock.age() < FRESH_SECONDS:
            return clock
        try:
            return await ServiceClock.ask(gateway, self.ports.clock)
        except GatewayError as error:
            self.ports.progress(Noted(message=str(error)))
            return clock

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.ports.stop.wait()
        except TimeoutError:
            return
