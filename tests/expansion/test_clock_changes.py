"""Backfills across changes of the clock, against what clocks show minute by minute."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import EpochMs
from reconciler.times import business_date, format_instant, parse_instant
from tests.expansion.building import (
    CHANGES,
    DAY,
    Clocks,
    clocks_around,
    expanded,
    labels,
    runs,
    shown,
)
from tests.sampling import examples

changes = st.sampled_from(CHANGES)
minutes_of_a_day = st.integers(0, 24 * 60 - 1).map(lambda minutes: time(*divmod(minutes, 60)))


def starts(spec: Mapping[str, object], zone: str) -> list[EpochMs]:
    result = expanded(spec, zone, max_runs=20_000)
    assert {problem.code for problem in result.problems} <= {"empty"}
    return [run.trigger_time for run in result.runs]


def meant(clocks: Clocks, wall: datetime, ends: set[EpochMs]) -> list[EpochMs]:
    """When a time is meant that clocks show: first, or at an end of the range."""
    shown_at = clocks.both(wall.replace(tzinfo=None))
    return [at for at in shown_at if at in ends] or shown_at[:1]


@given(changes, st.sampled_from([1, 15, 30, 45, 60, 90, 120, 420]), st.data())
@examples(150)
def test_a_step_below_a_day_meets_each_minute_that_clocks_show_on_its_grid(
    change: tuple[str, date], minutes: int, data: st.DataObject
) -> None:
    """Of one that they show twice both if the step is an hour or less, or else the first."""
    clocks = clocks_around(change)
    ends = st.sampled_from(list(clocks.shown))
    first, last = sorted(data.draw(st.tuples(ends, ends)))
    grid = clocks.shown[first].replace(tzinfo=None)
    expected = [
        at
        for at, clock in clocks.shown.items()
        if first <= at <= last
        and (clock.replace(tzinfo=None) - grid) % timedelta(minutes=minutes) == timedelta()
        and (minutes <= 60 or at in meant(clocks, clock, {first, last}))
    ]
    given_times = {"from": format_instant(first), "to": format_instant(last)}
    assert starts({"triggerTimes": {**given_times, "every": f"{minutes}m"}}, change[0]) == expected


@given(changes, minutes_of_a_day, st.integers(-3, 0), st.integers(0, 2))
@examples(150)
def test_a_daily_business_date_starts_when_clocks_first_show_its_time_or_past_the_gap(
    change: tuple[str, date], at: time, before: int, after: int
) -> None:
    dates = [change[1] + timedelta(days=days) for days in range(before, after + 1)]
    clocks = clocks_around(change)
    expected = [one for day in dates for one in clocks.moved_on(datetime.combine(day + DAY, at))]
    given_dates = {"from": str(dates[0]), "to": str(dates[-1]), "every": "1d"}
    assert starts({"businessDates": given_dates, "at": f"{at:%H:%M}"}, change[0]) == expected


@given(changes, st.sampled_from([15, 30, 60, 90, 480]), minutes_of_a_day)
@examples(100)
def test_steps_within_a_business_date_begin_anew_each_day(
    change: tuple[str, date], minutes: int, at: time
) -> None:
    clocks, expected = clocks_around(change), []
    for day in (change[1] - DAY, change[1]):
        wall = datetime.combine(day + DAY, at)
        while wall.date() == day + DAY:
            expected += clocks.both(wall) if minutes <= 60 else clocks.first(wall)
            wall += timedelta(minutes=minutes)
    given_dates = {"from": str(change[1] - DAY), "to": str(change[1]), "every": f"{minutes}m"}
    found = starts({"businessDates": given_dates, "at": f"{at:%H:%M}"}, change[0])
    assert found == sorted(expected)


CRON = {
    "30 1 * * *": {time(1, 30)},
    "59 23 * * *": {time(23, 59)},
    "15 0-2,23 * * *": {time(hour, 15) for hour in (0, 1, 2, 23)},
    "*/20 * * * *": {time(hour, minute) for hour in range(24) for minute in (0, 20, 40)},
}


@given(changes, st.sampled_from(list(CRON)), st.data())
@examples(150)
def test_cron_meets_each_hour_of_the_clock_or_each_of_its_fixed_times_once(
    change: tuple[str, date], cron: str, data: st.DataObject
) -> None:
    clocks = clocks_around(change)
    days = [change[1] + timedelta(days=days) for days in range(-2, 3)]
    walls = [datetime.combine(day, at) for day in days for at in CRON[cron]]
    expected = [
        at
        for wall in walls
        for at in (clocks.both(wall) if "*" in cron.split()[1] else clocks.moved_on(wall))
    ]
    earliest, latest = min(expected), max(expected)
    ends = st.sampled_from([at for at in clocks.shown if earliest <= at <= latest])
    first, last = sorted(data.draw(st.tuples(ends, ends)))
    if "*" not in cron.split()[1]:
        expected = [
            at
            for wall in walls
            for at in (
                meant(clocks, wall, {first, last}) if clocks.both(wall) else clocks.moved_on(wall)
            )
        ]
    given_times = {"from": format_instant(first), "to": format_instant(last), "cron": cron}
    # A time that is moved on may meet another one of the expression: that is one run.
    in_range = sorted({at for at in expected if first <= at <= last})
    assert starts({"triggerTimes": given_times}, change[0]) == in_range


@given(changes, st.sampled_from(["1m", "30m", "1h", "90m", "6h", "1d"]))
@examples(120)
def test_no_two_times_of_a_backfill_share_a_name_or_an_instant(
    change: tuple[str, date], every: str
) -> None:
    given_dates = {"from": str(change[1] - 2 * DAY), "to": str(change[1] + 2 * DAY), "every": every}
    found = runs({"businessDates": given_dates}, change[0])
    assert len({run.name for run in found}) == len(found)
    assert len({run.trigger_time for run in found}) == len(found)
    assert len({run.digest for run in found}) == len(found)


@given(changes, st.sampled_from(["1d", "1h", "45m"]), minutes_of_a_day)
@examples(120)
def test_a_run_is_named_after_the_date_that_its_flow_processes(
    change: tuple[str, date], every: str, at: time
) -> None:
    spec = {
        "businessDates": {
            "from": str(change[1] - 3 * DAY),
            "to": str(change[1] + 2 * DAY),
            "every": every,
        },
        "at": f"{at:%H:%M}",
    }
    zone = clocks_around(change).zone
    for run in runs(spec, change[0]):
        named = date.fromisoformat(run.name.split("/")[1][:10])
        assert named == business_date(run.trigger_time, zone)


def test_an_hour_that_comes_twice_is_met_twice_and_the_second_named_with_its_offset() -> None:
    given_times = {
        "from": "2024-11-03T00:30:00-05:00",
        "to": "2024-11-03T02:30:00-06:00",
        "every": "30m",
    }
    found = runs({"triggerTimes": given_times}, "America/Chicago")
    assert labels(found) == [
        *("2024-11-03T00:30", "2024-11-03T01:00", "2024-11-03T01:30"),
        *("2024-11-03T01:00-06:00", "2024-11-03T01:30-06:00"),
        *("2024-11-03T02:00", "2024-11-03T02:30"),
    ]
    assert len({run.trigger_time for run in found}) == 7


def test_a_range_that_begins_within_the_first_hour_meets_all_of_the_second() -> None:
    """Its earlier times lie before `from` on the clock, and after it in truth."""
    given_times = {
        "from": "2024-11-03T01:30:00-04:00",
        "to": "2024-11-03T02:00:00-05:00",
        "every": "30m",
    }
    assert labels(runs({"triggerTimes": given_times}, "America/New_York")) == [
        *("2024-11-03T01:30", "2024-11-03T01:00-05:00"),
        *("2024-11-03T01:30-05:00", "2024-11-03T02:00"),
    ]


def test_hours_of_the_date_before_are_met_again_where_clocks_go_back_over_midnight() -> None:
    ends = {"from": "2010-03-05T00:30:00+11:00", "to": "2010-03-05T00:30:00+08:00"}
    found = runs({"triggerTimes": {**ends, "every": "30m"}}, "Antarctica/Casey")
    assert labels(found) == [
        *("2010-03-05T00:30", "2010-03-05T01:00", "2010-03-05T01:30"),
        *("2010-03-04T23:00+08:00", "2010-03-04T23:30+08:00"),
        *("2010-03-05T00:00+08:00", "2010-03-05T00:30+08:00"),
    ]
    ends["to"] = "2010-03-04T23:30:00+08:00"
    assert (
        labels(runs({"triggerTimes": {**ends, "every": "30m"}}, "Antarctica/Casey"))
        == (labels(found)[:5])
    )


def test_a_time_that_moved_on_is_in_the_range_that_it_moved_into() -> None:
    ends = {"from": "2024-03-10T03:10:00-04:00", "to": "2024-03-10T12:00:00-04:00"}
    found = runs({"triggerTimes": {**ends, "cron": "30 2 * * *"}}, "America/New_York")
    assert labels(found) == ["2024-03-10"]
    assert shown(found, "America/New_York") == ["2024-03-10T03:30"]


@pytest.mark.parametrize("spec", [{"every": "1d"}, {"every": "24h"}, {"cron": "30 23 * * *"}])
def test_a_time_that_would_move_on_to_another_date_is_the_last_minute_of_its_own(
    spec: dict[str, str],
) -> None:
    """Or one business date would be processed twice, and its neighbour never."""
    at = {} if "cron" in spec else {"at": "23:30"}
    given_dates = {"from": "2024-03-28", "to": "2024-03-30", **spec}
    found = runs({"businessDates": given_dates, **at}, "America/Nuuk")
    assert [label[:10] for label in labels(found)] == ["2024-03-28", "2024-03-29", "2024-03-30"]
    assert shown(found, "America/Nuuk") == [
        *("2024-03-29T23:30", "2024-03-30T22:59", "2024-03-31T23:30"),
    ]


def test_a_skipped_time_of_a_cron_that_meets_another_of_its_times_is_one_run() -> None:
    given_dates = {"from": "2024-03-09", "to": "2024-03-09", "cron": "30 1,2,3 * * *"}
    found = runs({"businessDates": given_dates}, "America/New_York")
    assert labels(found) == ["2024-03-09T01:30", "2024-03-09T03:30"]
    given_dates = {"from": "2024-03-29", "to": "2024-03-29", "cron": "0,30 23 * * *"}
    found = runs({"businessDates": given_dates}, "America/Nuuk")
    assert (labels(found), shown(found, "America/Nuuk")) == (
        ["2024-03-29T23:00"],
        ["2024-03-30T22:59"],
    )


def test_a_second_time_in_a_cron_does_not_change_what_clocks_do_to_the_first() -> None:
    ends = {"from": "2024-03-09", "to": "2024-03-09"}
    one = runs({"businessDates": {**ends, "cron": "30 2 * * *"}}, "America/New_York")
    two = runs({"businessDates": {**ends, "cron": "30 2,8 * * *"}}, "America/New_York")
    assert two[0].trigger_time == one[0].trigger_time


@pytest.mark.parametrize("hours", ["*", "*/1"])
def test_a_cron_of_every_hour_names_what_a_step_of_an_hour_does(hours: str) -> None:
    for day in ("2024-03-09", "2024-11-02"):
        ends = {"from": day, "to": day}
        cron = runs({"businessDates": {**ends, "cron": f"30 {hours} * * *"}}, "America/New_York")
        step = runs({"businessDates": {**ends, "every": "1h"}, "at": "00:30"}, "America/New_York")
        assert [(run.name, run.digest) for run in cron] == [(run.name, run.digest) for run in step]
    assert "2024-11-02T01:30-05:00" in labels(cron)


def test_an_hour_that_is_skipped_is_left_out_below_a_day_and_moves_on_otherwise() -> None:
    dates = {"from": "2024-03-09", "to": "2024-03-09"}
    hourly = runs({"businessDates": {**dates, "every": "1h"}, "at": "01:00"}, "America/New_York")
    assert labels(hourly)[:3] == ["2024-03-09T01:00", "2024-03-09T03:00", "2024-03-09T04:00"]
    daily = runs({"businessDates": {**dates, "every": "1d"}, "at": "02:30"}, "America/New_York")
    assert (labels(daily), shown(daily, "America/New_York")) == (
        ["2024-03-09"],
        ["2024-03-10T03:30"],
    )


@pytest.mark.parametrize(
    ("every", "first", "names"),
    [
        ("24h", "2024-03-09T02:30:00-05:00", ["09T02:30", "10T02:30", "11T02:30"]),
        ("36h", "2024-03-08T14:30:00-05:00", ["08T14:30", "10T02:30", "11T14:30"]),
    ],
)
def test_hours_that_make_up_a_day_move_on_and_keep_the_name_of_their_own_time(
    every: str, first: str, names: list[str]
) -> None:
    ends = {"from": first, "to": "2024-03-11T14:30:00-04:00", "every": every}
    found = runs({"triggerTimes": ends}, "America/New_York")
    assert labels(found) == [f"2024-03-{name}" for name in names]
    assert shown(found, "America/New_York")[1] == "2024-03-10T03:30"


def test_half_an_hour_is_repeated_on_lord_howe() -> None:
    given_dates = {"from": "2024-04-06", "to": "2024-04-06", "every": "15m"}
    found = labels(runs({"businessDates": given_dates, "at": "01:15"}, "Australia/Lord_Howe"))
    assert found[:6] == [
        *("2024-04-06T01:15", "2024-04-06T01:30", "2024-04-06T01:45"),
        *("2024-04-06T01:30+10:30", "2024-04-06T01:45+10:30", "2024-04-06T02:00"),
    ]


def test_a_midnight_that_is_skipped_starts_at_one_in_sao_paulo() -> None:
    given_dates = {"from": "2018-11-02", "to": "2018-11-04", "every": "1d"}
    found = runs({"businessDates": given_dates}, "America/Sao_Paulo")
    assert labels(found) == ["2018-11-02", "2018-11-03", "2018-11-04"]
    assert shown(found, "America/Sao_Paulo") == [
        *("2018-11-03T00:00", "2018-11-04T01:00", "2018-11-05T00:00"),
    ]


@pytest.mark.parametrize("every", ["1d", "12h"])
def test_nothing_starts_on_a_date_that_never_was(every: str) -> None:
    """It would start together with that of the next date, and process the same."""
    ends = {"from": "2011-12-28T00:00:00-10:00", "to": "2012-01-01T00:00:00+14:00"}
    found = runs({"triggerTimes": {**ends, "every": every}}, "Pacific/Apia")
    assert sorted({label[:10] for label in labels(found)}) == [
        *("2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"),
    ]
    given_dates = {"from": "2011-12-27", "to": "2011-12-31", "every": every}
    found = runs({"businessDates": given_dates}, "Pacific/Apia")
    assert sorted({clock[:10] for clock in shown(found, "Pacific/Apia")}) == [
        *("2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"),
    ]


@pytest.mark.parametrize(
    ("every", "following"),
    [
        ("1d", ["2024-11-04", "2024-11-05"]),
        ("24h", ["2024-11-04T01:30", "2024-11-05T01:30"]),
        ("30h", ["2024-11-04T07:30"]),
    ],
)
def test_an_end_that_clocks_show_for_the_second_time_is_included(
    every: str, following: list[str]
) -> None:
    second = "2024-11-03T01:30:00-05:00"
    ends = {"from": second, "to": "2024-11-05T01:30:00-05:00", "every": every}
    found = runs({"triggerTimes": ends}, "America/New_York")
    assert labels(found) == ["2024-11-03T01:30-05:00", *following]
    assert found[0].trigger_time == parse_instant(second)
    ends = {"from": "2024-11-01T13:30:00-04:00", "to": second, "every": "12h"}
    found = runs({"triggerTimes": ends}, "America/New_York")
    assert labels(found)[-2:] == ["2024-11-02T13:30", "2024-11-03T01:30-05:00"]
    assert found[-1].trigger_time == parse_instant(second)


def test_a_range_whose_ends_are_both_times_of_a_repeated_hour_includes_both() -> None:
    ends = {"from": "2024-11-03T01:30:00-04:00", "to": "2024-11-03T01:30:00-05:00", "every": "1d"}
    found = runs({"triggerTimes": ends}, "America/New_York")
    assert labels(found) == ["2024-11-03", "2024-11-03T01:30-05:00"]


def test_month_ends_are_taken_from_the_calendar_in_the_zone() -> None:
    ends = {"from": "2024-01-30T20:00:00Z", "to": "2024-04-29T20:00:00Z", "every": "1mo"}
    found = runs({"triggerTimes": ends}, "GMT+8")
    assert labels(found) == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]
    assert shown(found, "GMT+8")[1] == "2024-02-29T04:00"
