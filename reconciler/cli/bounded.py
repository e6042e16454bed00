"""Ask the network for no longer than a time limit, even if a name server does not answer.

Asyncio looks names up in threads, and waits for these at the end, as Python does at exit. Where a
name server did not answer, a limit of 15 seconds took a minute. Here nobody waits for such a
thread. This is for requests that are not worth waiting for; an apply's own requests do wait.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


def run_bounded(asked: Coroutine[Any, Any, T]) -> T:
    """Do what `asyncio.run` does, without waiting for names that are still being looked up."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(asked)


class _Loop(asyncio.SelectorEventLoop):
    """Looks each name up in a thread of its own, which ends with the program at the latest."""

    async def getaddrinfo(self, *where: Any, **how: Any) -> Any:
        """Do what `socket.getaddrinfo` does."""
        found: asyncio.Future[Any] = self.create_future()

        def resolve() -> None:
            try:
                answer = partial(found.set_result, socket.getaddrinfo(*where, **how))
            except Exception as error:  # noqa: BLE001 - it is raised where the name was asked for
                answer = partial(found.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.call_soon_threadsafe(_settle, found, answer)

        threading.Thread(target=resolve, daemon=True).start()
        return await found


def _settle(found: "asyncio.Future[Any]", answer: Callable[[], None]) -> None:
    if not found.done():
        answer()
