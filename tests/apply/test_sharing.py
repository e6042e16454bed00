"""Several appliers at once: each finds something to start, and all are done sooner for it.

They run the product's own protocol in virtual time, against a branch and a gateway of which
nothing is kept but how long they take. Whether the promise holds is the simulation's to say.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from reconciler.apply import ports
from reconciler.apply.protocol import apply
from reconciler.apply.sharing import Sharing
from reconciler.configuration import Limits
from reconciler.ledger import Event, Ledger, events
from reconciler.model import EpochMs, InstanceId, Nonce, Run
from reconciler.plan import Action
from tests.apply.service import ENVIRONMENT
from tests.building import EIGHT, NOW, Unremembering, a_run, after, declared
from tests.simulation.loop import VirtualLoop

FETCH_SECONDS, PUSH_SECONDS, READ_BACK_SECONDS = 0.1, 0.15, 0.1
START_UP_SECONDS = 0.3  # by which two appliers that begin at the same moment differ at most


@dataclass(kw_only=True)
class _World(Unremembering):
    """A branch and a gateway; all that is kept of them is what came to them, and when."""

    runs: Sequence[Run]
    limits: Limits
    latency: float = 0.1  # of each answer of the gateway, seconds
    push: float = PUSH_SECONDS
    refuses_until: float = 0.0  # connections, seconds from the beginning
    number: int = 0
    ledger: Ledger = field(default_factory=lambda: Ledger.of([]))
    claims: list[events.Claim] = field(default_factory=list)  # that have landed
    raced: int = 0
    started: list[Run] = field(default_factory=list)
    under_way: Counter[int] = field(default_factory=Counter)  # starts of each flow
    ends: list[float] = field(default_factory=list)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    # Clock

    def elapsed(self) -> float:
        return self.now()

    def wall(self) -> EpochMs:
        return after(NOW, int(self.now() * 1000))

    # Store

    def _snapshot(self) -> ports.Snapshot:
        return ports.Snapshot(
            commit=str(self.number),
            environment=replace(ENVIRONMENT, limits=self.limits),
            declared=declared(*self.runs),
            ledger=self.ledger,
            parent=str(self.number),
        )

    async def fetch(self) -> ports.Snapshot:
        await asyncio.sleep(FETCH_SECONDS)
        return self._snapshot()

    async def append(
        self, base: ports.Snapshot, new: Sequence[Event], message: str
    ) -> ports.Appended:
        assert message
        await asyncio.sleep(self.push)
        if base.commit != str(self.number):
            self.raced += 1
            await asyncio.sleep(READ_BACK_SECONDS)
            return ports.Raced()
        self.number += 1
        self.ledger = self.ledger.with_events(new)
        self.claims += [one for one in new if isinstance(one, events.Claim)]
        landed = self._snapshot()
        await asyncio.sleep(READ_BACK_SECONDS)
        return ports.Landed(snapshot=landed)

    # Gateway

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[ports.Connection]:
        yield cast("ports.Connection", self)

    async def current_time(self) -> EpochMs:
        await asyncio.sleep(self.latency)
        return self.wall()

    async def timezone(self) -> str:
        await asyncio.sleep(self.latency)
        return ENVIRONMENT.gateway.timezone

    async def start(self, run: Run, allowed: Callable[[], bool]) -> ports.Answer:
        assert allowed()
        if self.now() < self.refuses_until:
            return ports.NotSent(reason="connection refused")
        self.under_way[run.flow_id] += 1
        assert self.under_way[run.flow_id] == 1, "two runs of one flow are started at a time"
        self.started.append(run)
        await asyncio.sleep(self.latency)
        self.under_way[run.flow_id] -= 1
        return ports.TriggeredAnswer(instance=InstanceId(f"i-{run.id}"))

    async def observe_instances(self, *_: Any) -> ports.ObservedInstances:
        return ports.ObservedInstances(instances={})

    # Appliers

    async def apply(self, rng: random.Random, delay: float) -> None:
        await asyncio.sleep(delay)

        @asynccontextmanager
        async def opened(_: object) -> AsyncIterator[ports.Gateway]:
            yield cast("ports.Gateway", self)

        result = await apply(
            ports.Ports(
                store=self,
                open_gateway=opened,
                clock=self,
                progress=lambda _: None,
                stop=asyncio.Event(),
                new_claim=lambda: Nonce(f"{rng.getrandbits(128):032x}"),
                jitter=rng.random,
                rescue=lambda _: "",
            ),
            ports.Options(by="somebody", max_runs=1_000_000),
        )
        assert result.exit_code == 0
        self.ends.append(self.now())


def _apply(world: _World, appliers: int, *, apart: float = START_UP_SECONDS) -> float:
    """Have so many appliers start all of the world's runs; how many seconds it takes."""
    _let_apply(world, appliers, apart)
    assert Counter(run.id for run in world.started) == Counter(run.id for run in world.runs)
    return max(world.ends)


def _let_apply(world: _World, appliers: int, apart: float) -> None:
    rng = random.Random(0)
    loop = VirtualLoop()

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(appliers):
                group.create_task(world.apply(rng, rng.random() * apart))

    try:
        loop.run_until_complete(all_of_them())
    finally:
        loop.close()


def _of_as_many_flows(count: int) -> tuple[Run, ...]:
    return tuple(
        a_run(f"run-{one:05}", flow_id=one + 1, trigger_time=after(EIGHT, one))
        for one in range(count)
    )


def _limits(**more: Any) -> Limits:
    return Limits(max_runs_per_apply=1_000_000, **more)


def _apart_and_together(appliers: Sequence[int]) -> list[float]:
    """How long so many appliers take for 800 runs of which each alone starts ten in a second."""
    return [
        _apply(
            _World(runs=_of_as_many_flows(800), limits=_limits(concurrency=2), latency=0.2), many
        )
        for many in appliers
    ]


@pytest.mark.long  # how long thirteen appliers take; the shares stay
def test_four_appliers_take_about_a_third_of_what_one_takes_and_eight_no_longer_than_four() -> None:
    one, four, eight = _apart_and_together([1, 4, 8])
    assert one < 800 / 2 * 0.2 + 3
    assert four < 0.37 * one
    assert eight < four


def test_an_apply_that_takes_some_seconds_is_one_claim() -> None:
    world = _World(runs=_of_as_many_flows(1_000), limits=_limits(concurrency=64))
    _apply(world, 1)
    assert [len(claim.runs) for claim in world.claims] == [1_000]


def test_an_applier_that_is_alone_claims_all_that_a_claim_has_room_for() -> None:
    world = _World(runs=_of_as_many_flows(1_000), limits=_limits(concurrency=8))
    _apply(world, 1)
    assert [len(claim.runs) for claim in world.claims] == [680, 320]  # 85 s, a second each


def test_a_claimed_run_that_becomes_late_keeps_nobody_from_the_next() -> None:
    late = a_run("late", flow_id=1, trigger_time=EIGHT, not_after=after(NOW, 3_000))
    later = a_run("later", flow_id=1, trigger_time=after(EIGHT, 60_000))
    world = _World(runs=(late, later), limits=_limits(max_active_per_flow=1), refuses_until=5.0)
    _let_apply(world, 1, 0)
    assert [tuple(claim.runs) for claim in world.claims] == [(late.id,), (later.id,)]
    assert world.started == [later]


def test_a_flow_is_started_by_one_applier_at_a_time_and_in_order() -> None:
    """The gateway of this world fails where two runs of one flow are started side by side."""
    runs = tuple(
        a_run(f"run-{flow:02}-{one}", flow_id=flow + 1, trigger_time=after(EIGHT, one * 60_000))
        for one in range(10)
        for flow in range(40)
    )
    world = _World(runs=runs, limits=_limits(concurrency=2), latency=0.4)
    _apply(world, 4)
    assert len(world.claims) > 3
    for flow in range(40):
        times = [run.trigger_time for run in world.started if run.flow_id == flow + 1]
        assert times == sorted(times)


def _chosen(
    runs: Sequence[Run], *, others: int, push_seconds: float = 0.1, concurrency: int = 1
) -> Sequence[Run]:
    """Which of the runs that are left are claimed, where a start takes a tenth of a second."""
    records = [Mock(record=Mock(claim=f"c{one}")) for one in range(others)]
    plan = Mock(runs_of_action={Action.HOLD: records + records}.__getitem__)
    environment = replace(ENVIRONMENT, limits=_limits(concurrency=concurrency, claim_seconds=120))
    return Sharing(request_seconds=0.1).choose(runs, plan, environment, push_seconds)


def _share(left: int, **around: Any) -> int:
    return len(_chosen(_of_as_many_flows(left), **around))


def test_beside_others_a_claim_takes_its_part_of_what_is_left() -> None:
    assert _share(400, others=3) == 100
    assert _share(200, others=3) == 50
    assert _share(400, others=0) == 400


def test_beside_others_a_claim_takes_no_more_than_it_has_room_for() -> None:
    assert _share(4_000, others=1) == 850  # 120 s without the time of a request and a margin


@pytest.mark.parametrize("others", [0, 1])
def test_a_claim_without_room_for_all_takes_whole_flows(others: int) -> None:
    runs = [
        a_run(f"run-{flow:02}-{one}", flow_id=flow + 1, trigger_time=after(EIGHT, one * 60_000))
        for flow in range(20)
        for one in range(100)
    ]
    of_flow = Counter(run.flow_id for run in _chosen(runs, others=others))
    assert of_flow == dict.fromkeys(range(1, 9), 100)  # room for 850


def test_a_claim_takes_no_less_than_what_is_started_while_each_applier_pushes_twice() -> None:
    assert _share(100, others=3, push_seconds=1.0) == 80


def test_a_claim_has_enough_flows_for_what_is_started_side_by_side() -> None:
    assert _share(60, others=5, push_seconds=0.001, concurrency=16) == 16
