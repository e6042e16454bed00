"""Questions: calls that may be repeated, because asking twice does no more than asking once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from reconciler.apply.ports import NotProcessed, Rejected
from reconciler.errors import GatewayError, QuestionRefusedError
from reconciler.gateway.classify import Accepted, Failed, Verdict
from reconciler.gateway.meanings import hint
from reconciler.gateway.operations import Operation
from reconciler.gateway.session import Session

AT_ONCE = 8
_ATTEMPTS = 4  # of a question; with the pauses below a hiccup of two seconds is bridged
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 30.0  # that a Retry-After is heeded for before giving up


class Questions:
    """Asks the gateway at `host`, a few times over if it hiccups."""

    def __init__(
        self,
        session: Session,
        client: httpx.AsyncClient,
        *,
        host: str,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._session = session
        self._client = client
        self._host = host
        self._sleep = sleep
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def ask(self, operation: Operation) -> Any:
        """The data of the answer; None if there is none, however often it is asked.

        Raises GatewayError, and of its kinds QuestionRefusedError where the question was refused.
        """
        verdict = await self._repeat(operation, lambda verdict: verdict.data is not None)
        if isinstance(verdict, Failed):
            raise self.failure(operation, verdict)
        return verdict.data

    async def settle(self, operation: Operation) -> Verdict:
        """What is certain: the question was answered, or refused. Raises GatewayError."""
        return await self._repeat(operation, lambda _: True)

    async def _repeat(self, operation: Operation, answers: Callable[[Accepted], bool]) -> Verdict:
        """Ask until an answer `answers`, the question is refused, or it was asked often enough."""
        attempt = 0
        while True:
            async with self._turns:
                verdict = await self._session.call(self._client, operation)
            attempt += 1
            if isinstance(verdict, Accepted):
                if answers(verdict) or attempt == _ATTEMPTS:
                    return verdict
            elif isinstance(verdict.answer, Rejected):
                return verdict
            pause = _pause(verdict, attempt)
            if isinstance(verdict, Failed) and (
                attempt == _ATTEMPTS or pause > _LONGEST_WAIT_SECONDS
            ):
                raise self.failure(operation, verdict)
            await self._sleep(pause)

    def failure(self, operation: Operation, failed: Failed) -> GatewayError:
        """The error that tells of a failed question."""
        kind = QuestionRefusedError if isinstance(failed.answer, Rejected) else GatewayError
        return kind(
            f"{operation.name} at {self._host} failed: {failed.words}", hint=hint(failed.code)
        )

    def unreadable(self, operation: Operation, what: str) -> GatewayError:
        """The error that tells of an answer which says nothing readable."""
        return GatewayError(
            f"{operation.name} at {self._host} answered with {what}",
            hint="check that gateway.url is an EnOS gateway with batch processing V2.1",
        )


def _pause(verdict: Verdict, attempt: int) -> float:
    """Seconds until the question is asked again."""
    if isinstance(verdict, Failed) and isinstance(verdict.answer, NotProcessed):
        asked = verdict.answer.retry_after
        if asked is not None:
            return asked
    return _FIRST_PAUSE_SECONDS * 2.0**attempt
