"""The gateway's clock, which the world's clock drifts from, and which may be set anew."""

from collections.abc import Iterator
from math import inf

from msgspec import Struct

from reconciler.model import EpochMs

START = 1_700_000_000_000  # the gateway's clock when the world begins, Unix epoch, milliseconds
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


class ServiceTime(Struct, frozen=True, kw_only=True):
    """How the gateway's clock follows from the loop's."""

    drift: float  # against the true time
    jumps: tuple[tuple[float, int], ...] = ()  # the loop's time, milliseconds; the earliest first

    def at(self, seconds: float) -> EpochMs:
        """What the gateway's clock shows at that time of the loop."""
        jumped = sum(by for when, by in self.jumps if when <= seconds)
        return EpochMs(START + jumped + int(seconds * (1 + self.drift) * 1000))

    def reached(self, instant: EpochMs) -> float:
        """The loop's time at which the gateway's clock first shows that instant or a later one."""
        reached = inf
        for begins, ends, jumped in self._parts():
            reached = max((instant - START - jumped) / 1000 / (1 + self.drift), begins)
            if reached < ends:
                break
        return reached

    def after(self, seconds: float, length: float) -> float:
        """The loop's time at which so much has passed by both clocks, or by the faster of them."""
        forward = sum(by for when, by in self.jumps if by > 0 and seconds < when < seconds + length)
        return max(seconds, seconds + length - forward / 1000)

    def _parts(self) -> Iterator[tuple[float, float, int]]:
        """Between two jumps: from when, until when, and by how much the clock is off by then."""
        begins, jumped = -inf, 0
        for when, by in (*self.jumps, (inf, 0)):
            yield begins, when, jumped
            begins, jumped = when, jumped + by
