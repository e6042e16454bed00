"""One seed: some appliers, a world full of trouble, and in the end peace and an account."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.apply.ports import Gateway, Options, Ports
from reconciler.apply.protocol import apply
from reconciler.apply.result import ApplyResult, exit_code
from reconciler.configuration import Environment, GatewayConfiguration, Limits
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.ledger import Event, RunState
from reconciler.model import ClaimId, EpochMs, Place, Run, run_digest
from reconciler.times import parse_zone
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import (
    CALM,
    START,
    Chances,
    CrashedError,
    Process,
    ViolationError,
    World,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLAIM_SECONDS, TIMEOUT_SECONDS, SETTLE_SECONDS = 20.0, 4.0, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one seed came to."""

    seed: int
    started: int
    in_doubt: int
    crashes: int
    trace: Sequence[str]


class BrokenPromiseError(Exception):
    """A seed that broke the promise, with everything needed to see how."""

    def __init__(self, seed: int, error: BaseException, trace: list[str]) -> None:
        tail = "\n".join(trace)
        super().__init__(f"seed {seed}: {error!r}\n{tail}")
        self.seed = seed
        self.error = error


def simulate(seed: int, chances: Chances | None = None) -> Account:
    """Live through one seed. Raises BrokenPromiseError if anything happened that must not."""
    rng = random.Random(seed)
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)
    world = World(
        loop=loop,
        random=rng,
        environment=_environment(rng),
        runs=_runs(rng),
        chances=chances or _chances(rng),
        drift=rng.uniform(-1e-3, 1e-3),
    )
    life = _Life(world)
    try:
        loop.run_until_complete(life.live())
        return life.account(seed)
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


def _runs(rng: random.Random) -> tuple[Run, ...]:
    runs = []
    for index in range(rng.randint(1, 5)):
        flow = rng.randint(1, 3)
        # Most lie in the past; some fall due while the appliers are at work, or long after.
        ahead = rng.choice([-90_000, -90_000, -90_000, 15_000, 90_000_000])
        trigger_time = EpochMs((START // 60_000 + ahead // 1000 + index) * 60_000 + 7_300)
        if ahead == 15_000:
            trigger_time = EpochMs(START + 15_000 + index * 60_000)
        parameters = (("SITE", f"cn-{index}"),)
        runs.append(
            Run(
                name=f"run-{index}",
                revision=1,
                flow_id=flow,
                trigger_time=trigger_time,
                parameters=parameters,
                digest=run_digest(flow, trigger_time, parameters),
                place=Place(file=f"triggers/{index}.yaml"),
                places={},
            )
        )
    return tuple(runs)


class _Life:
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
        self.world.chances = CALM
        # Peace: the trouble is over, every manifest is back, and an apply is run until it has
        # nothing left. What waits for its trigger time is given the time.
        tip = self.world.tip
        self.world.tip = replace(tip, number=tip.number + 1, runs=self.world.runs)
        for _ in range(4):
            await self._apply()
        self._check_end()

    async def _pipeline(self, delay: float, applies: int) -> None:
        await asyncio.sleep(delay)
        for _ in range(applies):
            await self._apply()
            await asyncio.sleep(self.world.random.random() * 5)

    async def _apply(self) -> None:
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
            result = await apply(ports, Options(by=process.name))
        except ReconcilerError as error:
            self.world.note(f"{process.name} ends: {error}")
        except BaseException as error:
            if not process.dead or not _is_crash(error):
                raise
            self.crashes += 1
        else:
            self.world.note(f"{process.name} ends with {exit_code(result)!r}")
            self.results.append(result)

    def _rescue(self, kept: Sequence[Event]) -> str:
        self.rescued += kept
        return "a file"

    def _check_end(self) -> None:
        world = self.world
        started = {one.run.id: one for one in world.started}
        for run in world.runs:
            record = world.tip.ledger.records.get(run.id)
            state = record.state(world.service_time()) if record else RunState.PENDING
            if state is RunState.TRIGGERED and run.id not in started:
                raise ViolationError(f"{run.id} is recorded as started and was not")
            patience = int((CLAIM_SECONDS + SETTLE_SECONDS) * 1000)
            if state is RunState.IN_DOUBT and run.trigger_time > world.service_time() - patience:
                continue  # nobody can tell before its time has come
            if state is not RunState.TRIGGERED:
                raise ViolationError(f"in peace, {run.id} is still {state}")
        last = self.results[-1]
        expected = ExitCode.IN_DOUBT if self.in_doubt() else ExitCode.OK
        if exit_code(last) is not expected:
            raise ViolationError(f"the last apply ends with {exit_code(last)!r}, not {expected!r}")

    def in_doubt(self) -> int:
        now, records = self.world.service_time(), self.world.tip.ledger.records.values()
        return sum(record.state(now) is RunState.IN_DOUBT for record in records)

    def account(self, seed: int) -> Account:
        return Account(
            seed=seed,
            started=len(self.world.started),
            in_doubt=self.in_doubt(),
            crashes=self.crashes,
            trace=self.world.trace,
        )


@asynccontextmanager
async def _opened(process: Process) -> "AsyncIterator[Gateway]":
    yield process


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_crash(one) for one in error.exceptions)
    return isinstance(error, CrashedError | asyncio.CancelledError)
