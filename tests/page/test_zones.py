"""The page tells the time by numbers, as the gateway's zone has it."""

from bisect import bisect_right
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import EpochMs
from reconciler.render.page.columns import offsets
from reconciler.times import parse_instant, parse_zone, zoned_time

FIRST, LAST = (parse_instant(f"{year}-06-01T00:00:00Z") for year in (2019, 2025))
ZONES = ("GMT+8", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu")


@cache
def _found(name: str) -> list[list[int]]:
    return offsets(parse_zone(name), FIRST, LAST)


@pytest.mark.parametrize("name", ZONES)
@given(instant=st.integers(FIRST, LAST))
def test_the_offsets_are_those_of_the_zone_at_any_time(name: str, instant: int) -> None:
    zone = parse_zone(name)
    found = _found(name)
    at = bisect_right([since for since, _ in found], instant) - 1
    expected = zoned_time(EpochMs(instant), zone).utcoffset()
    assert timedelta(seconds=found[max(at, 0)][1]) == expected


@pytest.mark.parametrize("name", ZONES[1:])
def test_an_offset_counts_from_the_very_second_on(name: str) -> None:
    zone = parse_zone(name)
    for since, seconds in _found(name)[1:]:
        before, after = (zoned_time(EpochMs(one), zone).utcoffset() for one in (since - 1, since))
        assert after == timedelta(seconds=seconds) != before


def test_a_zone_that_never_changes_is_one_pair() -> None:
    assert offsets(parse_zone("GMT-03:30"), FIRST, LAST) == [[FIRST, -12_600]]


def test_times_that_no_calendar_has_are_no_trouble() -> None:
    far = EpochMs(10**17)
    assert offsets(parse_zone("Europe/Berlin"), far, far) == [[far, 0]]
