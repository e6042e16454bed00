"""The service's clock, which may be set while everything runs on."""

from collections.abc import Callable, Iterable

from reconciler.model import EpochMs
from reconciler.sandbox.behaviour import ClockJump


class SettableClock:
    """Two readings of one clock: what passes, and what the service says that it is.

    Runs, tokens, rate limits and the journal go by the time that passes. Only what the service
    says jumps: Get Current Time, the stamps, the Date header, and which trigger times are past.
    """

    def __init__(self, passing: Callable[[], int], jumps: Iterable[ClockJump]) -> None:
        """`passing`: Unix epoch, milliseconds. The jumps count from now."""
        self._passing = passing
        start = passing()
        self._jumps = [(start + _ms(one.after), _ms(one.by)) for one in jumps]

    def now(self) -> EpochMs:
        """The time that passes."""
        return EpochMs(self._passing())

    def said(self, instant: EpochMs) -> EpochMs:
        """What the service's clock said at that instant of the time that passes."""
        return EpochMs(instant + sum(by for at, by in self._jumps if at <= instant))

    def jump(self, seconds: float) -> None:
        """Set the service's clock now; negative: back."""
        self._jumps.append((self._passing(), _ms(seconds)))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
