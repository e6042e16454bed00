"""The gateway's clock, which the world's clock drifts from."""

from dataclasses import dataclass

from reconciler.model import EpochMs

START = 1_700_000_000_000  # the gateway's clock when the world begins, Unix epoch, milliseconds
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTime:
    """How the gateway's clock follows from the loop's."""

    drift: float  # against the true time

    def at(self, seconds: float) -> EpochMs:
        """What the gateway's clock shows at that time of the loop."""
        return EpochMs(START + int(seconds * (1 + self.drift) * 1000))

    def reached(self, instant: EpochMs) -> float:
        """The loop's time from which on the gateway's clock shows that instant or a later one."""
        return (instant - START) / 1000 / (1 + self.drift)
