"""Instants in the gateway's zone."""

from datetime import timedelta, timezone

import pytest

from reconciler.model import EpochMs
from reconciler.render.moments import clock_time, ledger_time, processed_date, zone_name
from reconciler.times import parse_zone
from tests.render.values import EIGHT, SHANGHAI


@pytest.mark.parametrize(
    "name", ["GMT", "GMT+8", "GMT-3", "GMT+05:30", "GMT-09:30", "Asia/Shanghai"]
)
def test_a_zone_is_called_what_the_configuration_calls_it(name: str) -> None:
    assert zone_name(parse_zone(name)) == name


def test_the_zone_of_a_fixed_offset_is_named_in_hours() -> None:
    assert zone_name(timezone(timedelta(hours=8))) == "GMT+8"


def test_a_time_is_shown_by_the_clocks_of_the_zone() -> None:
    assert clock_time(EIGHT, SHANGHAI) == "2024-03-02 08:00:00"
    assert clock_time(EIGHT, parse_zone("GMT-3")) == "2024-03-01 21:00:00"


def test_milliseconds_are_shown_where_there_are_any() -> None:
    assert clock_time(EpochMs(EIGHT + 7), SHANGHAI) == "2024-03-02 08:00:00.007"


def test_the_business_date_is_the_day_before_in_the_zone() -> None:
    assert processed_date(EIGHT, SHANGHAI) == "2024-03-01"
    assert processed_date(EIGHT, parse_zone("GMT-3")) == "2024-02-29"


@pytest.mark.parametrize("instant", [10**17, -(10**17)])
def test_an_instant_that_no_calendar_has_is_shown_as_its_number(instant: int) -> None:
    assert clock_time(EpochMs(instant), SHANGHAI) == f"{instant} ms"
    assert processed_date(EpochMs(instant), SHANGHAI) == ""


def test_a_ledger_time_is_shown_in_the_zone_and_an_unreadable_one_as_it_is() -> None:
    assert ledger_time("2024-03-02T00:00:00Z", SHANGHAI) == "2024-03-02 08:00:00"
    assert ledger_time("yesterday", SHANGHAI) == "yesterday"
