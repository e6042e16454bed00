"""Asking the network for no longer than was said, whatever the resolver of names does.

Asyncio looks names up in threads that it waits for at the end, and so does Python: where a name
server does not answer, a limit of 15 seconds was one of a minute. Here nobody waits for such a
thread. For what is worth no waiting; an apply's own requests wait.
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
    """What `asyncio.run` gives, without waiting for names that are still looked up."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(asked)


class _Loop(asyncio.SelectorEventLoop):
    """Looks each name up in a thread of its own, which ends with the program at the latest."""

    async def getaddrinfo(self, *where: Any, **how: Any) -> Any:
        """As `socket.getaddrinfo`."""
        found: asyncio.Future[Any] = self.create_future()

        def look_up() -> None:
            try:
                answer = partial(found.set_result, socket.getaddrinfo(*where, **how))
            except Exception as error:  # noqa: BLE001 - it is raised where the name was asked for
                answer = partial(found.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.call_soon_threadsafe(_settle, found, answer)

        threading.Thread(target=look_up, daemon=True).start()
        return await found


def _settle(found: "asyncio.Future[Any]", answer: Callable[[], None]) -> None:
    if not found.done():
        answer()
