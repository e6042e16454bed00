"""Time by the gateway's clock, and how long a claim allows starts.

Appliers need not agree on the time among themselves: every claim is made and judged by the one
clock that all of them can ask. Between two questions the local clock tells how much time passed.
"""

from dataclasses import dataclass
from typing import Self

from reconciler.apply.ports import Clock, Gateway
from reconciler.model import EpochMs


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClock:
    """The gateway's clock as asked once. The answer was true at some moment of the question's way.

    So its time now is known between two bounds, and each use takes the one that is safe for it.
    """

    stamp: EpochMs
    asked: float  # local seconds, as `Clock.elapsed` gives them
    answered: float
    clock: Clock

    @classmethod
    async def ask(cls, gateway: Gateway, clock: Clock) -> Self:
        """Ask the gateway for its time. Raises GatewayError."""
        asked = clock.elapsed()
        stamp = await gateway.current_time()
        return cls(stamp=stamp, asked=asked, answered=clock.elapsed(), clock=clock)

    def age(self) -> float:
        """Seconds since it was asked."""
        return self.clock.elapsed() - self.asked

    def earliest(self) -> EpochMs:
        """No later than the gateway's time: for stamping a claim, and for calling one expired."""
        return EpochMs(self.stamp + int((self.clock.elapsed() - self.answered) * 1000))

    def latest(self) -> EpochMs:
        """No earlier than the gateway's time: for deciding whether a claim still allows a start."""
        return EpochMs(self.stamp + int((self.clock.elapsed() - self.asked) * 1000) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The time that a claim leaves for starting runs."""

    clock: ServiceClock
    until: EpochMs  # when the claim expires
    reserve: float  # seconds before that in which no start may begin: one request and a margin

    def seconds_left(self) -> float:
        """Seconds in which a start may still begin; not positive once there are none."""
        return (self.until - self.clock.latest()) / 1000 - self.reserve

    def allows_start(self) -> bool:
        """Whether a start that begins now is over before the claim expires."""
        return self.seconds_left() > 0
