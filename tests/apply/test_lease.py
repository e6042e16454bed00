"""The gateway's clock between two questions, and the time that a claim leaves."""

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.lease import Lapses, Lease, ServiceClock
from reconciler.apply.ports import Gateway
from reconciler.errors import GatewayError, RefusedError
from reconciler.model import EpochMs, Nonce
from tests.building import CLAIM_MS, NOW, a_claim, a_ledger, a_run, after
from tests.simulation.loop import VirtualLoop


@dataclass
class Ticking:
    """A local clock that the test sets."""

    seconds: float = 1000.0

    def elapsed(self) -> float:
        return self.seconds

    def wall(self) -> EpochMs:
        raise AssertionError("nothing is decided by the local idea of the time")


@dataclass
class Answering:
    """A gateway that takes time to be asked, and time to answer; only its clock is asked."""

    clock: Ticking
    before: float = 0.0
    behind: float = 0.0
    broken: bool = False
    stamp: EpochMs = NOW

    async def current_time(self) -> EpochMs:
        self.clock.seconds += self.before
        stamp = self.stamp
        self.clock.seconds += self.behind
        if self.broken:
            raise GatewayError("no answer")
        return stamp


def asked(clock: Ticking, before: float = 0.0, behind: float = 0.0) -> ServiceClock:
    gateway = Answering(clock, before=before, behind=behind)
    return asyncio.run(ServiceClock.ask(cast("Gateway", gateway), clock))


def lease_of(clock: ServiceClock, seconds: float, reserve: float = 35.0) -> Lease:
    return Lease(clock=clock, until=after(NOW, int(seconds * 1000)), reserve=reserve)


ways = st.floats(0, 60)


@given(ways, ways, st.floats(0, 10_000))
def test_the_gateways_time_lies_between_the_two_bounds(
    before: float, behind: float, later: float
) -> None:
    clock = Ticking()
    service = asked(clock, before, behind)
    clock.seconds += later
    true = NOW + (behind + later) * 1000  # since the moment at which it made its stamp
    assert service.earliest_time() <= true + 0.001  # floats
    assert true <= service.latest_time() + 0.001


@given(ways, ways)
def test_the_bounds_are_no_further_apart_than_the_answer_took(before: float, behind: float) -> None:
    clock = Ticking()
    service = asked(clock, before, behind)
    assert service.latest_time() - service.earliest_time() <= (before + behind) * 1000 + 2


def test_neither_bound_goes_back() -> None:
    clock = Ticking()
    service = asked(clock, 1, 1)
    seen = []
    for _ in range(50):
        clock.seconds += 0.0007
        seen.append((service.earliest_time(), service.latest_time()))
    assert seen == sorted(seen)
    assert seen[-1][0] == NOW + 35


def test_a_gateway_that_does_not_answer_leaves_no_clock() -> None:
    gateway = Answering(Ticking(), broken=True)
    with pytest.raises(GatewayError):
        asyncio.run(ServiceClock.ask(cast("Gateway", gateway), gateway.clock))


@pytest.mark.parametrize(
    ("passed", "allowed"),
    [(0, True), (84.998, True), (85.0, False), (119, False), (121, False), (10_000, False)],
)
def test_a_start_is_allowed_until_one_request_and_a_margin_before_the_claim_ends(
    passed: float, allowed: bool
) -> None:
    clock = Ticking()
    lease = lease_of(asked(clock), 120)
    clock.seconds += passed
    assert lease.allows_start() is allowed
    assert (lease.seconds_left() > 0) is allowed
    assert lease.seconds_left() == pytest.approx(85 - passed, abs=0.002)


def test_the_time_that_a_slow_answer_took_counts_against_the_claim() -> None:
    clock = Ticking()
    service = asked(clock, before=0, behind=80)  # the stamp may have been made at once
    assert lease_of(service, 120).seconds_left() == pytest.approx(5, abs=0.002)


@given(ways, ways, st.floats(0, 300), st.floats(1, 300), st.floats(0, 60))
def test_a_start_that_is_allowed_ends_before_the_claim_by_the_gateways_clock(
    before: float, behind: float, later: float, seconds: float, reserve: float
) -> None:
    clock = Ticking()
    lease = lease_of(asked(clock, before, behind), seconds, reserve)
    clock.seconds += later
    if lease.allows_start():
        true = NOW + (behind + later) * 1000
        assert true + reserve * 1000 < lease.until + 1


def test_the_clock_is_as_old_as_the_question_and_not_as_the_answer() -> None:
    clock = Ticking()
    service = asked(clock, before=2, behind=3)
    clock.seconds += 4
    assert service.age() == pytest.approx(9)


# A clock that stands still


def asked_again(passed: float, moved: int) -> ServiceClock:
    """What a second question brings, so many seconds later; the clock moved by so many ms."""
    clock = Ticking()
    first = asked(clock)
    clock.seconds += passed
    gateway = Answering(clock, stamp=after(NOW, moved))
    return asyncio.run(first.ask_again(cast("Gateway", gateway), margin=5))


@pytest.mark.parametrize("passed", [5.1, 60, 3_600])
def test_a_clock_that_stood_still_between_two_questions_is_not_believed(passed: float) -> None:
    """A cache answers: nobody knows how old its answer already was at the first question."""
    with pytest.raises(RefusedError, match=r"the gateway's clock stood still for \d+ s"):
        asked_again(passed, 0)


def test_a_clock_that_stands_still_is_not_believed_however_often_it_is_asked() -> None:
    clock = Ticking()
    service = asked(clock)
    gateway = cast("Gateway", Answering(clock, stamp=NOW))

    async def main() -> None:
        again = service
        for _ in range(3):
            clock.seconds += 2
            again = await again.ask_again(gateway, margin=5)

    with pytest.raises(RefusedError, match="stood still for 6 s"):
        asyncio.run(main())


@pytest.mark.parametrize(("passed", "moved"), [(0, 0), (4.9, 0), (60, 1), (60, -1), (60, 60_000)])
def test_a_clock_that_moved_or_was_just_asked_is_believed(passed: float, moved: int) -> None:
    assert asked_again(passed, moved).stamp == after(NOW, moved)


# A clock that jumps


@dataclass
class LoopTime:
    """A local clock that shows the time of a virtual loop."""

    loop: VirtualLoop

    def elapsed(self) -> float:
        return self.loop.now

    def wall(self) -> EpochMs:
        raise AssertionError("nothing is decided by the local idea of the time")


@dataclass
class Jumping:
    """A gateway whose clock jumps by so many seconds after a while, or that falls silent."""

    loop: VirtualLoop
    jump: float = 0.0
    at: float = 60.0
    silent: bool = False
    asked: int = 0

    async def current_time(self) -> EpochMs:
        self.asked += 1
        await asyncio.sleep(0.2)
        if self.silent and self.loop.now > self.at:
            raise GatewayError("no answer")
        jumped = self.jump if self.loop.now >= self.at else 0.0
        stamp = after(NOW, int((self.loop.now + jumped) * 1000))
        await asyncio.sleep(0.3)
        return stamp


def watched(gateway: Jumping, seconds: float) -> Lease:
    """A lease of an hour that was watched for so long."""

    async def watch() -> Lease:
        service = await ServiceClock.ask(cast("Gateway", gateway), LoopTime(gateway.loop))
        lease = lease_of(service, 3_600)
        task = asyncio.create_task(lease.watch(cast("Gateway", gateway), margin=5))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return lease

    try:
        return gateway.loop.run_until_complete(watch())
    finally:
        gateway.loop.close()


@pytest.mark.parametrize("jump", [6.5, 3_600, -6.5, -3_600])
def test_nothing_is_started_any_more_once_the_gateways_clock_has_jumped(jump: float) -> None:
    assert watched(Jumping(VirtualLoop(), jump), 50).allows_start()  # not yet
    lease = watched(Jumping(VirtualLoop(), jump), 60 + 35 / 2 + 2)
    assert lease.jumped == pytest.approx(jump, abs=1.1)
    assert not lease.allows_start()
    assert lease.seconds_left() == 0


@pytest.mark.parametrize("jump", [0, 4.9, -4.9])
def test_a_clock_that_is_off_by_less_than_the_margin_is_no_reason_to_stop(jump: float) -> None:
    lease = watched(Jumping(VirtualLoop(), jump), 1_000)
    assert (lease.jumped, lease.allows_start()) == (0, True)


def test_a_gateway_that_does_not_tell_the_time_is_asked_again() -> None:
    gateway = Jumping(VirtualLoop(), silent=True)
    assert watched(gateway, 1_000).allows_start()
    assert gateway.asked > 50


# A claim of a clock that was set back

CLAIM = Nonce("c1")
LEDGER = a_ledger(a_claim(a_run(), at=after(NOW, 3_600_000)))  # it seems to begin in an hour
LASTS = CLAIM_MS / 1000


def test_a_claim_that_was_seen_for_longer_than_it_was_made_for_has_lapsed() -> None:
    clock = Ticking()
    lapses = Lapses(clock=clock)
    for passed in (0, LASTS, 5):  # the last one is just the margin
        clock.seconds += passed
        lapses.notice(LEDGER, NOW, margin=5)
        assert lapses.lapsed == {}
    clock.seconds += 0.1
    lapses.notice(LEDGER, after(NOW, 7), margin=5)
    assert lapses.lapsed == {CLAIM: after(NOW, 7)}
    clock.seconds += 100
    lapses.notice(LEDGER, after(NOW, 9), margin=5)
    assert lapses.lapsed == {CLAIM: after(NOW, 7)}


def test_the_time_counts_from_when_the_claim_was_first_seen() -> None:
    clock = Ticking()
    lapses = Lapses(clock=clock)
    lapses.notice(a_ledger(), NOW, margin=5)
    clock.seconds += 10 * LASTS
    lapses.notice(LEDGER, NOW, margin=5)
    clock.seconds += LASTS
    lapses.notice(LEDGER, NOW, margin=5)
    assert lapses.lapsed == {}


def test_when_a_claim_will_lapse_is_told_by_the_gateways_clock_and_not_told_anew_for_less() -> None:
    clock = Ticking()
    lapses = Lapses(clock=clock)
    for passed, more in ((0, 0), (10, 900), (20, -900)):
        clock.seconds = 1000 + passed
        lapses.notice(LEDGER, after(NOW, passed * 1000 + more), margin=5)
        assert lapses.expected == {CLAIM: after(NOW, CLAIM_MS + 5_000)}
    lapses.notice(LEDGER, after(NOW, 20_000 - 3_600_000), margin=5)
    assert lapses.expected == {CLAIM: after(NOW, CLAIM_MS + 5_000 - 3_600_000)}


def test_a_claim_that_has_expired_by_the_gateways_clock_need_not_lapse() -> None:
    clock = Ticking()
    lapses = Lapses(clock=clock)
    for _ in range(3):
        lapses.notice(LEDGER, after(NOW, 3_600_000 + CLAIM_MS), margin=5)
        clock.seconds += 10 * LASTS
    assert (lapses.lapsed, lapses.seen) == ({}, {})
