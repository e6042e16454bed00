"""An event loop whose time is a number: nothing ever really waits, and every run is the same."""

import asyncio
from typing import Any


class DeadlockError(Exception):
    """Every task waits for something that nothing will ever bring about."""


class _NoFiles:
    """A selector without files: to wait is to move the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise DeadlockError
        self._loop.now += timeout
        return []

    def close(self) -> None:
        return


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own loop, with a clock of its own. `now` is in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._selector = _NoFiles(self)
        # Without a resolution a timer set for "now + x" can round to just after itself.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        return
