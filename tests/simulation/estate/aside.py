"""Calls that block, in threads of which only one moves at a time, by the loop's clock.

The product's git layer blocks: it runs git and sleeps. Here each such wait hands the turn back to
the loop, so that everybody else goes on meanwhile, and in the same order each time.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Semaphore
from typing import Any

THREADS = ThreadPoolExecutor(64, thread_name_prefix="aside")


class AbandonedError(BaseException):
    """Nobody waits for this call any more."""


@dataclass(slots=True, eq=False)
class _Call:
    owner: Any  # who calls
    work: Callable[[], Any]
    turn: Semaphore = field(default_factory=lambda: Semaphore(0))  # it may go on
    back: Semaphore = field(default_factory=lambda: Semaphore(0))  # it waits, or has ended
    seconds: float | None = None  # that it waits for; None: it has ended
    result: Any = None
    error: BaseException | None = None
    abandoned: bool = False

    def run(self) -> None:
        self.turn.acquire()
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller raises it
            self.error = error
        self.seconds = None
        self.back.release()


class Aside:
    """Runs blocking calls for the appliers of one seed."""

    def __init__(self) -> None:
        self._moving: _Call | None = None

    @property
    def owner(self) -> Any:
        """Who has called what moves now."""
        assert self._moving is not None, "nothing runs aside"
        return self._moving.owner

    async def run(self, owner: Any, function: Callable[..., Any], *args: Any) -> Any:
        """Call the function for its owner. Raises what it raises."""
        call = _Call(owner, lambda: function(*args))
        THREADS.submit(call.run)
        while self._move(call) is not None:
            try:
                await asyncio.sleep(call.seconds or 0)
            except BaseException:
                call.abandoned = True
                self._move(call)
                raise
        if call.error is not None:
            raise call.error
        return call.result

    def _move(self, call: _Call) -> float | None:
        """Let it go on until it waits or ends."""
        before, self._moving = self._moving, call
        call.turn.release()
        call.back.acquire()
        self._moving = before
        return call.seconds

    def wait(self, seconds: float) -> None:
        """Called by what runs aside: let that much time pass."""
        call = self._moving
        assert call is not None, "only what runs aside can wait"
        if call.abandoned:
            raise AbandonedError
        call.seconds = seconds
        call.back.release()
        call.turn.acquire()
        if call.abandoned:
            raise AbandonedError
