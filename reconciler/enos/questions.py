"""Questions to the service, which may be repeated: asking twice does no more than asking once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from reconciler.apply.ports import NotProcessed, RejectedAnswer, UnknownAnswer
from reconciler.enos.answers import ANOTHER_CAME, Accepted, Failed, Verdict, hint
from reconciler.enos.operations import EnosOperation
from reconciler.enos.session import Session
from reconciler.errors import GatewayError, QuestionRefusedError, UnfitQuestionError

AT_ONCE = 8  # questions, of all that an apply asks
_ATTEMPTS = 4  # at one question; with the pauses below, they bridge a hiccup of two seconds
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 30.0  # a Retry-After of more ends the attempts


class Questions:
    """Asks the gateway at `host`, and repeats a question a few times after a hiccup."""

    def __init__(
        self,
        session: Session,
        transport: httpx.AsyncBaseTransport,
        *,
        host: str,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._session = session
        self._transport = transport
        self._host = host
        self._sleep = sleep
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def ask(
        self,
        operation: EnosOperation,
        answers: Callable[[Any], bool] = lambda data: data is not None,
        *,
        need_not_exist: bool = False,
    ) -> Any:
        """The answer's data. The question is repeated while `answers` is false for the data.

        The last attempt's data are returned in any case. `need_not_exist`: what is asked for, such
        as a page; then a refusal for just that is believed at once. Raises GatewayError; if the
        question was refused, QuestionRefusedError, which is one; UnfitQuestionError, if for what it
        asks and that need not exist.
        """
        verdict = await self._repeat(
            operation,
            lambda verdict: answers(verdict.data),
            ends=lambda failed: need_not_exist and failed.unfit,
        )
        if isinstance(verdict, Failed):
            raise self.failure(operation, verdict, need_not_exist=need_not_exist)
        return verdict.data

    async def answer(self, operation: EnosOperation) -> Verdict:
        """The verdict on the question: answered, or refused. Raises GatewayError if neither."""
        return await self._repeat(operation, lambda _: True)

    async def _repeat(
        self,
        operation: EnosOperation,
        answers: Callable[[Accepted], bool],
        *,
        ends: Callable[[Failed], bool] = lambda _: False,
    ) -> Verdict:
        """Ask until `answers` accepts an answer, the question is refused, or attempts run out.

        `ends` is true for a failure after which another attempt is no use either.
        """
        attempt = 0
        while True:
            async with self._turns:
                verdict = await self._session.call(self._transport, operation)
            if isinstance(verdict, Accepted) and not verdict.alone:
                verdict = Failed(answer=UnknownAnswer(seen=f"code 0, but {ANOTHER_CAME}"), code=0)
            attempt += 1
            if isinstance(verdict, Accepted):
                if answers(verdict) or attempt == _ATTEMPTS:
                    return verdict
            elif isinstance(verdict.answer, RejectedAnswer) or ends(verdict):
                return verdict
            pause = _pause(verdict, attempt)
            if isinstance(verdict, Failed) and (
                attempt == _ATTEMPTS or pause > _LONGEST_WAIT_SECONDS
            ):
                raise self.failure(operation, verdict)
            await self._sleep(pause)

    def failure(
        self, operation: EnosOperation, failed: Failed, *, need_not_exist: bool = False
    ) -> GatewayError:
        """The error for a question that failed; see `ask`."""
        refused = isinstance(failed.answer, RejectedAnswer)
        kind: type[GatewayError] = QuestionRefusedError if refused else GatewayError
        kind = UnfitQuestionError if failed.unfit and need_not_exist else kind
        return kind(
            f"{operation.name} at {self._host} failed: {failed.words}", hint=hint(failed.code)
        )

    def unreadable(self, operation: EnosOperation, what: str) -> GatewayError:
        """The error for an answer that cannot be read; `what` is what the answer has instead."""
        return GatewayError(
            f"{operation.name} at {self._host} answered with {what}",
            hint="check that gateway.url is an EnOS gateway with batch processing V2.1",
        )


def _pause(verdict: Verdict, attempt: int) -> float:
    """Seconds to wait before the question is repeated."""
    if isinstance(verdict, Failed) and isinstance(verdict.answer, NotProcessed):
        asked = verdict.answer.retry_after
        if asked is not None:
            return asked
    return _FIRST_PAUSE_SECONDS * 2.0**attempt
