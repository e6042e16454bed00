"""Timestamps for token requests and signatures, by the service's clock as far as it is known."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime

from reconciler.model import EpochMs

_CLOCK_SET_BACK_MS = 1_000  # more than requests within one millisecond can run ahead of the clock


class Stamps:
    """The local clock, corrected by what the service said; the local one may be hours off."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock  # Unix epoch, seconds
        self._offset = 0  # milliseconds that the service is ahead
        self._known = False
        self._last = 0

    def learn(self, service: EpochMs, at: float) -> None:
        """Take the service's own word for the time; `at` is local, Unix epoch, seconds."""
        self._offset = service - int(at * 1000)
        self._known = True

    def guess(self, date: str | None) -> None:
        """Take an answer's Date header, unless the service itself has been heard.

        Asking the service needs a signature, so a gateway that refuses stale ones could not be
        asked at all by a machine whose clock is wrong.
        """
        if self._known or date is None:
            return
        try:
            moment = parsedate_to_datetime(date)
        except (ValueError, OverflowError):
            return
        self._offset = int((moment.timestamp() - self._clock()) * 1000)

    def now(self) -> int:
        """The time for a stamp: Unix epoch, milliseconds."""
        return int(self._clock() * 1000) + self._offset

    def known_now(self) -> EpochMs | None:
        """The service's time, if the service has said it."""
        return EpochMs(self.now()) if self._known else None

    def unique(self) -> int:
        """A stamp unlike those before: the token service refuses the same hash twice (1001)."""
        now = self.now()
        set_back = now < self._last - _CLOCK_SET_BACK_MS
        self._last = now if now > self._last or set_back else self._last + 1
        return self._last
