"""One applier in one clone: the product's own store, protocol and git layer, and its bad luck."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.apply import ports
from reconciler.apply.adopt import Adopting, Adoption
from reconciler.apply.lease import ServiceClock
from reconciler.apply.protocol import apply
from reconciler.apply.resolve import ask_nobody, record_proposal
from reconciler.apply.result import ApplyResult
from reconciler.configuration import CONFIGURATION, Environment, parse_configuration
from reconciler.errors import GatewayError
from reconciler.git import Git
from reconciler.model import EpochMs, InstanceId, Nonce, Run, RunId, Source
from reconciler.repository.store import GitStore
from tests.simulation.estate.clone import Clone
from tests.simulation.estate.layout import true_service
from tests.simulation.estate.world import LIFE_SECONDS, Instance, World
from tests.simulation.process import CrashedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLONES = Path("/clones")


@dataclass(slots=True, kw_only=True, eq=False)
class Applier:
    """A process. `clock` and gateway are its own methods; git runs in its clone."""

    world: World
    name: str
    clone: Clone
    change: Callable[[World], None]  # what others may do at each of its steps
    dead: bool = False
    thaws: float = 0.0  # the loop's time until which it is frozen
    said: list[str] = field(default_factory=list)  # of its progress, in words
    nonces: list[Nonce] = field(default_factory=list)  # of its claims, the newest last
    pushed: list[str] = field(default_factory=list)  # commits

    def elapsed(self) -> float:
        return 1_000.0 + self.world.now

    def wall(self) -> EpochMs:
        return self.world.service_time()

    async def live(self, environment: str, commit: str) -> ApplyResult:
        """Apply the environment, as the checkout of that commit says. Raises what apply raises."""
        store = self._store(environment, commit)
        result = await apply(
            ports.Ports(
                store=store,
                open_gateway=self._gateway,
                clock=self,
                progress=self._progress,
                stop=asyncio.Event(),
                new_claim=self._nonce,
                jitter=self.world.random.random,
                rescue=lambda _: "a file",
            ),
            ports.Options(by=self.name),
        )
        self.world.note(f"{self.name} keeps a trace: {await self.aside(store.keep)}")
        return result

    def _store(self, environment: str, commit: str) -> GitStore:
        content = self.world.objects.files(commit)[CONFIGURATION]
        local = parse_configuration(Source(path=CONFIGURATION, content=content))
        git = Git(root=CLONES / self.clone.name, prefix="")
        return GitStore(git, local, environment, now=self.wall(), aside=self.aside)

    async def adopt(self, environment: str, commit: str, name: str, one: Instance) -> bool:
        """Say of a run that it was started by hand. Raises what `resolve` raises."""
        store = self._store(environment, commit)
        adoption = Adoption(by=self.name, reason="the pipeline was down")
        adopting = Adopting(adoption, {RunId(name): one.id}, self._nonce)
        snapshot = await store.fetch()
        async with self._gateway(snapshot.environment) as gateway:
            service = await ServiceClock.ask(gateway, self)
            await record_proposal(adopting, snapshot, store, gateway, service, ask_nobody)
        return True

    def _progress(self, step: ports.Step) -> None:
        self.world.note(f"{self.name}: {step}")
        if isinstance(step, ports.Noted):
            self.said.append(step.message)

    def _nonce(self) -> Nonce:
        nonce = Nonce(f"{self.world.random.getrandbits(64):016x}")
        self.nonces.append(nonce)
        return nonce

    async def aside(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self.world.aside.run(self, function, *args)

    def pause(self, what: str, seconds: float) -> None:
        """In a thread of its own: let time pass, in which others go on; perhaps freeze or die."""
        self.alive(what)
        self.world.aside.wait(seconds)
        self._freeze(what, self.world.freezes.anywhere)
        while self.thaws > self.world.now:  # others of its tasks may freeze it again meanwhile
            self.world.aside.wait(self.thaws - self.world.now)
        self.alive(what)
        self.change(self.world)

    async def step(self, what: str, seconds: float, *, thaws: bool = True) -> None:
        """The same for a task. `thaws`: what comes then is the process's own to do."""
        self.alive(what)
        await asyncio.sleep(seconds * self.world.random.random())
        if thaws:
            self._freeze(what, self.world.freezes.anywhere)
            await self._thaw()
        self.alive(what)
        self.change(self.world)

    async def freeze_in_the_gap(self) -> bool:
        """Perhaps freeze between the last look at the claim and the moment when the bytes leave."""
        frozen = self._freeze("a start that leaves", self.world.freezes.in_the_gap)
        await self._thaw()
        if self.dead:
            raise CrashedError("a start that leaves")
        return frozen

    def _freeze(self, what: str, probability: float) -> bool:
        """Have none of its tasks and threads do anything for a while, if the seed says so."""
        world, chance = self.world, self.world.freezes.random
        if world.is_calm or self.dead or chance.random() >= probability:
            return False
        seconds = chance.uniform(0, 4) * world.layout.claim_seconds
        self.thaws = max(self.thaws, world.now + seconds)
        world.drawn.add("frozen processes")
        world.note(f"{self.name} is FROZEN at {what} for {seconds:.1f} s")
        return True

    async def _thaw(self) -> None:
        if self.thaws > self.world.now:
            await asyncio.sleep(self.thaws - self.world.now)
            await self._thaw()  # another of its tasks may have frozen it meanwhile

    def alive(self, what: str) -> None:
        if not self.dead and self.world.chance(self.world.crash):
            self.dead = True
            self.world.note(f"{self.name} CRASHES at {what}")
        if self.dead:
            raise CrashedError(what)

    @asynccontextmanager
    async def _gateway(self, environment: Environment) -> "AsyncIterator[ports.Gateway]":
        gateway = environment.gateway
        yield Gateway(applier=self, service=true_service(gateway.org_id, gateway.url))


@dataclass(slots=True, kw_only=True, eq=False)
class Gateway:
    """A service that is kind, but for answers that are lost."""

    applier: Applier
    service: str

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[ports.Connection]":
        yield self

    async def start(self, run: Run, allowed: Callable[[], bool]) -> ports.Answer:
        applier, world = self.applier, self.applier.world
        await applier.step("trigger", 0.4)
        if not allowed():
            return ports.NotSent(reason="not allowed any more")
        frozen = await applier.freeze_in_the_gap()
        allowed()  # it is asked once more when the bytes have left, and learns how late that was
        await applier.step("trigger sent", 0.1, thaws=False)
        start = partial(world.start, applier.name, self.service, run, applier.nonces, frozen=frozen)
        if not world.chance(world.lost_answer):
            started = start()
            await applier.step("trigger answered", 0.2)
            return ports.TriggeredAnswer(instance=started.id)
        if world.chance(0.5):
            start()
        await applier.step("trigger lost", 5.0)
        return ports.UnknownAnswer(seen="nothing")

    async def current_time(self) -> EpochMs:
        await self.applier.step("time", 0.1)
        return self.applier.world.service_time()

    async def timezone(self) -> str:
        return "GMT+8"

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[ports.Instance, ...]:
        await self.applier.step("search", 0.3)
        if self.applier.world.chance(self.applier.world.lost_answer / 4):
            raise GatewayError("the search failed")
        return tuple(
            self._shown(one)
            for one in self._instances()
            if flow_id in {None, one.run.flow_id} and from_time <= one.run.trigger_time < to_time
        )

    async def instance(self, instance: InstanceId) -> ports.Instance | None:
        await self.applier.step("instance", 0.3)
        return next((self._shown(one) for one in self._instances() if one.id == instance), None)

    async def observe_instances(
        self, sought: Sequence[ports.StartedInstance], most_requests: int, turn: int = 0
    ) -> ports.ObservedInstances:
        assert most_requests > 0
        assert turn >= 0
        await self.applier.step("look up", 0.3)
        found = {
            wanted.id: tuple(self._shown(one) for one in self._instances() if one.id == wanted.id)
            for wanted in sought
        }
        return ports.ObservedInstances(instances=found, whole=frozenset(found))

    async def flow(self, flow_id: int) -> ports.Flow | None:
        raise AssertionError(f"nobody has asked about flow {flow_id}")

    async def cancel(self, instance: InstanceId) -> ports.CancelAnswer:
        raise AssertionError(f"nobody has called {instance} off")

    def _instances(self) -> list[Instance]:
        world = self.applier.world
        every = (*world.by_hand, *world.overdue, *world.instances)
        return [one for one in every if one.service == self.service]

    def _shown(self, one: Instance) -> ports.Instance:
        world = self.applier.world
        created = EpochMs(world.service_time() - int((world.now - one.at) * 1000))
        return ports.Instance(
            id=one.id,
            flow_id=one.run.flow_id,
            trigger_time=one.run.trigger_time,
            created=created,
            created_latest=created,
            parameters=one.run.parameters,
            status=2 if world.now < one.at + LIFE_SECONDS else 1,
        )
