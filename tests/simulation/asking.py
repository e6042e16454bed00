"""The gateway as one applier sees it: late, odd, and sometimes silent."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from reconciler.apply import ports
from reconciler.enos.listed import ListedWindow
from reconciler.errors import GatewayError
from reconciler.model import EpochMs, InstanceId, Nonce, Run
from tests.simulation.chances import CALM
from tests.simulation.clock import MINUTE_MS
from tests.simulation.instances import Started
from tests.simulation.paging import Lists
from tests.simulation.process import Process
from tests.simulation.promise import ViolationError
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(slots=True, kw_only=True, eq=False)
class Asking:
    """A gateway that was opened by a process, for the user that was configured then."""

    process: Process
    user: str
    seen_at: dict[InstanceId, float] = field(default_factory=dict)  # the loop's time, the last one

    @property
    def world(self) -> World:
        return self.process.world

    async def step(self, what: str, low: float = 0.01, high: float = 0.5) -> None:
        await self.process.step(what, low, high)

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Connection]":
        yield Connection(asking=self)

    async def current_time(self) -> EpochMs:
        await self.step("time", 0.005, 0.1)
        stamp = self.world.told_time()
        await self.step("time answered", 0.005, 0.1)
        return stamp

    async def timezone(self) -> str:
        await self.step("zone", 0.005, 0.1)
        return "GMT+8"

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[ports.Instance, ...]:
        """The window is one of the trigger times that the service files instances under.

        Those are the times that were sent, whatever is listed of them, or those of the triggering.
        """
        await self.step("search", 0.01, 0.5)

        def is_wanted(one: Started) -> bool:
            unset = self.world.truth.oddities.flow_unset
            may_be = flow_id is None or one.run.flow_id == flow_id or unset
            return may_be and from_time <= self.world.filed_under(one) < to_time

        found = self.world.listing(self.user, wanted=is_wanted)
        shown = tuple(map(self.world.shown, found))
        self.seen_at |= {one.instance: self.world.now for one in found}
        if self.world.chance(self.world.chances.search_fails):
            raise GatewayError("the search failed")
        if self.world.truth.oddities.has_pages:
            window = ListedWindow(from_time=from_time, to_time=to_time)
            shown = await self._lists(window, shown).search(flow_id, window)
        await self.step("searched", 0.01, 0.5)
        return shown

    def _lists(self, window: ListedWindow, shown: Sequence[ports.Instance]) -> Lists:
        """What is listed now: for the window just that."""
        world = self.world

        def within(other: ListedWindow) -> Sequence[ports.Instance]:
            if other.to_time == window.to_time:
                return shown
            found = world.listing(
                self.user,
                wanted=lambda one: other.from_time <= world.filed_under(one) < other.to_time,
            )
            return [world.shown_readably(one) for one in found]

        return Lists(
            oddities=world.truth.oddities,
            random=world.pages,
            loses=0.0 if world.chances is CALM else world.truth.oddities.loses_pages,
            within=within,
            peace=world.chances is CALM,
        )

    async def instance(self, instance: InstanceId) -> ports.Instance | None:
        await self.step("instance", 0.01, 0.5)
        return next(iter(self._by_id(instance)), None)

    def _by_id(self, instance: InstanceId) -> tuple[ports.Instance, ...]:
        self.seen_at[instance] = self.world.now
        one = self.world.by_id(self.user, instance)
        return () if one is None else (self.world.shown(one),)

    async def observe_instances(
        self, sought: Sequence[ports.StartedInstance], most_requests: int, turn: int = 0
    ) -> ports.ObservedInstances:
        """Look at one half after the other: an answer may be old when it arrives."""
        assert most_requests > 0
        assert turn >= 0
        await self.step("look up", 0.01, 0.3)
        world, whole = self.world, set[InstanceId]()
        half, found, failure = len(sought) // 2, {}, None
        for part in (sought[:half], sought[half:]):
            if world.chance(world.chances.search_fails):
                failure = "a search failed"
                break
            for one in part:
                self._check_sought(one)
                if world.chance(world.chances.misses):
                    failure = "not everything was looked up"
                    continue
                listed = tuple(map(world.shown, world.listing(self.user, one.id)))
                if world.chance(world.chances.asked_by_id):
                    listed = ()
                else:
                    whole.add(one.id)
                found[one.id] = listed or self._by_id(one.id)
                self.seen_at[one.id] = world.now
            await self.step("looked up", 0.01, 0.3)
        return ports.ObservedInstances(instances=found, failure=failure, whole=frozenset(whole))

    def _check_sought(self, sought: ports.StartedInstance) -> None:
        """It is searched for by its time, so that time must be the one that was sent."""
        under = self.world.truth.under(sought.id)
        minutes = {one.run.trigger_time // MINUTE_MS for one in under}
        if sought.trigger_time // MINUTE_MS not in minutes:
            raise ViolationError(f"{sought.id} is looked for at a time that it was not sent with")

    async def flow(self, flow_id: int) -> ports.Flow | None:
        await self.step("flow", 0.01, 0.2)
        world = self.world
        if world.chance(world.chances.question_fails):
            raise GatewayError("the question was not answered")
        locked = world.chance(world.chances.locked)
        await self.step("flow described", 0.01, 0.2)
        if locked:
            self.process.told_locked.add(flow_id)
        return ports.Flow(
            locked=locked, user_locked=None, editable=True, owners=None, tasks=1, parameters=None
        )

    async def cancel(self, instance: InstanceId) -> ports.CancelAnswer:
        records, truth = self.process.seen.records, self.world.truth
        under = [records.get(run) for one in truth.under(instance) for run in truth.runs_of(one)]
        # Of several that share the id, one may be known to this process alone as yet.
        if under and all(record is not None and record.cancelled for record in under):
            raise ViolationError(f"{instance} is cancelled once more")
        await self.step("cancel", 0.01, 0.3)
        world, name = self.world, self.process.name
        fails = world.chance(world.chances.question_fails)
        seen_at = self.seen_at.get(instance, world.now)
        reached = not fails or world.random.random() < 0.5
        done = reached and world.cancel(name, self.user, instance, seen_at)
        await self.step("cancelled", 0.01, 0.3)
        if fails:
            raise GatewayError("the cancellation was not answered")
        return ports.CancelAnswer(code=0 if done else 62111, message="" if done else "it has ended")


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """One worker's connection, which may bring an answer twice."""

    asking: Asking
    answered: Started | None = None  # what the answer before was about

    async def start(self, run: Run, allowed: Callable[[], bool]) -> ports.Answer:
        asking, world, chances = self.asking, self.asking.world, self.asking.world.chances
        claim = world.claim_of(run, asking.process.claims)
        if world.is_slow:
            await asyncio.sleep(world.random.random() * 3)
        await asking.step("trigger", 0.01, 0.7)
        if world.chance(chances.not_sent):
            return ports.NotSent(reason="connection refused")
        if not allowed():
            return ports.NotSent(reason="not allowed any more")
        frozen = await asking.process.freeze_in_the_gap()
        allowed()  # it is asked once more when the bytes have left, and learns how late that was
        # The request may be on its way for as long as one request may take.
        timeout = world.environment.gateway.timeout
        await asking.process.step("trigger sent", 0.0, timeout / 50, thaws=False)
        start = partial(self._start, run, claim, frozen=frozen)
        if self._answers_again(run):
            return await self._misfit(run, start)
        if world.chance(chances.not_processed):
            return ports.NotProcessed(reason="429", retry_after=world.random.choice([None, 1.0]))
        if world.chance(chances.refused):
            return ports.RejectedAnswer(code=62103, message="no privilege")
        if world.chance(chances.lost_answer):
            return await self._lost(run, start)
        self.answered = start()
        await asking.step("trigger answered", 0.0, 0.2)
        return ports.TriggeredAnswer(instance=self.answered.instance)

    def _start(self, run: Run, claim: Nonce | None, *, frozen: bool) -> Started:
        name, user = self.asking.process.name, self.asking.user
        return self.asking.world.start(name, user, run, claim, frozen=frozen)

    def _answers_again(self, run: Run) -> bool:
        """Whether the answer before comes again; one that cannot be this run's by its id."""
        world, before = self.asking.world, self.answered
        if before is None or not world.truth.oddities.misfits:
            return False
        same = before.run.trigger_time // MINUTE_MS == run.trigger_time // MINUTE_MS
        other = before.run.flow_id != run.flow_id or not same
        return other and world.chance(world.chances.misfit)

    async def _misfit(self, run: Run, start: Callable[[], Started]) -> ports.Answer:
        """The answer before once more; whether this start was carried out or refused, who knows."""
        assert self.answered is not None
        world = self.asking.world
        if world.random.random() < 0.3:
            start()
        world.note(f"{self.asking.process.name} hears the answer before again for {run.id}")
        await self.asking.step("trigger answered", 0.0, 0.2)
        return ports.TriggeredAnswer(instance=self.answered.instance)

    async def _lost(self, run: Run, start: Callable[[], Started]) -> ports.Answer:
        """The client hears nothing; the service started it, will start it, or never does."""
        world, process = self.asking.world, self.asking.process
        world.lost.append(run.id)
        left = world.environment.gateway.timeout / 2
        when = world.random.choice(["now", "late", "never"])
        world.note(f"{process.name} hears nothing of {run.id} ({when})")
        if when == "now":
            start()
        elif when == "late":
            world.later(world.random.random() * left, start)
        await asyncio.sleep(world.random.random() * left)
        process.alive("unanswered")
        return ports.UnknownAnswer(seen="no answer")
