"""How long an apply waits: between two looks, for ends of instances in all, and to record them."""

from collections.abc import Callable

from reconciler.apply.ports import Clock, Options
from reconciler.model import EpochMs

FIRST_LOOK_SECONDS = 1.0  # between looks whether others have finished, or an instance shows up
LONGEST_LOOK_SECONDS = 15.0
RECORD_SECONDS = 60.0  # between commits of nothing but ends
FAILED_FETCHES = 10  # in a row, until a wait for ends is given up


class Patience:
    """Grows while nothing happens, and shrinks when something does."""

    def __init__(self, clock: Clock, options: Options, jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._options = options
        self._jitter = jitter
        self._began = self._recorded = clock.elapsed()
        self._looks = 0
        self._failures = 0

    @property
    def for_ends(self) -> bool:
        """Whether ends of instances are waited for, and the time for that is not used up."""
        most = self._options.wait_seconds
        return self._options.wait and (most is None or self._waited() < most)

    def pause(self, until: EpochMs | None, now: EpochMs) -> float:
        """Seconds until the next look; `until` is when time itself will decide something."""
        look = min(FIRST_LOOK_SECONDS * 1.5**self._looks, LONGEST_LOOK_SECONDS)
        if look < LONGEST_LOOK_SECONDS:  # a power of the looks of a day would be out of range
            self._looks += 1
        seconds = look * (0.75 + self._jitter() / 2)
        if until is not None:
            seconds = min(seconds, (until - now) / 1000 + 0.05)
        if self.for_ends and self._options.wait_seconds is not None:
            seconds = min(seconds, self._options.wait_seconds - self._waited())
        return max(seconds, 0.05)

    def something_ended(self) -> None:
        """Look a little sooner again."""
        self._looks = max(self._looks - 2, 0)

    def records_ends(self) -> bool:
        """Whether it is time to record ends. There is no hurry: they can be observed again."""
        due = self._clock.elapsed() - self._recorded >= RECORD_SECONDS
        if due:
            self._recorded = self._clock.elapsed()
        return due

    def outlasts(self, *, fetched: bool) -> bool:
        """Whether a wait for ends goes on after the branch could, or could not, be read."""
        self._failures = 0 if fetched else self._failures + 1
        return self._failures < FAILED_FETCHES

    def _waited(self) -> float:
        return self._clock.elapsed() - self._began
