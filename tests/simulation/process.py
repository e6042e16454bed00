"""One applier in the world: the ports that it sees, and its own bad luck."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.apply import ports
from reconciler.errors import GatewayError, GitError
from reconciler.ledger import Event, Ledger, events
from reconciler.model import Declared, EpochMs, InstanceId, Run
from tests.simulation.clock import MINUTE_MS
from tests.simulation.instances import Started
from tests.simulation.promise import ViolationError
from tests.simulation.world import Commit, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class CrashedError(BaseException):
    """The process is gone: no exception handler of its own can still do anything."""


@dataclass(slots=True, eq=False)
class Process:
    """One applier: its own clock, its own bad luck. The ports that it sees are these methods."""

    world: World
    name: str
    rate: float = 1.0  # of its clock against the true time
    wall_offset: int = 0  # ms, of its idea of the time
    dead: bool = False
    claims: frozenset[str] = frozenset()  # that it has pushed, whatever became of them
    seen: Ledger = field(default_factory=lambda: Ledger.of([]))  # the branch's, as last read
    told_locked: set[int] = field(default_factory=set)  # flows

    # Clock

    def elapsed(self) -> float:
        return 1000.0 + self.world.now * self.rate

    def wall(self) -> EpochMs:
        return EpochMs(self.world.service_time() + self.wall_offset)

    # What may happen at any step

    async def step(self, what: str, low: float = 0.01, high: float = 0.5) -> None:
        """Take some time, in which everybody else goes on; perhaps die before or after."""
        self.alive(what)
        world = self.world
        seconds = low + world.random.random() * (high - low)
        if world.chance(world.chances.slow):
            seconds *= 20
        await asyncio.sleep(seconds)
        self.alive(what)
        world.others()

    def alive(self, what: str) -> None:
        """Die here, if the seed says so; a dead process does nothing any more."""
        if not self.dead and self.world.chance(self.world.chances.crash):
            self.dead = True
            self.world.note(f"{self.name} CRASHES at {what}")
        if self.dead:
            raise CrashedError(what)

    # Store

    async def fetch(self) -> ports.Snapshot:
        await self.step("fetch")
        if self.world.chance(self.world.chances.fetch_fails):
            raise GitError("the remote cannot be reached")
        return self._snapshot(self.world.tip)

    def _snapshot(self, commit: Commit) -> ports.Snapshot:
        self.seen = commit.ledger
        return _Snapshot(
            commit=str(commit.number),
            environment=self.world.environment,
            declared=Declared(runs=commit.runs, problems=(), files=()),
            ledger=commit.ledger,
            base=commit,
        )

    async def append(
        self, base: ports.Snapshot, new: Sequence[Event], message: str
    ) -> ports.Appended:
        assert isinstance(base, _Snapshot)
        assert "[skip ci]" in message
        new = list(events_again(new))
        await self.step("push")
        world = self.world
        self._check_preflight(base.base, new)
        if world.chance(world.chances.push_declined):
            return ports.Declined(message="a hook said no")
        if world.chance(world.chances.push_unclear):
            return await self._unclear(base.base, new)
        landed = world.land(base.base, new)
        world.note(f"{self.name} push {names(new)}: {'landed' if landed else 'raced'}")
        if not landed:
            self.alive("raced")
            return ports.Raced()
        commit = world.tip
        self._remember(new)
        await self.step("pushed", 0, 0.1)
        return ports.Landed(snapshot=self._snapshot(commit))

    async def _unclear(self, base: Commit, new: list[Event]) -> ports.Appended:
        """No answer comes; the push has landed, lands later, or never does."""
        world = self.world
        when = world.random.choice(["now", "late", "never"])
        world.note(f"{self.name} push {names(new)}: unclear ({when})")
        self._remember(new)
        if when == "now":
            world.land(base, new)
        elif when == "late":
            delay = world.random.random() * 30
            world.loop.call_later(delay, world.land, base, new)
        await self.step("push unanswered", 0.1, 5)
        return ports.Unclear(message="the connection broke")

    def _remember(self, new: Sequence[Event]) -> None:
        self.claims |= {event.claim for event in new if isinstance(event, events.Claim)}

    def _check_preflight(self, base: Commit, new: Sequence[Event]) -> None:
        flows = {run.id: run.flow_id for run in base.runs}
        for event in new:
            for run in event.runs if isinstance(event, events.Claim) else ():
                if flows.get(run) in self.told_locked:
                    raise ViolationError(f"{run} is claimed though its flow is known to be locked")

    # Gateway

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Process]":
        yield self

    async def current_time(self) -> EpochMs:
        await self.step("time", 0.005, 0.1)
        stamp = self.world.service_time()
        await self.step("time answered", 0.005, 0.1)
        return stamp

    async def timezone(self) -> str:
        await self.step("zone", 0.005, 0.1)
        return "GMT+8"

    async def trigger(self, run: Run, allowed: Callable[[], bool]) -> ports.Answer:
        world, chances = self.world, self.world.chances
        await self.step("trigger", 0.01, 0.7)
        if world.chance(chances.not_sent):
            return ports.NotSent(reason="connection refused")
        if not allowed():
            return ports.NotSent(reason="not allowed any more")
        # The request may be on its way for as long as one request may take.
        timeout = world.environment.gateway.timeout
        await self.step("trigger sent", 0.0, timeout / 50)
        if world.chance(chances.not_processed):
            return ports.NotProcessed(reason="429", retry_after=world.random.choice([None, 1.0]))
        if world.chance(chances.refused):
            return ports.Rejected(code=62103, message="no privilege")
        if world.chance(chances.lost_answer):
            return await self._lost(run)
        started = world.start(self.name, run, self.claims)
        await self.step("trigger answered", 0.0, 0.2)
        return ports.Triggered(instance=started.instance)

    async def _lost(self, run: Run) -> ports.Answer:
        """The client hears nothing; the service started it, will start it, or never does."""
        world = self.world
        left = world.environment.gateway.timeout / 2
        when = world.random.choice(["now", "late", "never"])
        world.note(f"{self.name} hears nothing of {run.id} ({when})")
        if when == "now":
            world.start(self.name, run, self.claims)
        elif when == "late":
            world.loop.call_later(
                world.random.random() * left, world.start, self.name, run, self.claims
            )
        await asyncio.sleep(world.random.random() * left)
        self.alive("unanswered")
        return ports.Unknown(seen="no answer")

    async def search(
        self, flow_id: int, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[ports.Instance, ...]:
        await self.step("search", 0.01, 0.5)
        found = tuple(
            self._shown(one)
            for one in self.world.known()
            if one.run.flow_id == flow_id and from_time <= one.run.trigger_time < to_time
        )
        if self.world.chance(self.world.chances.search_fails):
            raise GatewayError("the search failed")
        await self.step("searched", 0.01, 0.5)
        return found

    async def instance(self, instance: InstanceId) -> ports.Instance | None:
        await self.step("instance", 0.01, 0.5)
        return next(map(self._shown, self.world.known(instance)), None)

    async def look_up(
        self, sought: Sequence[ports.Sought], most_requests: int, turn: int = 0
    ) -> ports.LookedUp:
        """Look at one half after the other: an answer may be old when it arrives."""
        assert most_requests > 0
        await self.step("look up", 0.01, 0.3)
        world = self.world
        half, found, failure = len(sought) // 2, {}, None
        for part in (sought[:half], sought[half:]):
            if world.chance(world.chances.search_fails):
                failure = "a search failed"
                break
            for one in part:
                if world.chance(world.chances.misses):
                    failure = "not everything was looked up"
                    continue
                found[one.id] = tuple(map(self._shown, world.known(one.id)))
                self._check_sought(one)
            await self.step("looked up", 0.01, 0.3)
        return ports.LookedUp(instances=found, failure=failure)

    def _check_sought(self, sought: ports.Sought) -> None:
        """It is searched for by its time, so that time must be the one that was sent."""
        minutes = {
            one.run.trigger_time // MINUTE_MS
            for one in self.world.started
            if one.instance == sought.id
        }
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
            self.told_locked.add(flow_id)
        return ports.Flow(
            locked=locked, user_locked=None, editable=True, owners=None, tasks=1, parameters=None
        )

    async def cancel(self, instance: InstanceId) -> ports.Cancelled:
        if any(instance in one.instances and one.cancelled for one in self.seen.records.values()):
            raise ViolationError(f"{instance} is cancelled once more")
        await self.step("cancel", 0.01, 0.3)
        world = self.world
        fails = world.chance(world.chances.question_fails)
        done = (not fails or world.random.random() < 0.5) and world.cancel(self.name, instance)
        await self.step("cancelled", 0.01, 0.3)
        if fails:
            raise GatewayError("the cancellation was not answered")
        return ports.Cancelled(code=0 if done else 62111, message="" if done else "it has ended")

    def _shown(self, one: Started) -> ports.Instance:
        readable = not self.world.chance(self.world.chances.unreadable)
        return one.shown(self.world.clock.at(one.at), self.world.now, readable=readable)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot(ports.Snapshot):
    base: Commit


def events_again(new: Sequence[Event]) -> Sequence[Event]:
    """What comes out of the bytes that a push carries."""
    return list(events.decode(events.encode(new), "pushed"))


def names(new: Sequence[Event]) -> str:
    """The events in short, for a trace."""
    return ", ".join(map(_name, new))


def _name(event: Event) -> str:
    if isinstance(event, events.Claim):
        return f"Claim {list(event.runs)}"
    of = f" {event.status}" if isinstance(event, events.Observed) else ""
    return f"{type(event).__name__}{of} {event.run}"
