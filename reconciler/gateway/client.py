"""The gateway as the apply protocol knows it (`Gateway` and `Connection` of its ports)."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from reconciler.apply.ports import Answer, Instance, NotProcessed, Rejected
from reconciler.errors import GatewayError, QuestionRefusedError
from reconciler.gateway import operations
from reconciler.gateway.classify import Accepted, Failed, start_answer
from reconciler.gateway.instances import Window, read_instance
from reconciler.gateway.meanings import hint
from reconciler.gateway.operations import Operation
from reconciler.gateway.reply import read_milliseconds, read_name
from reconciler.gateway.search import of_flow, search_all
from reconciler.gateway.session import Session
from reconciler.gateway.settings import Credentials, GatewaySettings
from reconciler.gateway.transport import build_client, tls_context
from reconciler.model import EpochMs, InstanceId, Run

_ATTEMPTS = 4  # of a question; with the pauses below a hiccup of two seconds is bridged
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 30.0  # that a Retry-After is heeded for before giving up
_QUESTIONS_AT_ONCE = 8
_NOT_FOUND = 404


class EnosConnection:
    """One worker's own connection; concurrent starts on it queue."""

    def __init__(
        self, settings: GatewaySettings, session: Session, client: httpx.AsyncClient
    ) -> None:
        self._settings = settings
        self._session = session
        self._client = client
        self._turn = asyncio.Lock()

    async def trigger(self, run: Run, allowed: Callable[[], bool]) -> Answer:
        """Update And Trigger Flow: one POST, if `allowed` still says so when it is to leave."""
        operation = operations.start(self._settings, run)
        async with self._turn:
            return start_answer(await self._session.call(self._client, operation, allowed))


class EnosGateway:
    """The EnOS gateway of one environment. Questions are repeated a few times, starts never."""

    def __init__(
        self,
        settings: GatewaySettings,
        session: Session,
        client: httpx.AsyncClient,
        context: ssl.SSLContext,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._session = session
        self._client = client
        self._context = context
        self._clock = clock
        self._sleep = sleep
        self._questions = asyncio.Semaphore(_QUESTIONS_AT_ONCE)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[EnosConnection]:
        """A connection of its own for one worker. Opened by its first start, kept between them."""
        async with build_client(self._settings, self._context, connections=1) as client:
            yield EnosConnection(self._settings, self._session, client)

    async def current_time(self) -> EpochMs:
        """The service's clock; signatures go by it from now on. Raises GatewayError."""
        operation = operations.current_time()
        data = await self._ask(operation)
        now = read_milliseconds(data)
        if now is None:
            raise self._unreadable(operation, "no time")
        self._session.stamps.learn(EpochMs(now), self._clock())
        return EpochMs(now)

    async def timezone(self) -> str:
        """The name of the service's zone, as it says it. Raises GatewayError."""
        operation = operations.timezone()
        data = await self._ask(operation)
        name = read_name(data.get("timezone") if isinstance(data, dict) else data)
        if name is None:
            raise self._unreadable(operation, "no time zone")
        return name

    async def search(
        self, flow_id: int, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        """Every instance of the flow with a trigger time in [from_time, to_time), each once.

        An empty answer is a whole answer: whatever cannot be read raises GatewayError.
        """
        window = Window(from_time=from_time, to_time=to_time)
        now = self._session.stamps.known_now()  # once: a repeat must be read like the first
        start = EpochMs(from_time - from_time % 1000)  # the service's stamps are cut to the second

        async def ask(kind: int, page: int) -> Any:
            return await self._ask(
                operations.search_page(self._settings, kind, start, to_time, page)
            )

        def read(entry: Any) -> Instance:
            return read_instance(entry, self._settings.zone, now=now, window=window)

        return of_flow(await search_all(ask, read), flow_id, window)

    async def instance(self, instance: InstanceId) -> Instance | None:
        """One instance by id; None if the service says that it has none. Raises GatewayError.

        How it says so is not documented: success without data, and 404 in its envelope, count.
        """
        operation = operations.instance(self._settings, instance)
        data = await self._ask(operation, missing=_NOT_FOUND)
        if data is None or data in ({}, ""):
            return None
        now = self._session.stamps.known_now()
        try:
            found = read_instance(data, self._settings.zone, now=now)
        except ValueError as error:
            raise self._unreadable(operation, str(error)) from None
        if found.id != instance:
            raise self._unreadable(operation, f"another instance than {instance}")
        return found

    async def _ask(self, operation: Operation, *, missing: int | None = None) -> Any:
        """The data of the answer to a question; None where its code is `missing`."""
        attempt = 0
        while True:
            async with self._questions:
                verdict = await self._session.call(self._client, operation)
            if isinstance(verdict, Accepted):
                return verdict.data
            answer = verdict.answer
            if isinstance(answer, Rejected):
                if verdict.own and answer.code == missing:
                    return None
                raise self._failure(operation, verdict)
            attempt += 1
            pause = _FIRST_PAUSE_SECONDS * 2**attempt
            if isinstance(answer, NotProcessed) and answer.retry_after is not None:
                pause = answer.retry_after
            if attempt == _ATTEMPTS or pause > _LONGEST_WAIT_SECONDS:
                raise self._failure(operation, verdict)
            await self._sleep(pause)

    def _failure(self, operation: Operation, failed: Failed) -> GatewayError:
        kind = QuestionRefusedError if isinstance(failed.answer, Rejected) else GatewayError
        return kind(
            f"{operation.name} at {self._settings.host} failed: {failed.words}",
            hint=hint(failed.code),
        )

    def _unreadable(self, operation: Operation, what: str) -> GatewayError:
        return GatewayError(
            f"{operation.name} at {self._settings.host} answered with {what}",
            hint="check that gateway.url is an EnOS gateway with batch processing V2.1",
        )


@asynccontextmanager
async def open_gateway(
    settings: GatewaySettings,
    credentials: Credentials,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[EnosGateway]:
    """The gateway, without having asked it anything yet; left, all its connections are closed.

    `clock` is the local idea of the time (Unix epoch, seconds). Raises ConfigurationError if the
    URL, the CA file or the proxy that the environment names cannot be used.
    """
    context = tls_context(settings)
    # One more than the questions: a token request must not wait for those that wait for it.
    client = build_client(settings, context, connections=_QUESTIONS_AT_ONCE + 1)
    async with client:
        session = Session(settings, credentials, client, clock=clock, sleep=sleep)
        yield EnosGateway(settings, session, client, context, clock=clock, sleep=sleep)
