"""Time by the gateway's clock, how long a claim allows starts, and when it has run out.

Appliers need not agree on the time among themselves: every claim is made and judged by the one
clock that all of them can ask. Between two questions the local clock tells how much time passed.
"""

import asyncio
from typing import Self

from msgspec import Struct, field

from reconciler.apply.ports import Clock, Gateway
from reconciler.errors import GatewayError
from reconciler.ledger import Ledger
from reconciler.model import ClaimId, EpochMs
from reconciler.times import parse_instant


class ServiceClock(Struct, frozen=True, kw_only=True):
    """One answer of the gateway's clock. It was right at some moment between question and answer.

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


class Lease(Struct, kw_only=True):
    """The time that a claim leaves for starting runs."""

    clock: ServiceClock
    until: EpochMs  # when the claim expires
    reserve: float  # seconds before that in which no start may begin: one request and a margin
    jumped: float = 0.0  # seconds that the gateway's clock was found to be off its course by

    def seconds_left(self) -> float:
        """Seconds in which a start may still begin; not positive once there are none."""
        return 0.0 if self.jumped else (self.until - self.clock.latest()) / 1000 - self.reserve

    async def watch(self, gateway: Gateway, *, margin: float) -> None:
        """Ask the gateway for its time again and again, and allow nothing once it has jumped.

        Others judge this claim by that clock: one that was set forward has them think that it has
        expired. `margin`: seconds that it may be off its course. Never returns; cancel it.
        """
        pause = max(self.reserve / 2, 1.0)
        while not self.jumped:
            await asyncio.sleep(pause)
            try:
                again = await ServiceClock.ask(gateway, self.clock.clock)
            except GatewayError:
                continue  # a gateway that cannot be asked the time is not sent starts either
            ahead = (again.earliest() - self.clock.latest()) / 1000
            behind = (self.clock.earliest() - again.latest()) / 1000
            if max(ahead, behind) > margin:
                self.jumped = ahead if ahead > behind else -behind

    def allows_start(self) -> bool:
        """Whether a start that begins now is over before the claim expires."""
        return self.seconds_left() > 0


class Lapses(Struct, kw_only=True):
    """Claims that have run out by the time that has passed, though the gateway's clock denies it.

    A claim that was made before the clock was set back seems to last for hours. Its applier does
    not go by that clock but counts the seconds from its claim on. So whoever has seen a claim for
    as long as it was made for, and a margin, knows that nothing is started under it any more.
    """

    clock: Clock
    seen: dict[ClaimId, float] = field(default_factory=dict)  # local seconds, when first seen
    lapsed: dict[ClaimId, EpochMs] = field(default_factory=dict)  # since when, by the gateway's

    def notice(self, ledger: Ledger, now: EpochMs, margin: float) -> None:
        """Note which claims have run out. `margin` in seconds."""
        for nonce, claim in ledger.claims.items():
            until, elapsed = parse_instant(claim.until), self.clock.elapsed()
            if until <= now or nonce in self.lapsed:
                continue
            length = (until - parse_instant(claim.at)) / 1000
            if elapsed - self.seen.setdefault(nonce, elapsed) > length + margin:
                self.lapsed[nonce] = now
