"""Instants, zones and business dates."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.model import EpochMs
from reconciler.times import (
    _zone,
    _zone_names,
    business_date,
    business_date_instant,
    date_exists,
    end_of_date,
    format_instant,
    local_instant,
    occurrences,
    parse_foreign_zone,
    parse_instant,
    parse_zone,
    zoned_time,
)
from tests.expansion.building import CHANGES, clocks_around

FIRST = parse_instant("0001-01-01T00:00:00Z")
LAST = parse_instant("9999-12-31T23:59:59.999Z")
ZONES = (
    *("Europe/Berlin", "America/New_York", "Asia/Shanghai", "America/Nuuk"),
    *("GMT+8", "GMT-03:30", "GMT"),
)

instants = st.integers(FIRST, LAST).map(EpochMs)
# A day off each end of the calendar, so that every zone can show the instant.
local_days = st.dates(date(1900, 1, 1), date(2200, 1, 1))
clock_times = st.times().map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))


def utc(text: str) -> EpochMs:
    return parse_instant(f"{text}Z")


@given(instants)
def test_an_instant_written_and_read_again_is_the_same(instant: EpochMs) -> None:
    assert parse_instant(format_instant(instant)) == instant


@given(instants, st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_an_instant_is_the_same_whatever_offset_it_is_written_with(
    instant: EpochMs, minutes: int
) -> None:
    offset = timedelta(minutes=minutes)
    try:
        shown = datetime(1970, 1, 1) + timedelta(milliseconds=instant) + offset  # noqa: DTZ001 - the offset is written out below
    except OverflowError:
        return
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    text = f"{shown.isoformat(timespec='milliseconds')}{sign}{size // 60:02d}:{size % 60:02d}"
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ("2024-03-02t08:00:00.1239+08:00", "2024-03-02T00:00:00.123Z"),
        ("2024-03-02T08:00:00.5z", "2024-03-02T08:00:00.500Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("0999-06-01T00:00:00Z", "0999-06-01T00:00:00.000Z"),
    ],
)
def test_instants_are_written_in_utc_and_cut_to_the_millisecond(text: str, written: str) -> None:
    assert format_instant(parse_instant(text)) == written


@pytest.mark.parametrize(
    "text",
    ["2024-03-02", "2024-03-02T08:00", "2024-03-02 08:00:00", "2024-03-02T08:00:00.250"],
)
def test_a_time_without_an_offset_is_told_to_have_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"needs a time and an offset, such as 2024.*\+08:00"):
        parse_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "1709337600000",
        "2024-03-02T08:00:00+0800",
        "2024-03-02 08:00:00Z",
        "2024-03-02T08:00:00Z ",
        "2024-03-02T08:00:00Z\n",
        "٢٠٢٤-03-02T08:00:00Z",
    ],
)
def test_other_words_are_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match="is not an RFC 3339 date-time"):
        parse_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+00:60",
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-08:00",
    ],
)
def test_a_time_that_cannot_be_written_again_in_utc_does_not_exist(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date-time that exists"):
        parse_instant(text)


@example(*("2024-02-30", "00:00:00", "Z"))
@example(*("2024-03-01", "23:59:60", "+08:00"))
@example(*("2024-03-01", "23:59:59", "+14:59"))
@given(
    st.from_regex(r"(19[6-9]|20|21)[0-9][0-9]?-[01][0-9]-[0-3][0-9]", fullmatch=True),
    st.from_regex(r"[012][0-9]:[0-6][0-9]:[0-6][0-9]", fullmatch=True),
    st.just("Z") | st.from_regex(r"[+-][01][0-9]:[0-6][0-9]", fullmatch=True),
)
def test_the_letters_of_an_instant_may_be_small(day: str, clock: str, offset: str) -> None:
    """Each way of writing is read in a way of its own; both say the same, or refuse the same."""

    def found(text: str) -> str:
        try:
            return str(parse_instant(text))
        except ValueError as error:
            return str(error)

    assert found(f"{day}T{clock}{offset}") == found(f"{day}t{clock}{offset}")


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    try:
        instant = parse_instant(text)
    except ValueError:
        return
    assert FIRST <= instant <= LAST


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("GMT", 0),
        ("UTC", 0),
        ("GMT+8", 8),
        ("UTC+08:00", 8),
        ("GMT-3", -3),
        ("GMT+05:30", 5.5),
        ("GMT-0330", -3.5),
        ("Asia/Shanghai", 8),
    ],
)
def test_a_zone_goes_by_the_names_that_the_service_uses(name: str, hours: float) -> None:
    offset = zoned_time(utc("2024-03-02T00:00:00"), parse_zone(name)).utcoffset()
    assert offset == timedelta(hours=hours)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "GMT+24",
        "GMT+15",
        "GMT+14:01",
        "GMT-12:30",
        "GMT+8:60",
        "GMT8",
        "Mars/Olympus",
        "../etc/passwd",
        "/etc/localtime",
        "Asia",
        "a\0b",
        "\ud800",
        "x" * 5000,
    ],
)
def test_what_is_no_zone_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_zone(name)


@pytest.mark.parametrize(
    "name",
    [
        *("localtime", "Factory", "posixrules", "posix/Asia/Shanghai", "right/Asia/Shanghai"),
        *("LocalTime", "local", "right/UTC"),
    ],
)
def test_a_zone_that_each_machine_understands_otherwise_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="another zone on each machine"):
        parse_zone(name)


@pytest.mark.parametrize("name", ["asia/shanghai", "ASIA/SHANGHAI", "Asia/../Asia/Shanghai", "utc"])
def test_a_zone_is_written_as_in_the_list_of_all(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        parse_zone(name)


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        *(("+08:00", 480), ("+8", 480), ("+0800", 480), ("-03:30", -210), ("-0", 0)),
        *(("UTC+8", 480), ("GMT+08:00", 480), ("gmt+8", 480), ("utc", 0)),
        *(("asia/shanghai", 480), ("ASIA/SHANGHAI", 480), ("Asia/Shanghai", 480)),
    ],
)
def test_a_service_may_name_its_zone_in_its_own_way(name: str, minutes: int) -> None:
    zone = parse_foreign_zone(name)
    assert zoned_time(utc("2024-03-02T00:00:00"), zone).utcoffset() == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "name", ["CST", "cst", "8", "+24", "+8:5", "", "localtime", "Asia Shanghai"]
)
def test_but_not_in_one_that_may_mean_another_zone(name: str) -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_foreign_zone(name)


def test_no_two_zones_differ_in_case_only() -> None:
    """Else a service's name in another case could mean both."""
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    assert len({name.casefold() for name in names}) == len(names)


def test_zones_are_those_of_the_package_whatever_files_the_system_has(
    tmp_path: Path,
) -> None:
    """Two machines with other files would start other runs for one manifest."""
    summer = utc("2024-07-01T00:00:00")
    (tmp_path / "Europe").mkdir()
    shanghai = files("tzdata.zoneinfo") / "Asia" / "Shanghai"
    for name in ("Paris", "Rome"):
        (tmp_path / "Europe" / name).write_bytes(shanghai.read_bytes())
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path])
    zoneinfo.ZoneInfo.clear_cache()
    _zone.cache_clear()
    try:
        for name in ("Europe/Paris", "Europe/Rome"):
            zone = parse_zone(name)
            assert zoned_time(summer, zone).utcoffset() == timedelta(hours=2)
            assert str(zone) == name
            assert zone is parse_zone(name)
    finally:
        zoneinfo.reset_tzpath(before)
        zoneinfo.ZoneInfo.clear_cache()


def test_all_names_of_the_list_are_zones() -> None:
    for name in _zone_names():
        assert parse_zone(name).utcoffset(datetime(2024, 3, 1)) is not None  # noqa: DTZ001 - of a zone


@given(local_days, clock_times, st.sampled_from(ZONES))
def test_a_local_time_that_clocks_show_is_shown_at_its_instant(
    day: date, at: time, name: str
) -> None:
    zone = parse_zone(name)
    instant = local_instant(day, at, zone)
    assert instant is not None
    shown = zoned_time(instant, zone).replace(tzinfo=None)
    skipped = shown - datetime.combine(day, at)  # positive only where the clock skips the time
    if skipped:
        assert timedelta(0) < skipped <= timedelta(hours=1)
        before = zoned_time(EpochMs(instant - 3_600_000), zone)
        assert before.utcoffset() != zoned_time(instant, zone).utcoffset()


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        # Clocks go forward: 02:30 does not exist, and moves on by the hour that was skipped.
        ("Europe/Berlin", date(2024, 3, 31), time(2, 30), "2024-03-31T01:30:00"),
        ("Europe/Berlin", date(2024, 3, 31), time(1, 59), "2024-03-31T00:59:00"),
        ("Europe/Berlin", date(2024, 3, 31), time(3, 0), "2024-03-31T01:00:00"),
        ("America/New_York", date(2024, 3, 10), time(2, 30), "2024-03-10T07:30:00"),
        # Clocks go back: 02:30 comes twice, and the first is meant.
        ("Europe/Berlin", date(2024, 10, 27), time(2, 30), "2024-10-27T00:30:00"),
        ("Europe/Berlin", date(2024, 10, 27), time(3, 0), "2024-10-27T02:00:00"),
        ("America/New_York", date(2024, 11, 3), time(1, 30), "2024-11-03T05:30:00"),
        # 23:00 to 24:00 do not exist: 23:30 would move on to the next date.
        ("America/Nuuk", date(2024, 3, 30), time(23, 30), "2024-03-31T00:59:00"),
        ("America/Nuuk", date(2024, 3, 30), time(22, 59, 30), "2024-03-31T00:59:30"),
        ("Asia/Dhaka", date(2009, 6, 19), time(23, 0), "2009-06-19T16:59:00"),
        # 23:30 to 00:30: the one half of the gap belongs to the date before, the other to the next.
        ("America/Toronto", date(1919, 3, 30), time(23, 45), "1919-03-31T04:29:00"),
        ("America/Toronto", date(1919, 3, 31), time(0, 15), "1919-03-31T05:15:00"),
        # No clocks are changed.
        ("Asia/Shanghai", date(2024, 3, 31), time(2, 30), "2024-03-30T18:30:00"),
        ("GMT+8", date(2024, 10, 27), time(2, 30), "2024-10-26T18:30:00"),
    ],
)
def test_a_local_time_has_one_instant_also_where_clocks_change(
    zone: str, day: date, at: time, instant: str
) -> None:
    assert local_instant(day, at, parse_zone(zone)) == utc(instant)


@given(st.dates(date(1992, 1, 1), date(2200, 1, 1)), clock_times)
def test_china_and_gmt_8_are_one_zone(day: date, at: time) -> None:
    # Since 1992: China changed its clocks in summer from 1986 to 1991.
    assert local_instant(day, at, parse_zone("Asia/Shanghai")) == local_instant(
        day, at, parse_zone("GMT+8")
    )


def test_the_trigger_time_of_a_business_date_is_the_next_day() -> None:
    instant = business_date_instant(date(2018, 3, 1), time(0, 0), parse_zone("GMT+8"))
    assert instant == parse_instant("2018-03-02T00:00:00+08:00")


@given(local_days, clock_times, st.sampled_from(ZONES))
def test_a_flow_processes_the_business_date_that_its_trigger_time_was_made_of(
    day: date, at: time, name: str
) -> None:
    zone = parse_zone(name)
    instant = business_date_instant(day, at, zone)
    assert instant is not None
    assert business_date(instant, zone) == day


@given(st.sampled_from(CHANGES), st.integers(-3 * 24 * 60, 3 * 24 * 60))
def test_a_wall_time_occurs_whenever_clocks_show_it(change: tuple[str, date], minutes: int) -> None:
    clocks = clocks_around(change)
    wall = datetime.combine(change[1], time(12)) + timedelta(minutes=minutes)
    assert occurrences(wall, clocks.zone) == tuple(clocks.both(wall))


@given(st.sampled_from(CHANGES), st.integers(0, 6 * 24 * 60))
@example(("America/St_Johns", date(2010, 11, 6)), 6630)  # a minute before clocks go back over
@example(("Antarctica/Casey", date(2010, 3, 5)), 4470)  # midnight
def test_a_date_ends_when_clocks_first_show_another(change: tuple[str, date], minutes: int) -> None:
    clocks = clocks_around(change)
    instant = EpochMs(min(clocks.shown) + minutes * 60_000)
    shown = clocks.shown[instant].date()
    assert end_of_date(EpochMs(instant + 30_000), clocks.zone) == next(
        at for at, clock in clocks.shown.items() if at > instant and clock.date() != shown
    )


def test_the_last_date_of_the_calendar_does_not_end() -> None:
    with pytest.raises(OverflowError):
        end_of_date(parse_instant("9999-12-31T12:00:00Z"), UTC)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_date_exists_if_clocks_ever_show_it(change: tuple[str, date]) -> None:
    clocks = clocks_around(change)
    for days in (-1, 0, 1):
        day = change[1] + timedelta(days=days)
        assert date_exists(day, clocks.zone) == (day in clocks.dates)


@given(local_days, clock_times, st.sampled_from(ZONES))
def test_a_time_that_occurs_at_all_occurs_first_at_its_local_instant(
    day: date, at: time, name: str
) -> None:
    found = occurrences(datetime.combine(day, at), parse_zone(name))
    assert found[:1] in {(local_instant(day, at, parse_zone(name)),), ()}
    assert list(found) == sorted(set(found))


@given(instants.filter(lambda instant: FIRST + 86_400_000 < instant < LAST - 86_400_000))
def test_an_instant_stays_itself_in_any_zone(instant: EpochMs) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)
    assert all(zoned_time(instant, parse_zone(name)) == moment for name in ZONES)
