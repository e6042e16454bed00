"""The rate limit, shared by all workers of one gateway."""

from collections.abc import Awaitable, Callable


class Pacing:
    """Spaces requests evenly: a burst is what a limit per second on the other side punishes."""

    def __init__(
        self,
        requests_per_second: float | None,
        *,
        elapsed: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._interval = 1.0 / requests_per_second if requests_per_second else 0.0  # seconds
        self._elapsed = elapsed
        self._sleep = sleep
        self._next = elapsed()

    async def turn(self) -> None:
        """Return when the next request may leave. A caller that is cancelled forgoes its turn."""
        if not self._interval:
            return
        now = self._elapsed()
        mine = max(self._next, now)
        self._next = mine + self._interval
        if mine > now:
            await self._sleep(mine - now)
