"""Time by the gateway's clock, how long a claim allows starts, and when it has run out.

Appliers need not agree on the time among themselves: every claim is made and judged by the one
clock that all of them can ask. Between two such questions the local clock measures the time.
"""

import asyncio
from typing import Self

from msgspec import Struct, field

from reconciler.apply.ports import Clock, Gateway
from reconciler.errors import GatewayError, RefusedError
from reconciler.ledger import Ledger
from reconciler.model import EpochMs, Nonce
from reconciler.times import parse_instant


class ServiceClock(Struct, frozen=True, kw_only=True):
    """One answer of the gateway's clock. It was right at some moment between question and answer.

    So the gateway's time now lies between two bounds, and each use takes the bound that is safe.
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

    async def ask_again(self, gateway: Gateway, *, margin: float) -> Self:
        """Ask once more. `margin`: seconds that the clock may be off.

        The very same time again says nothing new, so the first answer with it still counts. Raises
        GatewayError; RefusedError if that is longer ago than the margin. A cache has answered, and
        nobody knows since when its answer is wrong.
        """
        again = await type(self).ask(gateway, self.clock)
        if again.stamp != self.stamp:
            return again
        passed = again.asked - self.answered
        if passed > margin:
            raise RefusedError(
                f"the gateway's clock stood still for {passed:.0f} s, so it allows no claim",
                hint="Have whatever stands before the gateway pass Get Current Time on each time.",
            )
        return self

    def age(self) -> float:
        """Seconds since the gateway was asked."""
        return self.clock.elapsed() - self.asked

    def earliest_time(self) -> EpochMs:
        """A time no later than the gateway's: to stamp a claim with, or to call one expired."""
        return EpochMs(self.stamp + int((self.clock.elapsed() - self.answered) * 1000))

    def latest_time(self) -> EpochMs:
        """A time no earlier than the gateway's: to decide whether a claim still allows a start."""
        return EpochMs(self.stamp + int((self.clock.elapsed() - self.asked) * 1000) + 1)


class Lease(Struct, kw_only=True):
    """The time that a claim leaves for starting runs."""

    clock: ServiceClock
    until: EpochMs  # when the claim expires
    reserve: float  # seconds before that in which no start may begin: one request and a margin
    jumped: float = 0.0  # seconds by which the gateway's clock was set forward; below 0: back

    def seconds_left(self) -> float:
        """Seconds in which a start may still begin; 0 or less once there are none."""
        return 0.0 if self.jumped else (self.until - self.clock.latest_time()) / 1000 - self.reserve

    async def watch(self, gateway: Gateway, *, margin: float) -> None:
        """Ask the gateway for its time again and again; once its clock has jumped, allow no start.

        Others judge this claim by that clock: if it was set forward, they think that the claim has
        expired. `margin`: seconds that the clock may be off. Returns only after a jump: cancel it.
        """
        pause = max(self.reserve / 2, 1.0)
        while not self.jumped:
            await asyncio.sleep(pause)
            try:
                again = await ServiceClock.ask(gateway, self.clock.clock)
            except GatewayError:
                continue  # if the gateway cannot be asked for its time, it gets no starts either
            ahead = (again.earliest_time() - self.clock.latest_time()) / 1000
            behind = (self.clock.earliest_time() - again.latest_time()) / 1000
            if max(ahead, behind) > margin:
                self.jumped = ahead if ahead > behind else -behind

    @property
    def has_expired(self) -> bool:
        """Whether the claim may have expired."""
        return self.clock.latest_time() > self.until

    def allows_start(self) -> bool:
        """Whether a start that begins now is over before the claim expires."""
        return self.seconds_left() > 0


class Lapses(Struct, kw_only=True):
    """Claims that have run out by the time that has passed, but not by the gateway's clock.

    A claim that was made before that clock was set back seems to last for hours. But its applier
    does not go by the clock: it counts the seconds since it made the claim. So an apply that has
    seen a claim for as long as the claim was made for, and a margin, knows that nothing is started
    under it any more.
    """

    clock: Clock
    seen: dict[Nonce, float] = field(default_factory=dict)  # local seconds, when first seen
    # By the gateway's clock: since when, and when those that last longer are expected to.
    lapsed: dict[Nonce, EpochMs] = field(default_factory=dict)
    expected: dict[Nonce, EpochMs] = field(default_factory=dict)

    def notice(self, ledger: Ledger, now: EpochMs, margin: float) -> None:
        """Note which claims have run out. `margin` in seconds."""
        for nonce, claim in ledger.claims.items():
            until, elapsed = parse_instant(claim.until), self.clock.elapsed()
            if until <= now or nonce in self.lapsed:
                continue
            lasts = (until - parse_instant(claim.at)) / 1000 + margin
            left = lasts - (elapsed - self.seen.setdefault(nonce, elapsed))
            self._expect(nonce, EpochMs(now + int(left * 1000)), margin)
            if left < 0:
                self.lapsed[nonce] = now

    def _expect(self, nonce: Nonce, end: EpochMs, margin: float) -> None:
        """Note when the claim is expected to lapse; the same as before as long as clocks go on."""
        if abs(end - self.expected.get(nonce, 0)) > margin * 1000:
            self.expected[nonce] = end
