import asyncio

from reconciler.enos.session import Pacing, Stamps
from reconciler.model import EpochMs


class Time:
    def __init__(self) -> None:
        self.now = 100.0
        self.left: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def turns(self, pacing: Pacing, number: int) -> None:
        for _ in range(number):
            await pacing.turn()
            self.left.append(self.now)


def test_requests_leave_evenly_spaced() -> None:
    time = Time()
    pacing = Pacing(4, elapsed=lambda: time.now, sleep=time.sleep)
    asyncio.run(time.turns(pacing, 4))
    assert time.left == [100.0, 100.25, 100.5, 100.75]


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    time = Time()
    pacing = Pacing(4, elapsed=lambda: time.now, sleep=time.sleep)
    asyncio.run(time.turns(pacing, 1))
    time.now = 200.0
    asyncio.run(time.turns(pacing, 2))
    assert time.left == [100.0, 200.0, 200.25]


def test_without_a_limit_nobody_waits() -> None:
    time = Time()
    pacing = Pacing(None, elapsed=lambda: time.now, sleep=time.sleep)
    asyncio.run(time.turns(pacing, 3))
    assert time.left == [100.0, 100.0, 100.0]


def test_unique_stamps_differ_within_one_millisecond_and_follow_a_clock_that_is_set_back() -> None:
    now = 50.0
    stamps = Stamps(lambda: now)
    assert [stamps.unique_stamp() for _ in range(3)] == [50_000, 50_001, 50_002]
    now = 10.0
    assert stamps.unique_stamp() == 10_000


def test_the_services_word_for_the_time_outranks_a_date_header() -> None:
    stamps = Stamps(lambda: 0.0)
    assert stamps.known_time() is None
    stamps.guess("Sat, 02 Mar 2024 00:00:00 GMT")
    assert stamps.now() == 1_709_337_600_000
    assert stamps.known_time() is None
    stamps.learn(EpochMs(5_000), at=0.0)
    stamps.guess("Sat, 02 Mar 2024 00:00:00 GMT")
    assert stamps.known_time() == 5_000


def test_a_date_header_that_is_none_teaches_nothing() -> None:
    stamps = Stamps(lambda: 1.0)
    for date in (None, "", "yesterday", "Sat, 99 Mar 2024 00:00:00 GMT"):
        stamps.guess(date)
    assert stamps.now() == 1_000
