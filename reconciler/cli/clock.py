"""The clocks of this machine."""

import time

from reconciler.model import EpochMs

# A clock that goes on while the machine sleeps. Otherwise a claim would look too young after the
# lid was closed. On Linux that is BOOTTIME; elsewhere MONOTONIC does the same.
_ELAPSING = getattr(time, "CLOCK_BOOTTIME", None)


class LocalClock:
    """The clocks of this machine."""

    def elapsed(self) -> float:
        """Seconds since some moment; never goes back, and goes on while the machine is asleep."""
        return time.monotonic() if _ELAPSING is None else time.clock_gettime(_ELAPSING)

    def wall(self) -> EpochMs:
        """The time of day by this machine's clock."""
        return EpochMs(time.time_ns() // 1_000_000)
