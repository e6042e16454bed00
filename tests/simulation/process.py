"""One applier in the world: its clock, the branch as it sees it, and its own bad luck."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.apply import ports
from reconciler.errors import GitError
from reconciler.ledger import Event, Ledger, events
from reconciler.ledger.lines import decode_events, encode_events
from reconciler.model import Declared, EpochMs, Run
from tests.simulation.chances import CALM
from tests.simulation.promise import ViolationError
from tests.simulation.remembering import Remembered
from tests.simulation.world import Commit, World


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
    named: tuple[str, ...] = ()  # what it was called for; nothing: everything
    thaws: float = 0.0  # the loop's time until which it is frozen
    remembered: Remembered | None = None  # falsely, of a manifest

    # Clock

    def elapsed(self) -> float:
        return 1000.0 + self.world.now * self.rate

    def wall(self) -> EpochMs:
        return EpochMs(self.world.service_time() + self.wall_offset)

    # What may happen at any step

    async def step(
        self, what: str, low: float = 0.01, high: float = 0.5, *, thaws: bool = True
    ) -> None:
        """Take some time, in which everybody else goes on; perhaps die before or after.

        `thaws`: what comes then is the process's own to do, so it waits while that is frozen.
        """
        self.alive(what)
        world = self.world
        seconds = low + world.random.random() * (high - low)
        if world.chance(world.chances.slow):
            seconds *= 20
        await asyncio.sleep(seconds)
        if thaws:
            self._freeze(what, world.freezes.anywhere)
            await self._thaw()
        self.alive(what)
        world.others()

    async def freeze_in_the_gap(self) -> bool:
        """Perhaps freeze between the last look at the claim and the moment when the bytes leave."""
        frozen = self._freeze("a start that leaves", self.world.freezes.in_the_gap)
        await self._thaw()
        if self.dead:
            raise CrashedError("a start that leaves")
        return frozen

    def _freeze(self, what: str, probability: float) -> bool:
        """Have none of its tasks do anything for a while, if the seed says so."""
        world = self.world
        freezes = world.freezes
        if world.chances is CALM or self.dead or freezes.random.random() >= probability:
            return False
        seconds = freezes.random.uniform(0, 4) * world.environment.limits.claim_seconds
        self.thaws = max(self.thaws, world.now + seconds)
        world.note(f"{self.name} is FROZEN at {what} for {seconds:.1f} s")
        return True

    async def _thaw(self) -> None:
        if self.thaws > self.world.now:
            await asyncio.sleep(self.thaws - self.world.now)
            await self._thaw()  # another of its tasks may have frozen it meanwhile

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
        runs = commit.runs if self.remembered is None else self.remembered.told(commit.runs)
        return _Snapshot(
            commit=str(commit.number),
            environment=commit.environment,
            declared=Declared(runs=runs, problems=(), files=()),
            ledger=commit.ledger,
            base=commit,
        )

    async def confirm(self, base: ports.Snapshot, runs: Sequence[Run]) -> bool:
        assert isinstance(base, _Snapshot)
        if self.remembered is None or self.remembered.is_so(runs, base.base.runs):
            return True
        self.world.note(f"{self.name} finds that its cache lies of {self.remembered.manifest}")
        self.remembered = None
        return False

    async def append(
        self, base: ports.Snapshot, new: Sequence[Event], message: str
    ) -> ports.Appended:
        assert isinstance(base, _Snapshot)
        assert "[skip ci]" in message
        new = list(events_again(new))
        await self.step("push")
        world = self.world
        self._check_preflight(base.base, new)
        self._check_named(new)
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
            world.later(delay, lambda: world.land(base, new))
        await self.step("push unanswered", 0.1, 5)
        return ports.Unclear(message="the connection broke")

    def _remember(self, new: Sequence[Event]) -> None:
        self.claims |= {event.claim for event in new if isinstance(event, events.Claim)}

    def _check_named(self, new: Sequence[Event]) -> None:
        for event in new:
            runs = event.runs if isinstance(event, events.Claim) else ()
            cancelled = [event.run] if isinstance(event, events.Cancelled) else []
            if self.named and not all(run.startswith(self.named) for run in (*runs, *cancelled)):
                raise ViolationError(
                    f"called for {self.named}, {self.name} pushed {names([event])}"
                )

    def _check_preflight(self, base: Commit, new: Sequence[Event]) -> None:
        flows = {run.id: run.flow_id for run in base.runs}
        for event in new:
            for run in event.runs if isinstance(event, events.Claim) else ():
                if flows.get(run) in self.told_locked:
                    raise ViolationError(f"{run} is claimed though its flow is known to be locked")


class _Snapshot(ports.Snapshot, frozen=True, kw_only=True):
    base: Commit


def events_again(new: Sequence[Event]) -> Sequence[Event]:
    """What comes out of the bytes that a push carries."""
    return list(decode_events(encode_events(new), "pushed"))


def names(new: Sequence[Event]) -> str:
    """The events in short, for a trace."""
    return ", ".join(map(_name, new))


def _name(event: Event) -> str:
    if isinstance(event, events.Claim):
        return f"Claim {list(event.runs)}"
    of = f" {event.status}" if isinstance(event, events.Observed) else ""
    return f"{type(event).__name__}{of} {event.run}"
