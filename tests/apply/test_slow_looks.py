"""An apply whose searches are slow gets its claims all the same, and ends when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from msgspec.structs import replace

from reconciler.apply.ports import (
    Answer,
    Appended,
    Connection,
    Instance,
    Options,
    Raced,
    Snapshot,
    TriggeredAnswer,
)
from reconciler.apply.protocol import apply
from reconciler.apply.result import ApplyResult
from reconciler.ledger import Event, events
from reconciler.model import EpochMs, InstanceId, Run
from tests.apply.service import SERVICE, with_gateway
from tests.apply.test_doubt_looks import KeptStore, TellingService, Told, ports_of
from tests.building import a_claim, a_ledger, a_run, an_unknown, declared
from tests.simulation.loop import VirtualLoop

SEARCH_SECONDS = 20.0
SHARED = with_gateway(same_minute_allowed=True)


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class SlowService(TellingService):
    """Its searches take long, and what is started is listed at once."""

    searched: list[float] = field(default_factory=list)  # when each search began

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        self.searched.append(now())
        await asyncio.sleep(SEARCH_SECONDS)
        return await super().search(flow_id, from_time, to_time)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        yield cast("Connection", self)

    async def start(self, run: Run, allowed: Callable[[], bool]) -> Answer:
        assert allowed()
        return TriggeredAnswer(instance=InstanceId(f"i-{run.id}"))


@dataclass
class BusyStore(KeptStore):
    """A branch that others move every fifteen seconds, until it has been moved so many times."""

    moves: int = 0
    claims: list[events.Claim] = field(default_factory=list)  # those that were tried

    def _commit(self) -> str:
        return f"commit {min(int(now() / 15), self.moves)}"

    async def fetch(self) -> Snapshot:
        return replace(await super().fetch(), commit=self._commit(), environment=SHARED)

    async def append(self, base: Snapshot, events_: Sequence[Event], message: str) -> Appended:
        self.claims += [one for one in events_ if isinstance(one, events.Claim)]
        return (
            Raced()
            if base.commit != self._commit()
            else await super().append(base, events_, message)
        )


def applied(
    store: KeptStore, service: SlowService, stopped: float | None = None
) -> tuple[ApplyResult, float]:
    """The result, and when the apply ended; it is told to stop after so many seconds."""
    loop = VirtualLoop()

    async def main() -> tuple[ApplyResult, float]:
        ports = ports_of(store, service, Told())
        if stopped is not None:
            loop.call_later(stopped, ports.stop.set)
        return await apply(ports, Options(by="ana")), now()

    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_a_branch_that_moves_more_often_than_a_look_takes_keeps_nobody_from_claiming() -> None:
    runs = [a_run(f"run-{flow}", flow_id=flow) for flow in range(1, 4)]
    store = BusyStore(declared(*runs), a_ledger(), moves=1_000)
    service = SlowService()
    result, ended = applied(store, service)
    assert len(result.outcomes) == 3
    assert service.searched == [0.0] * 3  # side by side, and once
    assert ended < SEARCH_SECONDS + 5
    first, second = store.claims
    assert first.looked_at == second.looked_at is not None  # as old as it is


def test_an_apply_that_is_told_to_stop_breaks_off_its_look_and_claims_nothing() -> None:
    store, service = BusyStore(declared(a_run()), a_ledger()), SlowService()
    result, ended = applied(store, service, stopped=3.0)
    assert ended < 3.1
    assert result.interrupted
    assert store.claims == []


def test_so_does_one_that_looks_for_runs_in_doubt() -> None:
    run = a_run()
    ledger = a_ledger(a_claim(run, service=SERVICE), an_unknown(run))
    store, service = BusyStore(declared(run), ledger), SlowService()
    result, ended = applied(store, service, stopped=3.0)
    assert service.searched == [0.0]
    assert ended < 3.1
    assert [one.planned.id for one in result.doubts] == [run.id]
    assert store.ledger == ledger
