"""The apply protocol: fetch, plan, claim, start, settle, record, and again until nothing is left.

The order is the promise. A run is started only under a claim that has landed on the shared branch,
each push is a compare-and-swap derived from the branch as it was just read, and an outcome that is
not certain is recorded as in doubt. docs/exactly-once.md shows why that is enough.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from reconciler.apply.before import (
    STAMP_MS,
    EarlierLook,
    MinuteLook,
    MinuteSpan,
    look_before,
    shares_a_minute,
)
from reconciler.apply.branch import Branch
from reconciler.apply.checks import check_clock, check_flows, check_zone, flows_of, refuse_stale
from reconciler.apply.doubt import Doubt, settle
from reconciler.apply.knowledge import Knowledge
from reconciler.apply.lease import ServiceClock
from reconciler.apply.observe import unfinished_records
from reconciler.apply.pause import Pauses, Waited
from reconciler.apply.ports import Gateway, Learned, Noted, Options, Ports
from reconciler.apply.result import ApplyResult
from reconciler.apply.sharing import Sharing
from reconciler.apply.start import Batch, start_batch
from reconciler.apply.wait import record_at_end
from reconciler.configuration import Environment
from reconciler.counting import format_count
from reconciler.errors import ConfigurationError, GatewayError
from reconciler.ledger import events
from reconciler.model import EpochMs, Run, RunId
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.times import DAY_MS, format_instant

FAILED_LOOKS = 3  # at a run's minute before its claim; then the run is left to the next apply
MOST_LATE_CLAIMS = 3  # in a row, landed too late for any start; after one more the apply gives up
FRESH_SECONDS = 2.0  # in so short a time, two clocks drift apart by nothing that matters


async def apply(ports: Ports, options: Options) -> ApplyResult:
    """Start every declared run that is not recorded, and settle those in doubt.

    Raises InvalidManifestsError, RefusedError (limit, stale plan, other zone, a clock that stands
    still), GatewayError before anything was claimed, GitError, LedgerError, ConfigurationError.
    Before any of these errors leaves this function, outcomes are recorded, or kept in a rescue
    file.
    """
    branch = await Branch.open(ports)
    knowledge = Knowledge(ports, options, branch)
    plan = knowledge.plan(ports.clock.wall())
    knowledge.guard(plan)
    knowledge.chosen.check()
    if options.only is not None:
        refuse_stale(plan, options.only, knowledge.environment.gateway.zone)
    needed = _needs_gateway(plan)
    if not needed and not unfinished_records(branch.ledger, EpochMs(plan.at + DAY_MS)):
        return knowledge.result(plan, interrupted=ports.stop.is_set())
    try:
        async with ports.open_gateway(branch.environment) as gateway, record_at_end(branch):
            return await _Apply(ports, knowledge).go_on(plan, gateway)
    except (GatewayError, ConfigurationError) as error:
        plan = knowledge.plan(ports.clock.wall())  # by the branch as it was read last
        if needed or knowledge.claims.starts or _needs_gateway(plan):
            raise
        # There was nothing to do but observe instances, and the next apply observes them as well.
        ports.progress(Noted(message=f"started instances could not be observed: {error}"))
        return knowledge.result(plan, interrupted=ports.stop.is_set())


def _needs_gateway(plan: Plan) -> bool:
    """Whether any run may need the gateway, by a plan of a local clock that may be hours off."""
    return any(_may_need_gateway(run, plan.at) for run in plan.runs)


def _may_need_gateway(planned: PlannedRun, now: EpochMs) -> bool:
    run = planned.run
    if planned.action is Action.WAIT and run is not None and run.not_after is not None:
        return run.not_after + DAY_MS > now
    if planned.may_follow:
        return True
    return planned.action in {Action.START, Action.RESOLVE, Action.CANCEL, Action.HOLD}


class _Apply:
    """The loop of one apply."""

    def __init__(self, ports: Ports, knowledge: Knowledge) -> None:
        self.ports = ports
        self.knowledge = knowledge
        self.branch = knowledge.branch
        self.observer = knowledge.observer
        self.sharing = Sharing()
        self.pauses = Pauses(ports, knowledge)
        self.stuck = False  # the last batch started nothing, and trying again at once is no use
        self.used_up = 0  # claims in a row that landed too late for any start
        self.failed_looks: Counter[RunId] = Counter()  # before a claim, at the run's minute
        self.stood: dict[MinuteSpan, MinuteLook] = {}  # what looks before claims have shown

    @property
    def environment(self) -> Environment:
        """The environment as the branch configures it, with the gateway of this apply."""
        return self.knowledge.environment

    async def go_on(self, plan: Plan, gateway: Gateway) -> ApplyResult:
        """Work until nothing is left that this apply can do. `plan`: one by the local clock."""
        clock, zone = await asyncio.gather(
            ServiceClock.ask(gateway, self.ports.clock), gateway.timezone()
        )
        check_clock(clock, self.ports.clock, self.ports.progress)
        self._check_zone(zone, plan, clock)
        self.knowledge.notice(clock.earliest_time())
        await self.observer.look_at_all(self.knowledge.look(gateway, clock))
        plan = self.knowledge.plan(clock.earliest_time())
        self._check_zone(zone, plan, clock)  # by the gateway's clock it may start other runs
        plan = await self._check_plan_flows(plan, gateway, clock)
        while not self.ports.stop.is_set():
            self.knowledge.guard(plan)
            plan = await self._settle_all(plan, gateway, clock)
            if self.ports.stop.is_set():
                break
            plan = await self._cancel_unwanted(plan, gateway, clock)
            self.knowledge.guard(plan)
            plan, runs = await self._confirm_choice(plan, clock, self.knowledge.claims.late)
            batch = self.knowledge.claims.take_up(plan)
            if batch is None:
                plan, runs = await self._confirm_choice(plan, clock, self._choose)
            if batch is None and runs:
                clock = await self._ask_again(gateway, clock)
                runs, before = await self._look_before(runs, gateway, clock)
                batch = await self.knowledge.claims.make(runs, clock, before) if runs else None
            elif batch is None:
                if not await self._wait(plan, gateway, clock):
                    await self.branch.record()
                    if plan.commit == self.branch.snapshot.commit:
                        break
                    # The outcomes landed on top of what others have pushed: plan from that too.
                clock = await self._ask_again(gateway, clock)
            if batch is not None:
                await self._start(batch, gateway)
            plan = self.knowledge.plan(clock.earliest_time())
        await self.branch.record()
        return self._result(plan)

    def _check_zone(self, zone: str, plan: Plan, clock: ServiceClock) -> None:
        times = [run.trigger_time for run in self.knowledge.triggers(plan)]
        check_zone(zone, self.environment, clock.earliest_time(), times)

    async def _check_plan_flows(self, plan: Plan, gateway: Gateway, clock: ServiceClock) -> Plan:
        """The plan, made again after every flow was checked, if the caller asked for that."""
        if not self.knowledge.options.preflight:
            return plan
        user = self.environment.gateway.user_id
        self.knowledge.flows = await check_flows(flows_of(plan), gateway, user)
        return self.knowledge.plan(clock.earliest_time())

    def _result(self, plan: Plan) -> ApplyResult:
        return self.knowledge.result(plan, interrupted=self.ports.stop.is_set())

    async def _cancel_unwanted(self, plan: Plan, gateway: Gateway, clock: ServiceClock) -> Plan:
        """The plan, once the runs were cancelled that the branch itself wants cancelled."""
        plan, _ = await self._confirm_choice(plan, clock, self._unwanted_runs)
        if await self.observer.cancel(
            self.knowledge.cancels(plan), self.knowledge.look(gateway, clock)
        ):
            plan = self.knowledge.plan(clock.earliest_time())
        return plan

    def _unwanted_runs(self, plan: Plan) -> list[Run]:
        return [one.run for one in self.knowledge.cancels(plan) if one.run is not None]

    async def _confirm_choice(
        self, plan: Plan, clock: ServiceClock, choose: Callable[[Plan], Sequence[Run]]
    ) -> tuple[Plan, Sequence[Run]]:
        """The plan, and what is chosen of it, once the branch itself declares just that."""
        runs = choose(plan)
        while not await self.branch.confirm(runs):
            plan = self.knowledge.plan(clock.earliest_time())
            self.knowledge.guard(plan)
            runs = choose(plan)
        return plan, runs

    def _choose(self, plan: Plan) -> Sequence[Run]:
        """The runs to claim next; none if trying again at once is no use."""
        if self.stuck:
            return ()
        startable = self.knowledge.startable(plan)
        tried = [run for run in startable if self.failed_looks[run.id] < FAILED_LOOKS]
        pushed = self.knowledge.claims.push_seconds
        return self.sharing.choose(tried, plan, self.environment, pushed)

    async def _look_before(
        self, runs: Sequence[Run], gateway: Gateway, clock: ServiceClock
    ) -> tuple[Sequence[Run], EarlierLook | None]:
        """Search the minutes that are known to be shared; give the runs that may be claimed then.

        Without this look, an instance whose start was not answered could not be told from one that
        stood there before. So if the search fails, these runs are left to a later look, or to the
        next apply.
        """
        look = self.knowledge.look(gateway, clock)
        sharing = [run for run in runs if shares_a_minute(run, look)]
        if not sharing:
            return runs, None
        try:
            looking = look_before(sharing, look, clock.latest_time, self.stood)
            before = await self.pauses.run_unless_stopped(looking)
        except GatewayError as error:
            self.failed_looks.update(run.id for run in sharing)
            are = "is" if len(sharing) == 1 else "are"
            runs_are = f"{format_count(len(sharing), 'run')} {are}"
            message = f"{runs_are} not claimed before the minutes can be searched"
            self.ports.progress(Noted(message=f"{message}: {error}"))
            return [run for run in runs if run not in sharing], None
        while before is not None and before.seen and not self.ports.stop.is_set():
            missing = STAMP_MS - (clock.earliest_time() - before.at)
            if missing <= 0:
                break
            await self.pauses.sleep(missing / 1000)
        if self.ports.stop.is_set():  # after a claim made this early, old and new may look alike
            return (), None
        return runs, before

    async def _start(self, batch: Batch, gateway: Gateway) -> None:
        was_late = not batch.lease.allows_start()
        try:
            await start_batch(batch, gateway, self.environment.limits.concurrency)
        finally:
            outcomes = batch.complete_outcomes()
            self.branch.pending += outcomes
            self.knowledge.overdue.note(batch)
            self.knowledge.outcomes.update((outcome.run, outcome) for outcome in outcomes)
        self.sharing.note_times(batch.request_seconds)
        nothing = all(
            isinstance(outcome, events.Absent) and outcome.run not in batch.late
            for outcome in outcomes
        )
        # If a slow push used up the claim, a longer claim may help; such claims are counted.
        self.used_up = self.used_up + 1 if nothing and was_late else 0
        self.stuck = nothing and not 0 < self.used_up <= MOST_LATE_CLAIMS
        if self.used_up > MOST_LATE_CLAIMS:
            self.knowledge.claims.give_up(self.used_up)

    async def _settle_all(self, plan: Plan, gateway: Gateway, clock: ServiceClock) -> Plan:
        """The plan, once another look settles no run in doubt at once."""
        while await self._settle(plan, gateway, clock):
            plan = self.knowledge.plan(clock.earliest_time())
        return plan

    async def _settle(self, plan: Plan, gateway: Gateway, clock: ServiceClock) -> bool:
        """Look for the runs in doubt that are due; True if another look may settle more at once."""
        settled, looks = False, self.knowledge.looks
        due, left = looks.due(
            plan.runs_of_action(Action.RESOLVE), self.knowledge.doubts, clock.earliest_time()
        )
        if left:
            runs, are = format_count(left, "run"), "is" if left == 1 else "are"
            message = f"{runs} in doubt {are} left to the next look, {len(due):,} looked for now"
            self.ports.progress(Noted(message=message))
        if not due:
            return False
        looking = settle(due, self.knowledge.look(gateway, clock))
        for found in await self.pauses.run_unless_stopped(looking) or ():
            if isinstance(found, Doubt):
                self.knowledge.doubts[found.planned.id] = found
                self.knowledge.forget_absence(found.planned.id)
                looks.put_off(found)
                news = found.event(format_instant(clock.earliest_time()))
                self.branch.pending += [] if news is None else [news]
                continue
            settled = True
            self.knowledge.doubts.pop(found.run, None)
            self.branch.pending.append(found)
            self.knowledge.outcomes[found.run] = found
            self.ports.progress(Learned(run=found.run, event=found))
        if settled:
            looks.bring_forward()
            await self.observer.look_again(self.knowledge.look(gateway, clock))
        return (settled or left > 0) and not self.ports.stop.is_set()

    async def _wait(self, plan: Plan, gateway: Gateway, clock: ServiceClock) -> bool:
        """Wait until something may have changed; False if nothing is worth waiting for."""
        waited = await self.pauses.wait(plan, gateway, clock)
        self.stuck = self.stuck and waited is not Waited.FOR_AN_END
        return waited is not Waited.NOT_AT_ALL

    async def _ask_again(self, gateway: Gateway, clock: ServiceClock) -> ServiceClock:
        """Ask for the time, unless that was just done; if that fails, use the last answer."""
        if clock.age() < FRESH_SECONDS:
            return clock
        try:
            return await clock.ask_again(gateway, margin=self.environment.limits.margin)
        except GatewayError as error:
            self.ports.progress(Noted(message=str(error)))
            return clock
