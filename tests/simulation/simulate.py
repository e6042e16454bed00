"""One seed: some appliers, a world full of trouble, and in the end peace and an account."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import fields, replace

from reconciler.apply.adopt import Adopting, Adoption
from reconciler.apply.branch import Branch
from reconciler.apply.fitting import Fitting
from reconciler.apply.lease import ServiceClock
from reconciler.apply.ports import Gateway, Noted, Options, Ports
from reconciler.apply.protocol import apply
from reconciler.apply.refresh import refresh
from reconciler.apply.resolve import record_proposal, recover
from reconciler.apply.result import ApplyResult
from reconciler.configuration import Environment, GatewayConfiguration, Limits
from reconciler.errors import ReconcilerError, RefusedError
from reconciler.ledger import Event
from reconciler.model import Nonce
from reconciler.times import parse_zone
from tests.simulation.asking import Asking
from tests.simulation.chances import CALM, Chances, Freezes, drawn_chances, drawn_freezes
from tests.simulation.clock import ServiceTime
from tests.simulation.declaring import declared_runs, minute_of_its_own, of_many_flows
from tests.simulation.loop import VirtualLoop
from tests.simulation.oddities import (
    CORRELATION_PARAMETER,
    CUT_IN_UTC,
    FILED,
    HASHED,
    PAGES,
    USERS,
    Oddities,
    drawn_oddities,
    oddities_of,
    perhaps,
)
from tests.simulation.ordering import ordered
from tests.simulation.peace import (
    Account,
    account_of,
    check_end,
    check_exit,
    check_told,
    check_waited,
)
from tests.simulation.process import CrashedError, Process, names
from tests.simulation.promise import ViolationError
from tests.simulation.remembering import LYING, Memory
from tests.simulation.service import LONGEST_LIFE_SECONDS
from tests.simulation.truth import Truth
from tests.simulation.world import World, by_hand

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STAMP_SLACK_SECONDS = 30.0
ENOUGH_SECONDS = 30.0  # of waiting, where it need not have an end
MOST_SECONDS = 3_600.0  # of an apply that waits for what comes to an end
ORDERED = 0.5  # of the seeds say something of the order of runs, or of how many at once
SLOW = 0.2  # of the seeds have starts that take so long that appliers share them
KEEPING = 0.1  # of the seeds have something that keeps the time
MOST_KEPT_SECONDS = 3.0  # that, and what the clock is set forward by, is less than the margin
MOST_APPLIES = 30  # in peace, until nothing happens any more


class Life(Struct, frozen=True, kw_only=True):
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


def simulate(
    seed: int, *, chances: Chances | None = None, switches: Collection[str] | None = None
) -> Life:
    """Live through one seed. Raises BrokenPromiseError if anything happened that must not.

    `chances` and `switches` (of the oddities) stand in for what the seed would choose.
    """
    rng = random.Random(seed)
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)
    oddities = perhaps(FILED, random.Random(f"the filing of {seed}"), drawn_oddities(rng))
    oddities = perhaps(HASHED, random.Random(f"the hashing of {seed}"), oddities)
    oddities = perhaps(CUT_IN_UTC, random.Random(f"the cutting of {seed}"), oddities)
    pages = random.Random(f"the pages of {seed}")
    # Where another time is listed than was sent, the product's own search may take it for the time
    # of another zone, and refuse that: nothing but a person ends it.
    for name in () if oddities.trigger_unset else PAGES:
        oddities = perhaps(name, pages, oddities)
    if switches is not None:
        oddities = oddities_of(rng, frozenset(switches))
    environment = environment_of(rng, oddities)
    order = random.Random(f"the order of {seed}")
    pace = random.Random(f"the pace of {seed}")
    freezes = random.Random(f"the freezes of {seed}")
    keeping = random.Random(f"what keeps the time of {seed}")
    kept = random.Random(f"what is kept of the manifests of {seed}")
    is_slow = switches is None and pace.random() < SLOW  # chosen ones are about what is shown
    if is_slow:
        environment = slowed(pace, environment)
    runs = declared_runs(rng, same_minute=oddities.same_minute)
    sequential: frozenset[str] = frozenset()
    if order.random() < ORDERED:
        environment = with_limit(order, environment)
        runs, sequential = ordered(order, runs, minute_of_its_own(20))
    if is_slow:
        correlated = environment.gateway.correlation_parameter is not None
        bare = correlated and not oddities.correlation_changes  # else nothing tells: assumption 6
        runs += of_many_flows(pace, bare=bare)
    world = World(
        loop=loop,
        random=rng,
        environment=environment,
        runs=runs,
        sequential=sequential,
        is_slow=is_slow,
        freezes=drawn_freezes(freezes) if switches is None else Freezes(random=freezes),
        keeps_time=_keeping(keeping) if switches is None else 0.0,
        memory=Memory(random=kept, lies=switches is None and kept.random() < LYING),
        chances=chances or drawn_chances(rng),
        pages=pages,
        truth=Truth(
            now=loop.time,
            clock=ServiceTime(drift=rng.uniform(-1e-3, 1e-3), jumps=oddities.jumps),
            oddities=oddities,
        ),
    )
    world.note(f"oddities: {', '.join(sorted(oddities.names)) or 'none'}")
    appliers = _Appliers(world)
    try:
        loop.run_until_complete(appliers.live())
        world.check_unbroken()
        return Life(account=account_of(world, appliers.crashes), trace=world.trace)
    except Exception as error:
        raise BrokenPromiseError(seed, error, world.trace) from error
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def environment_of(rng: random.Random, oddities: Oddities) -> Environment:
    """The environment that a seed begins with."""
    return Environment(
        name="simulated",
        manifests="triggers",
        state="state/simulated",
        gateway=_with_slack(
            rng,
            GatewayConfiguration(
                url="http://127.0.0.1:9",
                org_id="o1",
                user_id=USERS[0],
                timezone="GMT+8",
                zone=parse_zone("GMT+8"),
                timeout=rng.choice([2.0, 4.0]),
                settle=rng.choice([2.0, 3.0, 5.0]),
                same_minute_allowed=oddities.same_minute,
                correlation_parameter=CORRELATION_PARAMETER if oddities.correlation else None,
            ),
        ),
        limits=Limits(
            concurrency=rng.randint(1, 4),
            claim_seconds=rng.choice([20.0, 25.0]),
            requests_per_second=rng.choice([None, None, 3.0]),
        ),
    )


def _keeping(rng: random.Random) -> float:
    """For so many seconds something before the gateway answers with the time that it has kept."""
    return rng.uniform(0.5, MOST_KEPT_SECONDS) if rng.random() < KEEPING else 0.0


def with_limit(rng: random.Random, environment: Environment) -> Environment:
    """The environment, perhaps with a limit of what may be under way of one flow."""
    most = rng.choice([None, None, 1, 2])
    return replace(environment, limits=replace(environment.limits, max_active_per_flow=most))


def slowed(rng: random.Random, environment: Environment) -> Environment:
    """The environment with so few starts in a second that one claim does not take all flows."""
    rate = rng.choice([0.1, 0.2, 0.4])
    limits = replace(environment.limits, concurrency=1, requests_per_second=rate)
    return replace(environment, limits=limits)


def _with_slack(rng: random.Random, gateway: GatewayConfiguration) -> GatewayConfiguration:
    """With what a stamp may be off by, where the configuration has that."""
    slack = rng.choice([1.0, 1.5]) * STAMP_SLACK_SECONDS
    known = "stamp_slack" in {field.name for field in fields(GatewayConfiguration)}
    changes: dict[str, Any] = {"stamp_slack": slack} if known else {}
    return replace(gateway, **changes)


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
                delay = rng.random() * (1 if self.world.is_slow else 10)
                group.create_task(self._pipeline(delay, rng.randint(1, 3)))
        await asyncio.sleep(rng.random() * self.world.environment.limits.claim_seconds)
        await self._peace()

    async def _pipeline(self, delay: float, applies: int) -> None:
        rng = self.world.random
        await asyncio.sleep(delay)
        for _ in range(applies):
            if rng.random() < 0.15:
                await self._live_through(self._refresh)
            if self.rescued:
                await self._live_through(self._recover)
            if self.world.chance(self.world.chances.adopted):
                await self._live_through(self._adopt)
            wait, preflight = rng.random() < 0.4, rng.random() < 0.3
            bounded = rng.random() < 0.5 or self._may_not_end()
            options = Options(
                by="somebody",
                preflight=preflight,
                wait=wait,
                wait_seconds=rng.random() * 60 if bounded else None,
                runs=self._named(),
            )
            await self._apply(options)
            await asyncio.sleep(rng.random() * 5)

    def _named(self) -> tuple[str, ...]:
        """Sometimes one or two manifests, or a part of a backfill, that an apply is called for."""
        rng = self.world.random
        if rng.random() >= self.world.chances.named:
            return ()
        runs = rng.choices(self.world.runs, k=rng.randint(1, 2))
        return tuple(run.name if rng.random() < 0.3 else run.manifest for run in runs)

    async def _peace(self) -> None:
        """The trouble is over, every manifest is back, and applies go on until nothing is left.

        What waits for its trigger time is given the time, unless that is years.
        """
        world, environment = self.world, self.world.environment
        last_jump = max((when for when, _ in world.truth.oddities.jumps), default=0.0)
        await asyncio.sleep(max(last_jump - world.now, 0.0))
        patience = environment.limits.claim_seconds + environment.gateway.settle
        world.chances = CALM
        world.suspended.clear()
        world.restore()
        bounded = self._may_not_end()
        began = world.now
        await self._apply(
            Options(by="peace", wait=True, wait_seconds=ENOUGH_SECONDS if bounded else None)
        )
        has_room = all(map(world.has_room, world.tip.runs))
        if not has_room:  # what was in doubt has not started, and what runs by hand has its minute
            world.restore()
        waited = began if has_room and not bounded else None
        if waited is not None:  # one apply that waits does it all
            check_end(world, began, patience, None)
            check_waited(world, began)
        for _ in range(MOST_APPLIES):
            await asyncio.sleep(LONGEST_LIFE_SECONDS)
            began, length, ended = world.now, world.tip.ledger.length, len(self.results)
            await self._apply(Options(by="peace"))
            if world.tip.ledger.length == length:
                break
        else:
            raise ViolationError("in peace, there is no end to it")
        check_end(world, began, patience, waited)
        if len(self.results) == ended:
            raise ViolationError("the last apply, in peace, ends with an error")
        check_exit(world, self.results[-1].exit_code)

    def _may_not_end(self) -> bool:
        """Whether to wait for the end of everything could take years."""
        soon = self.world.service_time() + int(ENOUGH_SECONDS * 1000)
        return any(run.trigger_time > soon for run in self.world.runs)

    async def _apply(self, options: Options) -> None:
        async def one(ports: Ports, name: str) -> None:
            assert isinstance(ports.store, Process)
            ports.store.named = tuple(options.runs)
            if self.world.chances is not CALM:
                ports.store.remembered = self.world.memory.drawn(self.world.runs)
            result = await apply(ports, replace(options, by=name))
            self.world.note(f"{name} ends with {result.exit_code!r}")
            said = {one.planned.id for one in result.doubts} | {one.run for one in result.twice}
            check_told(self.world, name, said)
            self.results.append(result)

        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self._live_through(one)
        except TimeoutError:
            raise ViolationError("an apply waits for ever") from None

    async def _refresh(self, ports: Ports, name: str) -> None:
        await refresh(ports, lambda _: True, again=self.world.random.random() < 0.5)
        self.world.note(f"{name} has looked")

    async def _adopt(self, ports: Ports, name: str) -> None:
        """A person knows of a run that was started by hand, and says so, perhaps too late."""
        known = [(run, one) for run in self.world.tip.runs for one in by_hand(self.world, run)]
        if not known:
            return
        run, one = self.world.random.choice(known)
        self.world.truth.meant[run.id, name] = one
        plain = self.world.truth.oddities.plain  # else what is shown may be anything
        adoption = Adoption(by=name, reason="seen", sure=not plain, forced=not plain)
        adopting = Adopting(adoption, {run.id: one.instance}, ports.new_claim)
        snapshot = await ports.store.fetch()
        async with ports.open_gateway(snapshot.environment) as gateway:
            service = await ServiceClock.ask(gateway, ports.clock)

            def confirm(shown: Sequence[Fitting]) -> None:
                its = self.world.created_as_shown(one)
                if any(found.created != its for row in shown for found in row.fitting):
                    raise RefusedError(f"{one.instance} is not what the person knows of")

            await record_proposal(adopting, snapshot, ports.store, gateway, service, confirm)
        self.world.note(f"{name} has adopted {run.id} as {one.instance}")

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
        stop, notes = asyncio.Event(), list[str]()
        ports = Ports(
            store=process,
            open_gateway=lambda environment: _opened(process, environment),
            clock=process,
            progress=lambda step: notes.append(step.message) if isinstance(step, Noted) else None,
            stop=stop,
            new_claim=lambda: Nonce(f"{rng.getrandbits(64):016x}"),
            jitter=rng.random,
            rescue=self._rescue,
        )
        if self.world.chances is not CALM and rng.random() < 0.1:
            asyncio.get_running_loop().call_later(rng.random() * 10, stop.set)
        try:
            await work(ports, process.name)
        except ReconcilerError as error:
            self.world.note(f"{process.name} ends: {error}")
            late = {one.run.id for one in self.world.truth.overdue}
            said = {run for run in late if any(run in words for words in (*notes, str(error)))}
            check_told(self.world, process.name, said)
        except BaseException as error:
            if not process.dead or not _is_crash(error):
                raise
            self.crashes += 1

    def _rescue(self, kept: Sequence[Event]) -> str:
        self.rescued += kept
        return "a file"


@asynccontextmanager
async def _opened(process: Process, environment: Environment) -> "AsyncIterator[Gateway]":
    yield Asking(process=process, user=environment.gateway.user_id)


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_crash(one) for one in error.exceptions)
    return isinstance(error, CrashedError | asyncio.CancelledError)
