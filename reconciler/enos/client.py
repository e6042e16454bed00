"""The gateway as the apply protocol sees it: implements `Gateway` and `Connection` of its ports.

A start is sent once. Questions may be repeated (`Questions`).
"""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from reconciler.apply.ports import (
    Answer,
    CancelAnswer,
    Flow,
    Instance,
    ObservedInstances,
    StartedInstance,
)
from reconciler.enos import operations
from reconciler.enos.access import Credentials, GatewaySettings
from reconciler.enos.answers import Accepted, Failed, Verdict, start_answer
from reconciler.enos.envelope import read_milliseconds, read_name
from reconciler.enos.listed import (
    EARLIEST,
    WITHOUT_PRIVILEGE,
    ListedWindow,
    read_entry,
    read_flow,
    read_instance,
)
from reconciler.enos.observing import observe_instances
from reconciler.enos.operations import PAGE_SIZE, EnosOperation
from reconciler.enos.paged import Page, has_list, read_page
from reconciler.enos.questions import AT_ONCE, Questions
from reconciler.enos.search import search_flow
from reconciler.enos.session import Session
from reconciler.enos.transport import build_transport, proxy_of, tls_context
from reconciler.model import EpochMs, InstanceId, Run

# The reference does not say how the service answers if it does not have what was asked for. Success
# without data counts as that, and so do these codes in the service's own envelope. A proxy's 404
# says nothing about an instance.
_NO_INSTANCE = frozenset({404})
_NO_FLOW = frozenset({404, 62104})
_NO_PRIVILEGE = 62103
_LOCAL_DRIFT_SECONDS = 60  # by which our idea of the service's clock may be slow


class EnosConnection:
    """One worker's way to the service: one start at a time, each on a connection of its own."""

    def __init__(
        self, settings: GatewaySettings, session: Session, transport: httpx.AsyncBaseTransport
    ) -> None:
        self._settings = settings
        self._session = session
        self._transport = transport
        self._turn = asyncio.Lock()

    async def start(self, run: Run, allowed: Callable[[], bool]) -> Answer:
        """Update And Trigger Flow: one POST, if `allowed` is still true right before it leaves."""
        operation = operations.start(self._settings, run)
        async with self._turn:
            verdict = await self._session.call(self._transport, operation, allowed)
        return start_answer(verdict, run.flow_id)


class EnosGateway:
    """The EnOS gateway of one environment. It may repeat questions, never starts."""

    def __init__(
        self,
        settings: GatewaySettings,
        session: Session,
        transport: httpx.AsyncBaseTransport,
        context: ssl.SSLContext,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._session = session
        self._transport = transport
        self._context = context
        self._clock = clock
        proxy = proxy_of(settings)
        by = f" (by the proxy {proxy.shown})" if proxy is not None else ""
        self._questions = Questions(session, transport, host=f"{settings.host}{by}", sleep=sleep)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[EnosConnection]:
        """The way to the service for one worker; each start opens a connection of its own."""
        async with build_transport(self._settings, self._context, connections=1) as transport:
            yield EnosConnection(self._settings, self._session, transport)

    async def current_time(self) -> EpochMs:
        """The service's time. Signatures use its clock from now on. Raises GatewayError."""
        operation = operations.current_time()
        data = await self._questions.ask(operation)
        now = read_milliseconds(data)
        if now is None:
            raise self._questions.unreadable(operation, "no time")
        if now < EARLIEST:
            raise self._questions.unreadable(operation, f"{now}, a time in seconds")
        self._session.stamps.learn(EpochMs(now), self._clock())
        return EpochMs(now)

    async def timezone(self) -> str:
        """The name of the service's time zone, as the service gives it. Raises GatewayError."""
        operation = operations.timezone()
        data = await self._questions.ask(operation)
        name = read_name(data.get("timezone") if isinstance(data, dict) else data)
        if name is None:
            raise self._questions.unreadable(operation, "no time zone")
        return name

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        """Every instance of the flow with a trigger time in [from_time, to_time), each once.

        That is every instance that the service lists for the window, whatever trigger time it
        shows, unless it is certainly another flow's. An empty result means that there is none:
        anything unreadable raises GatewayError.
        """
        window = ListedWindow(from_time=from_time, to_time=to_time)
        read = self._entry_reader(window)

        async def ask(asked: ListedWindow, kind: int, page: int, size: int) -> Page:
            return await self._ask_for_page(asked, kind, page, read, size=size)

        return await search_flow(ask, flow_id, window)

    async def instance(self, instance: InstanceId) -> Instance | None:
        """The instance with that id; None if the service says it has none. Raises GatewayError."""
        operation = operations.instance(self._settings, instance)
        verdict = await self._questions.answer(operation)
        data = self._answer_data(operation, verdict, _NO_INSTANCE)
        if data is None:
            return None
        try:
            found = read_instance(data, self._settings.zone, now=self._latest_stamp())
        except ValueError as error:
            raise self._questions.unreadable(operation, str(error)) from None
        if found.id != instance:
            raise self._questions.unreadable(operation, f"another instance than {instance}")
        return found

    async def observe_instances(
        self, sought: Sequence[StartedInstance], most_requests: int, turn: int = 0
    ) -> ObservedInstances:
        """How those instances fare, in few requests. Each `turn` begins with other instances.

        A question that is repeated after a hiccup counts as one request.
        """
        read = self._entry_reader(None)

        async def ask(window: ListedWindow, kind: int, page: int) -> Page:
            return await self._ask_for_page(window, kind, page, read)

        return await observe_instances(sought, most_requests, ask, self.instance, turn=turn)

    async def flow(self, flow_id: int) -> Flow | None:
        """Get Flow; None if the service says that it has no such flow. Raises GatewayError."""
        operation = operations.flow(self._settings, flow_id)
        verdict = await self._questions.answer(operation)
        if isinstance(verdict, Failed) and verdict.code == _NO_PRIVILEGE:
            return WITHOUT_PRIVILEGE
        data = self._answer_data(operation, verdict, _NO_FLOW)
        try:
            return None if data is None else read_flow(data, flow_id)
        except ValueError as error:
            raise self._questions.unreadable(operation, str(error)) from None

    async def cancel(self, instance: InstanceId) -> CancelAnswer:
        """Cancel Flow Instance. Raises GatewayError if the answer says nothing certain.

        Unlike a start, the request may be repeated after a hiccup: it names one instance, and a
        cancelled instance cannot be cancelled again. At worst, the first answer was lost and the
        service refuses the repeat, because the instance has ended.
        """
        operation = operations.cancel(self._settings, instance)
        verdict = await self._questions.answer(operation)
        if isinstance(verdict, Accepted):
            return CancelAnswer(code=0, message="")
        if verdict.code is None or not verdict.own:
            raise self._questions.failure(operation, verdict)
        return CancelAnswer(code=verdict.code, message=verdict.said or verdict.words)

    def _latest_stamp(self) -> EpochMs | None:
        """The latest time that a stamp of the service may show now; None if its time is unknown."""
        now = self._session.stamps.known_time()
        slack = max(self._settings.stamp_slack, _LOCAL_DRIFT_SECONDS)
        return None if now is None else EpochMs(now + int(slack * 1000))

    def _entry_reader(self, window: ListedWindow | None) -> Callable[[Any], Instance]:
        """A reader for list entries that uses one time for all: a repeat reads like the first."""
        now = self._latest_stamp()
        return lambda entry: read_entry(entry, self._settings.zone, now=now, window=window)

    async def _ask_for_page(
        self,
        window: ListedWindow,
        kind: int,
        page: int,
        read: Callable[[Any], Instance],
        *,
        size: int = PAGE_SIZE,
    ) -> Page:
        """One page of List Flow Instances. Raises GatewayError."""
        operation = operations.search_page(
            self._settings, kind, window.from_time, window.to_time, page, size=size
        )
        data = await self._questions.ask(operation, has_list, need_not_exist=True)
        try:
            return read_page(data, read)
        except ValueError as error:
            raise self._questions.unreadable(operation, str(error)) from None

    def _answer_data(self, operation: EnosOperation, verdict: Verdict, none: frozenset[int]) -> Any:
        """The answer's data; None if it has no data, or the service's code is one of `none`."""
        if isinstance(verdict, Accepted):
            return None if verdict.data in ({}, "") else verdict.data
        if verdict.own and verdict.code in none:
            return None
        raise self._questions.failure(operation, verdict)


@asynccontextmanager
async def open_gateway(
    settings: GatewaySettings,
    credentials: Credentials,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    requests: Counter[str] | None = None,
) -> AsyncIterator[EnosGateway]:
    """The gateway. Nothing is asked on entry; on exit all connections are closed.

    `clock` is the local clock (Unix epoch, seconds). `requests` counts the requests that are sent,
    by the reference's names. Raises ConfigurationError if the URL, the CA file, or the proxy that
    environment variables name cannot be used.
    """
    context = tls_context(settings)
    # One connection more than questions: a token request must not wait for those that need it.
    async with build_transport(settings, context, connections=AT_ONCE + 1) as transport:
        counter: Counter[str] = Counter() if requests is None else requests
        session = Session(
            settings, credentials, transport, clock=clock, sleep=sleep, requests=counter
        )
        yield EnosGateway(settings, session, transport, context, clock=clock, sleep=sleep)
