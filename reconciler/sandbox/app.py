"""The gateway as an ASGI application: receive, disturb, carry out, record, answer.

Requests and their effects are kept, so that tests can count them.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from pathlib import Path
from threading import Lock
from typing import assert_never
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.errors import ConfigurationError
from reconciler.model import EpochMs, InstanceId
from reconciler.sandbox.behaviour import SandboxOptions, SettableClock, Stranger
from reconciler.sandbox.connections import DroppedConnection, RepeatedAnswer
from reconciler.sandbox.faults import Drop, Fault, FaultScript, Reply, false_answer
from reconciler.sandbox.flows import FlowInstance, Instances
from reconciler.sandbox.service import CallOutcome, IssuedTokens, SandboxService
from reconciler.sandbox.shown import Shown
from reconciler.sandbox.strangers import Strangers
from reconciler.sandbox.wire import (
    OPERATIONS,
    Call,
    Operation,
    SandboxAnswer,
    flow_meant,
    service_answer,
)
from reconciler.times import parse_zone

_DEFAULTS = SandboxOptions()


class Served(Struct, frozen=True, kw_only=True):
    """One request, recorded at the moment that it took effect or was refused."""

    at: EpochMs
    operation: Operation
    flow_id: int | None
    effect: bool  # an instance was created or cancelled
    instance: InstanceId | None  # the one that the request is about
    status: int | None  # HTTP; None: the connection is dropped without an answer
    code: int | None  # in the answer's body


def open_journal(path: Path) -> None:
    """Make sure that the file is there and can be written. Raises ConfigurationError."""
    try:
        path.open("a").close()
    except OSError as error:
        raise ConfigurationError(
            f"the journal {path} cannot be written: {error.strerror}",
            hint="Name a file in a folder that exists.",
        ) from None


def write_journal(path: Path, served: Served) -> None:
    """Append the line; when this returns, other processes can read it."""
    line = {
        "at": served.at,
        "operation": served.operation,
        "flowId": served.flow_id,
        "effect": served.effect,
        "instance": served.instance,
        "status": served.status,
        "code": served.code,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def wall_clock() -> int:
    """Unix epoch, milliseconds."""
    return time.time_ns() // 1_000_000


class Sandbox:
    """A gateway in memory. `clock` gives Unix epoch in milliseconds; all states follow from it.

    `sleep` (seconds) makes the latency and the delays of faults; it need not move the clock.
    `add_fault`, `add_stranger` and `jump` may be called at any moment, from any thread.

    Raises ConfigurationError if the journal cannot be written.
    """

    def __init__(
        self,
        options: SandboxOptions = _DEFAULTS,
        faults: Sequence[Fault] = (),
        clock: Callable[[], int] = wall_clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if options.journal is not None:
            open_journal(options.journal)
        self.options = options
        self._clock = SettableClock(clock, options.clock_jumps)
        self._sleep = sleep
        self._script = FaultScript(faults)
        self._served: list[Served] = []
        shown = Shown(options=options, zone=parse_zone(options.timezone), clock=self._clock)
        self._instances = Instances(options, shown.zone, self._clock)
        self._strangers = Strangers(options.strangers, self._instances, self._clock.now())
        self._tokens = IssuedTokens(options)
        self._service = SandboxService(shown, self._instances, self._strangers, self._tokens)
        self._one_at_a_time = Lock()  # held by whatever changes the instances
        paths = {path: None for _, path, _ in OPERATIONS}
        self.app = Starlette(
            routes=[Route(path, self._respond, methods=["GET", "POST"]) for path in paths]
        )

    @property
    def instances(self) -> list[FlowInstance]:
        """Every instance so far, strangers included, in the order in which they were added.

        Where instances share an id, `number` tells them apart.
        """
        with self._one_at_a_time:
            self._strangers.arrive(self._clock.now())
            return list(self._instances)

    @property
    def requests(self) -> list[Served]:
        """Every request so far that named an operation, in the order of their effects."""
        return list(self._served)

    def add_fault(self, fault: Fault) -> None:
        """Add a rule behind the others."""
        self._script.add(fault)

    def add_stranger(self, stranger: Stranger) -> FlowInstance:
        """Add an instance that somebody else starts now, or started `created_seconds_ago`.

        Raises ValueError for a stranger that waits for a trigger: only the options can add one.
        """
        if stranger.after_trigger is not None:
            raise ValueError("a stranger that waits for a trigger is added by the options")
        with self._one_at_a_time:
            now = self._clock.now()
            self._strangers.arrive(now)
            return self._strangers.add(stranger, now)

    def jump(self, seconds: float) -> None:
        """Set the service's clock forward by so many seconds, or back if they are negative.

        Get Current Time, the stamps and the Date header jump, and later triggers are compared with
        the new time. Instances that run or wait go on as if nothing had happened, and so do tokens.
        """
        self._clock.jump(seconds)

    async def _respond(self, request: Request) -> Response:
        arrived = asyncio.get_running_loop().time()
        query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        action = dict(query).get("action", "")
        path: str = request.scope["path"]
        operation = OPERATIONS.get((request.method, path, action))
        if operation is None:
            message = f"no operation is {request.method} {path} with action={action}"
            return self._response(service_answer(None, code=400, msg=message, status=400))
        try:
            body = await self._receive_body(request)
        except ClientDisconnect:
            # The request never arrived whole: no effect, no record, and nobody to read an answer.
            return Response(status_code=400)
        call = Call(operation=operation, query=tuple(query), headers=request.headers, body=body)
        return await self._respond_with_fault(call, arrived)

    async def _receive_body(self, request: Request) -> bytes | None:
        """The body, or None if it is too large.

        Even a body that is too large is read to its end: if the connection were closed while the
        client still writes, the client would lose the answer.
        """
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= self.options.max_body_bytes:
                chunks.append(chunk)
        return b"".join(chunks) if size <= self.options.max_body_bytes else None

    async def _respond_with_fault(self, call: Call, arrived: float) -> Response:
        flow_id = self._flow_id(call)
        fault = self._script.take(call.operation, flow_id, self._clock.now())
        if fault.call_before is not None:
            fault.call_before()
        if fault.delay_before:
            await self._sleep(fault.delay_before)
        if fault.expire_token:
            self._tokens.expire_all(self._clock.now())
        outcome = self._carry_out(call, fault)
        self._record(call, flow_id, outcome)
        if fault.call_after is not None:
            fault.call_after()
        # The latency includes the time that the sandbox itself takes; a fault's delays are added.
        own = max(asyncio.get_running_loop().time() - arrived - fault.delay_before, 0.0)
        delay = fault.delay_after + max(self.options.latency - own, 0.0)
        if delay:
            await self._sleep(delay)
        return self._build_response(call, outcome, fault)

    def _carry_out(self, call: Call, fault: Fault) -> CallOutcome:
        ending = fault.ending
        if ending is None or ending.effect:
            with self._one_at_a_time:
                now = self._clock.now()
                self._strangers.arrive(now)
                outcome = self._service.carry_out(call, now, list_after=fault.list_after)
        else:
            outcome = CallOutcome(answer=None)
        match ending:
            case None:
                return outcome
            case Drop():
                answer = None
            case Reply():
                answer = false_answer(ending, call.operation)
            case _:
                assert_never(ending)
        return CallOutcome(answer=answer, effect=outcome.effect, instance=outcome.instance)

    def _flow_id(self, call: Call) -> int | None:
        meant = flow_meant(call)
        if not isinstance(meant, str):
            return meant
        instance = self._instances.get(meant)
        return None if instance is None else instance.flow_id

    def _record(self, call: Call, flow_id: int | None, outcome: CallOutcome) -> None:
        answer = outcome.answer
        served = Served(
            at=self._clock.now(),
            operation=call.operation,
            flow_id=flow_id,
            effect=outcome.effect,
            instance=outcome.instance,
            status=None if answer is None else answer.status,
            code=None if answer is None else answer.code,
        )
        self._served.append(served)
        if self.options.journal is not None:
            write_journal(self.options.journal, served)

    def _build_response(self, call: Call, outcome: CallOutcome, fault: Fault) -> Response:
        if outcome.answer is None:
            return DroppedConnection()
        response = self._response(outcome.answer)
        match fault.extra_answer:
            case None:
                return response
            case "same":
                extra = response
            case Reply():
                extra = self._response(false_answer(fault.extra_answer, call.operation))
            case _:
                assert_never(fault.extra_answer)
        after = fault.extra_after
        return RepeatedAnswer(response, extra, (lambda: self._sleep(after)) if after else None)

    def _response(self, answer: SandboxAnswer) -> Response:
        said = self._clock.shown_time(self._clock.now())
        date = formatdate(said / 1000, usegmt=True)  # from the clock, like everything else
        own = {name.lower(): value for name, value in answer.headers.items()}
        return Response(
            answer.body,
            status_code=answer.status,
            headers={"date": date, **own},
            media_type=answer.content_type,
        )


def environment(sandbox: Sandbox) -> dict[str, str]:
    """The environment variables that give a client its keys."""
    return {
        "ENOS_ACCESS_KEY": sandbox.options.access_key,
        "ENOS_SECRET_KEY": sandbox.options.secret_key,
    }
