"""One seed: some appliers, a world full of trouble, and in the end peace and an account."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.apply.branch import Branch
from reconciler.apply.ports import Gateway, Options, Ports
from reconciler.apply.protocol import apply
from reconciler.apply.refresh import refresh
from reconciler.apply.result import ApplyResult, exit_code
from reconciler.configuration import Environment, GatewayConfiguration, Limits
from reconciler.errors import ReconcilerError, RefusedError
from reconciler.ledger import Event
from reconciler.model import ClaimId
from reconciler.resolve import recover
from reconciler.times import parse_zone
from tests.simulation.clock import ServiceTime
from tests.simulation.declaring import declared_runs
from tests.simulation.loop import VirtualLoop
from tests.simulation.peace import Account, account_of, check_end, check_waited, expected_exit
from tests.simulation.process import CrashedError, Process, names
from tests.simulation.promise import ViolationError
from tests.simulation.world import CALM, LONGEST_LIFE_SECONDS, Chances, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLAIM_SECONDS, TIMEOUT_SECONDS, SETTLE_SECONDS = 20.0, 4.0, 3.0
ENOUGH_SECONDS = 30.0  # of waiting, where it need not have an end
MOST_APPLIES = 30  # in peace, until nothing happens any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one seed came to, and how."""

    account: Account
    trace: Sequence[str]


class BrokenPromiseError(Exception):
    """A seed that broke the promise, with everything needed to see how."""

    def __init__(self, seed: int, error: BaseException, trace: list[str]) -> None:
        tail = "\n".join(trace)
        super().__init__(f"seed {seed}: {error!r}\n{tail}")
        self.seed = seed
        self.error = error


def simulate(seed: int, chances: Chances | None = None) -> Life:
    """Live through one seed. Raises BrokenPromiseError if anything happened that must not."""
    rng = random.Random(seed)
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)
    world = World(
        loop=loop,
        random=rng,
        environment=_environment(rng),
        runs=declared_runs(rng),
        chances=chances or _chances(rng),
        clock=ServiceTime(drift=rng.uniform(-1e-3, 1e-3)),
        ids_carry_minutes_only=rng.random() < 0.15,
    )
    appliers = _Appliers(world)
    try:
        loop.run_until_complete(appliers.live())
        return Life(account=account_of(world, appliers.crashes), trace=world.trace)
    except Exception as error:
        raise BrokenPromiseError(seed, error, world.trace) from error
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _environment(rng: random.Random) -> Environment:
    return Environment(
        name="simulated",
        manifests="triggers",
        state="state/simulated",
        gateway=GatewayConfiguration(
            url="http://127.0.0.1:9",
            org_id="o1",
            user_id="u1",
            timezone="GMT+8",
            zone=parse_zone("GMT+8"),
            timeout=TIMEOUT_SECONDS,
            settle=SETTLE_SECONDS,
        ),
        limits=Limits(concurrency=rng.randint(1, 4), claim_seconds=CLAIM_SECONDS),
    )


def _chances(rng: random.Random) -> Chances:
    """Some worlds have one kind of trouble only, some all of it, some a great deal."""
    factor = rng.choice([0.3, 1.0, 1.0, 2.5])
    crash = rng.choice([0.0, 0.01, 0.03])
    chances = Chances()
    scaled = {
        name: min(getattr(chances, name) * factor * rng.choice([0, 1, 1, 2]), 0.9)
        for name in chances.__slots__
        if name != "crash"
    }
    return replace(chances, crash=crash, **scaled)


class _Appliers:
    """The appliers' lives, and the peace after them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.processes = 0
        self.crashes = 0
        self.rescued: list[Event] = []
        self.results: list[ApplyResult] = []

    async def live(self) -> None:
        rng = self.world.random
        async with asyncio.TaskGroup() as group:
            for _ in range(rng.randint(1, 4)):
                group.create_task(self._pipeline(rng.random() * 10, rng.randint(1, 3)))
        await asyncio.sleep(rng.random() * CLAIM_SECONDS)
        await self._peace()

    async def _pipeline(self, delay: float, applies: int) -> None:
        rng = self.world.random
        await asyncio.sleep(delay)
        for _ in range(applies):
            if rng.random() < 0.15:
                await self._live_through(self._refresh)
            if self.rescued:
                await self._live_through(self._recover)
            wait, preflight = rng.random() < 0.4, rng.random() < 0.3
            bounded = rng.random() < 0.5 or self._may_not_end()
            options = Options(
                by="somebody",
                preflight=preflight,
                wait=wait,
                wait_seconds=rng.random() * 60 if bounded else None,
            )
            await self._apply(options)
            await asyncio.sleep(rng.random() * 5)

    async def _peace(self) -> None:
        """The trouble is over, every manifest is back, and applies go on until nothing is left.

        What waits for its trigger time is given the time, unless that is years.
        """
        world, patience = self.world, CLAIM_SECONDS + SETTLE_SECONDS
        world.chances = CALM
        world.restore()
        bounded = self._may_not_end()
        began = world.now
        await self._apply(
            Options(by="peace", wait=True, wait_seconds=ENOUGH_SECONDS if bounded else None)
        )
        if not bounded:  # one apply that waits does it all
            check_end(world, began, patience)
            check_waited(world, began)
        for _ in range(MOST_APPLIES):
            await asyncio.sleep(LONGEST_LIFE_SECONDS)
            began, length = world.now, world.tip.ledger.length
            await self._apply(Options(by="peace"))
            if world.tip.ledger.length == length:
                break
        else:
            raise ViolationError("in peace, there is no end to it")
        check_end(world, began, patience)
        if exit_code(self.results[-1]) is not expected_exit(world):
            raise ViolationError(f"the last apply ends with {exit_code(self.results[-1])!r}")

    def _may_not_end(self) -> bool:
        """Whether to wait for the end of everything could take for ever."""
        soon = self.world.service_time() + int(ENOUGH_SECONDS * 1000)
        ahead = any(run.trigger_time > soon for run in self.world.runs)
        return ahead or self.world.ids_carry_minutes_only

    async def _apply(self, options: Options) -> None:
        async def one(ports: Ports, name: str) -> None:
            result = await apply(ports, replace(options, by=name))
            self.world.note(f"{name} ends with {exit_code(result)!r}")
            self.results.append(result)

        await self._live_through(one)

    async def _refresh(self, ports: Ports, name: str) -> None:
        await refresh(ports, lambda _: True, again=self.world.random.random() < 0.5)
        self.world.note(f"{name} has looked")

    async def _recover(self, ports: Ports, name: str) -> None:
        """Feed back what could not be pushed; perhaps in vain, perhaps more than once."""
        lost = list(self.rescued)
        try:
            await recover(lost, await Branch.open(ports))
        except RefusedError as error:
            raise ViolationError(f"rescued events are refused: {error}") from error
        self.rescued = self.rescued[len(lost) :]
        self.world.note(f"{name} has fed back {names(lost)}")

    async def _live_through(self, work: Callable[[Ports, str], Awaitable[None]]) -> None:
        """One process of an own, which may be interrupted, refused, or crash."""
        rng = self.world.random
        self.processes += 1
        process = Process(
            world=self.world,
            name=f"p{self.processes}",
            rate=rng.uniform(0.999, 1.001),
            wall_offset=rng.choice([0, 0, 7_200_000, -7_200_000]),
        )
        stop = asyncio.Event()
        ports = Ports(
            store=process,
            open_gateway=lambda _: _opened(process),
            clock=process,
            progress=lambda _: None,
            stop=stop,
            new_claim=lambda: ClaimId(f"{rng.getrandbits(64):016x}"),
            jitter=rng.random,
            rescue=self._rescue,
        )
        if self.world.chances is not CALM and rng.random() < 0.1:
            asyncio.get_running_loop().call_later(rng.random() * 10, stop.set)
        try:
            await work(ports, process.name)
        except ReconcilerError as error:
            self.world.note(f"{process.name} ends: {error}")
        except BaseException as error:
            if not process.dead or not _is_crash(error):
                raise
            self.crashes += 1

    def _rescue(self, kept: Sequence[Event]) -> str:
        self.rescued += kept
        return "a file"


@asynccontextmanager
async def _opened(process: Process) -> "AsyncIterator[Gateway]":
    yield process


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_crash(one) for one in error.exceptions)
    return isinstance(error, CrashedError | asyncio.CancelledError)
