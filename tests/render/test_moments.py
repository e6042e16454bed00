"""Instants in the gateway's zone."""

from datetime import date, timedelta, timezone

import pytest

from reconciler.model import EpochMs
from reconciler.plan import Action
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.plan_text import plan_text
from reconciler.render.words import (
    LONGEST_TIME,
    clock_time,
    ledger_time,
    local_times,
    processed_date,
    zone_name,
)
from reconciler.times import format_instant, parse_instant, parse_zone
from tests.expansion.building import CHANGES
from tests.render.values import EIGHT, SHANGHAI, a_plan, planned


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


@pytest.mark.parametrize(
    ("instant", "zone", "shown"),
    [
        ("2024-11-03T00:30:00-04:00", "America/New_York", "2024-11-03 00:30:00"),
        ("2024-11-03T01:30:00-04:00", "America/New_York", "2024-11-03 01:30:00-04:00"),
        ("2024-11-03T01:30:00-05:00", "America/New_York", "2024-11-03 01:30:00-05:00"),
        ("2024-11-03T01:30:00.007-05:00", "America/New_York", "2024-11-03 01:30:00.007-05:00"),
        ("2024-11-03T02:00:00-05:00", "America/New_York", "2024-11-03 02:00:00"),
        ("2010-11-07T00:00:00-02:30", "America/St_Johns", "2010-11-07 00:00:00-02:30"),
        ("2010-11-07T00:00:00-03:30", "America/St_Johns", "2010-11-07 00:00:00-03:30"),
        ("2024-03-10T03:30:00-04:00", "America/New_York", "2024-03-10 03:30:00"),
    ],
)
def test_a_time_that_clocks_show_twice_has_its_offset(instant: str, zone: str, shown: str) -> None:
    assert clock_time(parse_instant(instant), parse_zone(zone)) == shown


@pytest.mark.parametrize(("name", "day"), CHANGES)
def test_no_two_instants_are_shown_alike(name: str, day: date) -> None:
    noon = parse_instant(f"{day}T12:00:00Z")
    around = [EpochMs(noon + minutes * 60_000) for minutes in range(-36 * 60, 36 * 60, 10)]
    zone = parse_zone(name)
    assert len({clock_time(one, zone) for one in around}) == len(around)


def test_no_time_that_is_shown_is_longer_than_its_column() -> None:
    second = parse_instant("2024-11-03T01:30:00.007-05:00")
    assert len(clock_time(second, parse_zone("America/New_York"))) == LONGEST_TIME


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


def test_every_instant_in_a_reason_is_shown_in_the_zone_of_the_times_beside_it() -> None:
    reason = f"missed: notAfter was {format_instant(EIGHT)}"
    shown = "missed: notAfter was 2024-03-02 08:00:00 (GMT+8)"
    assert local_times(f"{reason}, {reason}", SHANGHAI) == f"{shown}, {shown}"
    assert local_times("until 2024-03-02T00:00:00Z", SHANGHAI) == "until 2024-03-02T00:00:00Z"
    plan = a_plan(planned("late", Action.WAIT, reason))
    assert f"\n{shown}\n" in plan_text(plan, SHANGHAI, width=80)
    assert shown.replace("(GMT+8)", "`(GMT+8)`") in plan_markdown([(plan, SHANGHAI)]).text
