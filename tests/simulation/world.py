"""Git remote and gateway as one model, and everything that can go wrong with them.

A seed chooses how long each step takes, who crashes where, which answers are lost, late or wrong,
and what others do to the branch meanwhile. The appliers that live in this world run the product's
own code. After every effect the world checks what must always hold.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.apply import ports
from reconciler.configuration import Environment
from reconciler.errors import GatewayError, GitError
from reconciler.ledger import Event, Ledger, events
from reconciler.model import Declared, EpochMs, InstanceId, Run
from tests.simulation.loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = 1_700_000_000_000  # the gateway's clock when the world begins


class CrashedError(BaseException):
    """The process is gone: no exception handler of its own can still do anything."""


class ViolationError(Exception):
    """Something happened that must never happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How often what goes wrong, each as a probability of one occasion."""

    crash: float = 0.02
    slow: float = 0.05
    lost_answer: float = 0.1
    refused: float = 0.1
    not_sent: float = 0.1
    not_processed: float = 0.1
    search_fails: float = 0.1
    push_unclear: float = 0.1
    push_declined: float = 0.03
    fetch_fails: float = 0.03
    others_commit: float = 0.1
    by_hand: float = 0.2  # that somebody has started a run by hand before it was declared
    withdrawn: float = 0.3  # of those commits: take a run's manifest away, or bring it back


CALM = Chances(
    crash=0,
    slow=0,
    lost_answer=0,
    refused=0,
    not_sent=0,
    not_processed=0,
    search_fails=0,
    push_unclear=0,
    push_declined=0,
    fetch_fails=0,
    others_commit=0,
)


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of the shared branch."""

    number: int
    runs: tuple[Run, ...]
    ledger: Ledger


@dataclass(slots=True)
class Started:
    """An instance that the gateway has made."""

    run: Run
    instance: InstanceId
    at: float  # the loop's time
    listed: float  # from when on a search shows it


@dataclass(slots=True, eq=False)
class World:
    """Everything outside the appliers."""

    loop: VirtualLoop
    random: random.Random
    environment: Environment
    runs: tuple[Run, ...]
    chances: Chances
    drift: float = 0.0  # of the gateway's clock against the true time
    tip: Commit = field(init=False)
    started: list[Started] = field(default_factory=list)
    by_hand: list[Started] = field(default_factory=list)  # instances of before, just like a run's
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tip = Commit(0, self.runs, Ledger.of([]))
        for number, run in enumerate(self.runs):
            if self.chance(self.chances.by_hand):
                instance = InstanceId(f"by-hand-{number}")
                self.by_hand.append(Started(run=run, instance=instance, at=-3600, listed=-3600))

    def service_time(self) -> EpochMs:
        return EpochMs(START + int(self.loop.time() * (1 + self.drift) * 1000))

    def note(self, text: str) -> None:
        self.trace.append(f"{self.loop.time():10.3f} {text}")

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    def others(self) -> None:
        """Somebody else may push to the branch: the tip moves, perhaps the manifests change."""
        if not self.chance(self.chances.others_commit):
            return
        runs = self.tip.runs
        if self.chance(self.chances.withdrawn):
            run = self.random.choice(self.runs)
            here = any(one.id == run.id for one in runs)
            runs = tuple(one for one in runs if one.id != run.id) if here else (*runs, run)
            self.note(f"others {'withdraw' if here else 'declare'} {run.id}")
        self.tip = Commit(self.tip.number + 1, runs, self.tip.ledger)

    def land(self, base: Commit, new: Sequence[Event], runs: tuple[Run, ...]) -> bool:
        """Compare and swap."""
        if self.tip.number != base.number:
            return False
        for event in new:
            self._check_recorded(event)
        ledger = base.ledger.extended(new)
        for run, before in base.ledger.records.items():
            if set(before.instances) - set(ledger.records[run].instances):
                raise ViolationError(f"the ledger lost an instance of {run}")
        self.tip = Commit(base.number + 1, runs, ledger)
        return True

    def start(self, applier: str, run: Run, claims: frozenset[str]) -> Started:
        """Make an instance: the effect that must happen once."""
        self.note(f"{applier} STARTS {run.id}")
        record = self.tip.ledger.records.get(run.id)
        if record is None or record.claim not in claims:
            raise ViolationError(f"{applier} started {run.id} without a claim on the branch")
        if self.service_time() >= record.until:
            raise ViolationError(f"{applier} started {run.id} after its claim had expired")
        if any(one.run.id == run.id for one in self.started):
            raise ViolationError(f"{run.id} was started twice")
        settle = self.environment.gateway.settle
        started = Started(
            run=run,
            instance=InstanceId(f"{run.flow_id}-{len(self.started)}"),
            at=self.loop.time(),
            listed=self.loop.time() + self.random.random() * settle * 0.99,
        )
        self.started.append(started)
        return started

    def _check_recorded(self, event: Event) -> None:
        if isinstance(event, events.Triggered):
            known = {(one.run.id, one.instance) for one in self.started}
            if (event.run, event.flow_instance_id) not in known:
                raise ViolationError(f"{event.run} is recorded as started and was not")


@dataclass(slots=True, eq=False)
class Process:
    """One applier: its own clock, its own bad luck. The ports that it sees are these methods."""

    world: World
    name: str
    rate: float = 1.0  # of its clock against the true time
    wall_offset: int = 0  # ms, of its idea of the time
    dead: bool = False
    claims: frozenset[str] = frozenset()  # that it has pushed, whatever became of them

    # Clock

    def elapsed(self) -> float:
        return 1000.0 + self.world.loop.time() * self.rate

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
        if world.chance(world.chances.push_declined):
            return ports.Declined(message="a hook said no")
        if world.chance(world.chances.push_unclear):
            return await self._unclear(base.base, new)
        landed = world.land(base.base, new, base.base.runs)
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
            world.land(base, new, base.runs)
        elif when == "late":
            delay = world.random.random() * 30
            world.loop.call_later(delay, world.land, base, new, base.runs)
        await self.step("push unanswered", 0.1, 5)
        return ports.Unclear(message="the connection broke")

    def _remember(self, new: Sequence[Event]) -> None:
        self.claims |= {event.claim for event in new if isinstance(event, events.Claim)}

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
        world = self.world

        found = tuple(
            self._shown(one)
            for one in (*world.by_hand, *world.started)
            if one.run.flow_id == flow_id
            and from_time <= one.run.trigger_time < to_time
            and one.listed <= world.loop.time()
            # A waiting instance need not be listed.
            and one.run.trigger_time <= world.service_time()
        )
        if world.chance(world.chances.search_fails):
            raise GatewayError("the search failed")
        await self.step("searched", 0.01, 0.5)
        return found

    async def instance(self, instance: InstanceId) -> ports.Instance | None:
        await self.step("instance", 0.01, 0.5)
        known = {one.instance: one for one in (*self.world.by_hand, *self.world.started)}
        return self._shown(known[instance]) if instance in known else None

    def _shown(self, one: Started) -> ports.Instance:
        made = EpochMs((START + int(one.at * (1 + self.world.drift) * 1000)) // 1000 * 1000)
        return ports.Instance(
            id=one.instance,
            flow_id=one.run.flow_id,
            trigger_time=EpochMs(one.run.trigger_time // 1000 * 1000),
            created=made,
            created_latest=made,
            parameters=one.run.parameters,
            status=2,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot(ports.Snapshot):
    base: Commit


def events_again(new: Sequence[Event]) -> Sequence[Event]:
    """What comes out of the bytes that a push carries."""
    return list(events.decode(events.encode(new), "pushed"))


def names(new: Sequence[Event]) -> str:
    """The events in short, for a trace."""
    return ", ".join(
        f"{type(one).__name__} {list(one.runs) if isinstance(one, events.Claim) else one.run}"
        for one in new
    )
