"""The gateway's clock between two questions, and the time that a claim leaves."""

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.lease import Lease, ServiceClock
from reconciler.apply.ports import Gateway
from reconciler.errors import GatewayError
from reconciler.model import EpochMs
from tests.building import NOW, after


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

    async def current_time(self) -> EpochMs:
        self.clock.seconds += self.before
        stamp = NOW
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
    assert service.earliest() <= true + 0.001  # floats
    assert true <= service.latest() + 0.001


@given(ways, ways)
def test_the_bounds_are_no_further_apart_than_the_answer_took(before: float, behind: float) -> None:
    clock = Ticking()
    service = asked(clock, before, behind)
    assert service.latest() - service.earliest() <= (before + behind) * 1000 + 2


def test_neither_bound_goes_back() -> None:
    clock = Ticking()
    service = asked(clock, 1, 1)
    seen = []
    for _ in range(50):
        clock.seconds += 0.0007
        seen.append((service.earliest(), service.latest()))
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
