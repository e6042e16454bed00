"""What an apply spends its time on: ports that measure each call, and change nothing."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from reconciler.apply.ports import (
    Answer,
    Appended,
    CancelAnswer,
    Connection,
    Flow,
    Gateway,
    Instance,
    ObservedInstances,
    Snapshot,
    StartedInstance,
    Store,
)
from reconciler.ledger import Event, events
from reconciler.model import EpochMs, InstanceId, Run

KINDS = ("fetch", "claim", "push", "starts", "settle", "observe", "ask", "notify")


class Measures:
    """Seconds that each kind of work took; what overlaps within one kind counts once."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._began = elapsed()
        self._seconds = dict.fromkeys(KINDS, 0.0)
        self._under_way: Counter[str] = Counter()
        self._since: dict[str, float] = {}
        self.requests: Counter[str] = Counter()  # to the gateway, by names of the EnOS reference

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Count the block's time as work of that kind."""
        if not self._under_way[kind]:
            self._since[kind] = self._elapsed()
        self._under_way[kind] += 1
        try:
            yield
        finally:
            self._under_way[kind] -= 1
            if not self._under_way[kind]:
                self._seconds[kind] += self._elapsed() - self._since[kind]

    def list_figures(self) -> dict[str, Any]:
        """The figures until now, as fields of a log's line."""
        seconds = self._seconds | {"total": self._elapsed() - self._began}
        return {
            "timings": {kind: round(value, 3) for kind, value in seconds.items()},
            "requests": dict(self.requests),
        }


class MeasuredStore:
    """A store whose fetches and pushes are measured."""

    def __init__(self, store: Store, measures: Measures) -> None:
        self._store = store
        self._measures = measures

    async def fetch(self) -> Snapshot:
        """See `Store`."""
        with self._measures.of("fetch"):
            return await self._store.fetch()

    async def append(self, base: Snapshot, recorded: Sequence[Event], message: str) -> Appended:
        """See `Store`. A push that holds a claim counts as `claim`."""
        claims = any(isinstance(one, events.Claim) for one in recorded)
        with self._measures.of("claim" if claims else "push"):
            return await self._store.append(base, recorded, message)

    async def confirm(self, base: Snapshot, runs: Sequence[Run]) -> bool:
        """See `Store`."""
        return await self._store.confirm(base, runs)


class _MeasuredConnection:
    def __init__(self, connection: Connection, measures: Measures) -> None:
        self._connection = connection
        self._measures = measures

    async def start(self, run: Run, allowed: Callable[[], bool]) -> Answer:
        """See `Connection`."""
        with self._measures.of("starts"):
            return await self._connection.start(run, allowed)


class MeasuredGateway:
    """A gateway whose requests are measured."""

    def __init__(self, gateway: Gateway, measures: Measures) -> None:
        self._gateway = gateway
        self._measures = measures

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """See `Gateway`."""
        async with self._gateway.connection() as connection:
            yield _MeasuredConnection(connection, self._measures)

    async def current_time(self) -> EpochMs:
        """See `Gateway`."""
        with self._measures.of("ask"):
            return await self._gateway.current_time()

    async def timezone(self) -> str:
        """See `Gateway`."""
        with self._measures.of("ask"):
            return await self._gateway.timezone()

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        """See `Gateway`."""
        with self._measures.of("settle"):
            return await self._gateway.search(flow_id, from_time, to_time)

    async def instance(self, instance: InstanceId) -> Instance | None:
        """See `Gateway`."""
        with self._measures.of("observe"):
            return await self._gateway.instance(instance)

    async def observe_instances(
        self, sought: Sequence[StartedInstance], most_requests: int, turn: int = 0
    ) -> ObservedInstances:
        """See `Gateway`."""
        with self._measures.of("observe"):
            return await self._gateway.observe_instances(sought, most_requests, turn)

    async def flow(self, flow_id: int) -> Flow | None:
        """See `Gateway`."""
        with self._measures.of("ask"):
            return await self._gateway.flow(flow_id)

    async def cancel(self, instance: InstanceId) -> CancelAnswer:
        """See `Gateway`."""
        with self._measures.of("ask"):
            return await self._gateway.cancel(instance)


@asynccontextmanager
async def open_measured_gateway(
    gateway: AbstractAsyncContextManager[Gateway], measures: Measures
) -> AsyncIterator[Gateway]:
    """The gateway, opened, with its requests measured."""
    async with gateway as opened:
        yield MeasuredGateway(opened, measures)
