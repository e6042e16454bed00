"""Reading what the service says of an instance."""

import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reconciler.apply.ports import Instance
from reconciler.enos.listed import ListedWindow, read_instance, read_parameters, readings
from reconciler.enos.paged import Page
from reconciler.enos.search import search_flow
from reconciler.errors import GatewayError
from reconciler.model import EpochMs, InstanceId
from reconciler.times import parse_instant, parse_zone

ZONE = timezone(timedelta(hours=8))
SAMPLE = {  # the fields that matter of the reference's sample, zones and all
    "instanceId": "2438-201907261239",
    "flowId": 2438,
    "parameters": "[]",
    "status": 0,
    "statusDesc": "INIT",
    "triggerTime": "2019-07-26 20:39:00",
    "startTime": "2019-07-26 12:39:37",
    "timestamp": "2019-07-26 12:38:30.0",
}


def read(**changes: Any) -> Instance:
    return read_instance(SAMPLE | changes, ZONE)


def at(text: str) -> EpochMs:
    return parse_instant(text)


def test_the_references_own_sample_is_read_with_both_of_its_zones() -> None:
    now = at("2019-07-26T12:39:40Z")
    assert read_instance(SAMPLE, ZONE, now=now) == Instance(
        id=InstanceId("2438-201907261239"),
        flow_id=2438,
        trigger_time=at("2019-07-26T12:39:00Z"),
        created=at("2019-07-26T04:38:30Z"),
        created_latest=at("2019-07-26T12:38:30Z"),
        parameters=(),
        status=0,
        carried="[]",
        created_times=(at("2019-07-26T04:38:30Z"), at("2019-07-26T12:38:30Z")),
        trigger_times=(at("2019-07-26T12:39:00Z"), at("2019-07-26T20:39:00Z")),
        trigger_unit=60_000,
    )


def test_a_fresh_stamp_in_the_servers_zone_is_not_taken_for_one_in_utc() -> None:
    now = at("2019-07-26T12:39:40Z")
    one = read_instance(SAMPLE | {"timestamp": "2019-07-26 20:38:30"}, ZONE, now=now)
    assert one.created_latest == at("2019-07-26T12:38:30Z")


def test_an_old_stamp_that_may_mean_two_times_is_never_read_as_the_earlier_one() -> None:
    now = at("2019-07-28T00:00:00Z")
    for zone in (ZONE, timezone(timedelta(hours=-5))):
        created = read_instance(SAMPLE, zone, now=now).created_latest
        assert created == max(readings(SAMPLE["timestamp"], zone))


def test_without_the_services_time_a_stamp_is_read_as_the_later_one() -> None:
    assert read().created_latest == at("2019-07-26T12:38:30Z")


def test_the_hour_that_clocks_repeat_is_read_as_what_the_window_asked_for() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for instant in (at("2024-10-27T00:30:00Z"), at("2024-10-27T01:30:00Z")):  # 02:30, twice
        window = ListedWindow(from_time=instant, to_time=EpochMs(instant + 60_000))
        entry = SAMPLE | {"triggerTime": "2024-10-27 02:30:00"}
        assert read_instance(entry, berlin, window=window).trigger_time == instant


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2024-03-02 08:00:00", "2024-03-02T00:00:00Z"),
        (" 2024-03-02 08:00:00.0 ", "2024-03-02T00:00:00Z"),
        ("2024-03-02 08:00:00.999", "2024-03-02T00:00:00Z"),
        ("2024-03-02T08:00", "2024-03-02T00:00:00Z"),
        ("2024-03-02T08:00:00+02:00", "2024-03-02T06:00:00Z"),
        (1_709_337_600_000, "2024-03-02T00:00:00Z"),
    ],
)
def test_a_stamp_is_read_in_the_servers_zone_unless_it_says_otherwise(
    stamp: object, expected: str
) -> None:
    assert readings(stamp, ZONE)[0] == at(expected)


@pytest.mark.parametrize(
    "stamp",
    [None, "", "soon", "2024-02-30 00:00:00", "2024-03-02", True, [], {}, "0001-01-01 00:00:00"],
)
def test_a_stamp_that_is_none_is_not_guessed(stamp: object) -> None:
    assert readings(stamp, ZONE) == ()
    assert read(triggerTime=stamp, timestamp=stamp).trigger_time is None
    assert read(triggerTime=stamp, timestamp=stamp).created is None


PAIRS = [{"key": "B", "value": "012"}, {"key": "A", "value": "${cal_dt}"}]


@pytest.mark.parametrize("value", [PAIRS, json.dumps(PAIRS), {"B": "012", "A": "${cal_dt}"}])
def test_parameters_are_read_from_text_list_or_map(value: object) -> None:
    assert read_parameters(value) == (("B", "012"), ("A", "${cal_dt}"))


def test_parameters_that_are_numbers_are_kept_as_written() -> None:
    text = '[{"key": "a", "value": 1.50}, {"key": "b", "value": 7}, {"key": "c", "value": true}]'
    assert read_parameters(text) == (("a", "1.50"), ("b", "7"), ("c", "true"))


@pytest.mark.parametrize(
    ("value", "expected"), [("", None), (" ", None), ("[]", ()), ([], ()), ({}, ()), (None, None)]
)
def test_parameters_may_be_empty_or_absent(value: object, expected: object) -> None:
    assert read_parameters(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("[", "5", "null", 5, True, [5], "[" * 9999, {"a": None}),
        *([{"key": "a"}], [{"key": 5, "value": "x"}], [{"key": "a", "value": None}]),
    ],
)
def test_parameters_that_cannot_be_read_are_not_guessed(value: object) -> None:
    assert read_parameters(value) is None


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        ('[{"key": "A", "value": "1"}]', '[{"key": "A", "value": "1"}]'),
        ('[{"key": "A", "value": "nonce-1', '[{"key": "A", "value": "nonce-1'),
        ("A=1;B=2", "A=1;B=2"),
        ([{"key": "Ä", "value": 1.5}], '[{"key":"Ä","value":1.5}]'),
        ({"A": None, "B": True}, '{"A":null,"B":true}'),
        ([], "[]"),
        ("", ""),
        (None, ""),
    ],
)
def test_what_an_instance_carries_is_kept_as_written_readable_or_not(
    value: object, carried: str
) -> None:
    assert read(parameters=value).carried == carried


def test_an_instance_that_is_listed_without_parameters_carries_nothing() -> None:
    entry = {name: value for name, value in SAMPLE.items() if name != "parameters"}
    assert read_instance(entry, ZONE).carried == ""


@pytest.mark.parametrize("value", [2438, "2438", " 2438 ", 2438.0])
def test_the_flow_may_be_a_number_or_text(value: object) -> None:
    assert read(flowId=value).flow_id == 2438


@pytest.mark.parametrize("value", [None, "", "x", True, [], 2438.5])
def test_a_flow_or_status_that_is_no_number_is_none(value: object) -> None:
    assert read(flowId=value).flow_id is None
    assert read(status=value, statusDesc=None).status is None


@pytest.mark.parametrize("status", [-1, "-1", 10, "10"])
def test_the_status_may_be_a_number_or_text(status: object) -> None:
    assert read(status=status, statusDesc=None).status == int(str(status))


@pytest.mark.parametrize(
    ("name", "status"),
    [("SUCCESS", 1), ("success", 1), (" Success ", 1), ("FAIL", -1), ("internal_error", 4)],
)
def test_the_status_may_be_its_name_in_the_reference(name: str, status: int) -> None:
    assert read(status=name, statusDesc=None).status == status
    assert read(status=name, statusDesc=name).status == status
    assert read(status=None, statusDesc=name).status == status


@pytest.mark.parametrize("name", ["SUCCEEDED", "OK", "NOT_FOUND", "", "1", "成功", ["SUCCESS"], 1])
def test_no_other_word_is_a_status(name: object) -> None:
    assert read(status=None, statusDesc=name).status is None
    assert read(status=1, statusDesc=name).status == 1


@pytest.mark.parametrize("status", ["SUCCEEDED", "NOT_FOUND", "", [1], True])
def test_a_description_does_not_stand_in_for_a_status_that_cannot_be_read(status: object) -> None:
    assert read(status=status, statusDesc="SUCCESS").status is None


@pytest.mark.parametrize("status", [1, "1", "SUCCESS"])
def test_a_status_that_its_description_contradicts_is_none(status: object) -> None:
    assert read(status=status, statusDesc="FAIL").status is None
    assert read(status=42, statusDesc="FAIL").status == 42  # no end in any case


@pytest.mark.parametrize("entry", [None, [], "x", {}, SAMPLE | {"instanceId": "a\nb"}])
def test_an_entry_without_a_readable_id_is_an_error(entry: object) -> None:
    with pytest.raises(ValueError, match="instance"):
        read_instance(entry, ZONE)


WINDOW = ListedWindow(from_time=at("2024-03-02T00:00:00Z"), to_time=at("2024-03-02T00:01:00Z"))


def found(one: Instance, flow: int, window: ListedWindow, *, everywhere: bool) -> bool:
    """Whether a search finds what is listed for the window; or for every one, if `everywhere`."""

    async def ask(asked: ListedWindow, kind: int, _: int, __: int) -> Page:
        listed = kind == 0 and (everywhere or asked.to_time == window.to_time)
        return Page(instances=(one,) if listed else (), count=None)

    return asyncio.run(search_flow(ask, flow, window)) == (one,)


def kept(
    stamp: str,
    zone: Any = ZONE,
    window: ListedWindow = WINDOW,
    flow: int = 2438,
    *,
    everywhere: bool = True,
) -> bool:
    """Whether it counts by what it shows, where a service lists it whatever the window."""
    one = read_instance(SAMPLE | {"triggerTime": stamp}, zone, window=window)
    return found(one, flow, window, everywhere=everywhere)


def test_instances_of_the_flow_in_the_window_or_a_minute_beside_it_are_kept() -> None:
    assert kept("2024-03-02 08:00:00")
    assert kept("2024-03-02 08:00:59")
    assert kept("2024-03-02 08:01:00")  # rounded to the minute
    assert kept("2024-03-02 08:02:00")
    assert kept("2024-03-02 07:59:00")  # cut to the minute, in a window that starts later
    assert not kept("2024-03-02 08:00:00", flow=2439)
    assert not kept("2024-03-02 08:02:01")
    assert not kept("2024-03-02 07:58:59")
    assert not kept("2024-03-03 08:00:00")


@pytest.mark.parametrize("second", [1, 17, 30, 59])
@pytest.mark.parametrize("width", [1, 1_000, 60_000, 180_000, 3_600_000])
def test_whatever_cutting_and_rounding_show_of_a_window_is_kept(second: int, width: int) -> None:
    start = EpochMs(WINDOW.from_time + second * 1_000 + 500)
    window = ListedWindow(from_time=start, to_time=EpochMs(start + width))
    for instant in (start, start + width - 1):
        cut, up = instant - instant % 60_000, instant - instant % -60_000
        for stamp in (cut, up, instant - instant % 1_000, instant - instant % -1_000):
            for zone in (ZONE, UTC):
                shown = datetime.fromtimestamp(stamp / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
                assert kept(shown, window=window)


def test_a_stamp_in_utc_counts_as_in_the_window() -> None:
    assert kept("2024-03-02 00:00:30")


def test_a_stamp_cut_to_the_second_counts_for_a_window_that_starts_within_it() -> None:
    window = ListedWindow(from_time=EpochMs(WINDOW.from_time + 500), to_time=WINDOW.to_time)
    assert kept("2024-03-02 08:00:00", window=window)


def test_what_cannot_be_read_of_an_instance_does_not_exclude_it() -> None:
    one = read(flowId=None, triggerTime=None)
    assert found(one, 7, WINDOW, everywhere=True)


@pytest.mark.parametrize("flow", [0, "0", -1, "-1"])
def test_a_flow_that_nothing_was_written_into_does_not_exclude_an_instance(flow: Any) -> None:
    one = read(flowId=flow, triggerTime="2024-03-02 08:00:00")
    assert one.flow_id is None
    assert found(one, 7, WINDOW, everywhere=True)


@pytest.mark.parametrize(
    "stamp",
    [
        *("2026-11-26 20:17:33", "2024-02-03 08:00:00", "2023-03-02 08:00:00"),
        *("2024-00-02 08:03:00", "2024-03-02 07:50:17", "1970-01-01 08:00:00"),
    ],
)
@pytest.mark.parametrize("width", [60_000, 86_400_000])
def test_what_a_service_lists_for_the_window_only_is_kept_whatever_time_it_shows(
    stamp: str, width: int
) -> None:
    window = ListedWindow(from_time=WINDOW.from_time, to_time=EpochMs(WINDOW.from_time + width))
    assert kept(stamp, window=window, everywhere=False)
    assert not kept(stamp, window=window, flow=2439, everywhere=False)


def test_an_instance_that_is_listed_for_every_window_counts_by_what_it_shows() -> None:
    assert not kept("2026-11-26 20:17:33")
    assert kept("2024-03-02 08:00:30")


@pytest.mark.parametrize("id_", ["", "null", "None", "undefined", "3377-null", "0", "-1", 0, "-"])
def test_what_an_absent_id_is_written_as_is_none(id_: Any) -> None:
    with pytest.raises(ValueError, match="no readable instanceId"):
        read(instanceId=id_)


@pytest.mark.parametrize("id_", ["2438-20240302", "10", "0a", "nullable", "none1"])
def test_what_merely_looks_like_it_is_an_id(id_: str) -> None:
    assert read(instanceId=id_).id == id_


@pytest.mark.parametrize(
    "stamp",
    [
        *(253_402_300_799_000, 253_402_300_799_999, 10**17, "9999-12-31 23:59:59"),
        *("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "9999-12-31"),
        *(1, "1970-01-01 08:00:00", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    ],
)
@pytest.mark.parametrize("zone", [ZONE, UTC, timezone(-timedelta(hours=12))])
def test_a_time_beyond_what_can_be_shown_is_unreadable(stamp: Any, zone: Any) -> None:
    one = read_instance(SAMPLE | {"timestamp": stamp, "triggerTime": stamp}, zone)
    assert (one.created, one.created_latest, one.trigger_time) == (None, None, None)


def test_half_a_character_makes_parameters_unreadable() -> None:
    pairs = [{"key": "SITE", "value": "a\ud83d"}]
    for value in (pairs, json.dumps(pairs)):
        one = read(parameters=value)
        assert one.parameters is None
        one.carried.encode()


@pytest.mark.parametrize(
    "stamp",
    ["2024-03-02 09:00:00", "2024-03-02 05:30:59", "2024-03-02 09:01:00", "2024-03-02 08:59:00"],
)
def test_a_stamp_that_only_another_zone_explains_is_an_error_and_not_an_absence(stamp: str) -> None:
    with pytest.raises(GatewayError, match="configured zone") as caught:
        kept(stamp, everywhere=False)
    assert caught.value.hint == "check gateway.timezone"


@pytest.mark.parametrize(
    "stamp",
    [
        *("2024-03-02T08:00", "2024-03-02 00:00:00", "2024-03-02 09:00:00", "2024-03-02"),
        *(1_709_337_600_000, "2024-03-02T08:00:00+08:00", "2024-03-03 00:00:00"),
    ],
)
def test_what_cutting_or_rounding_to_the_hour_or_the_day_shows_is_kept(stamp: Any) -> None:
    window = ListedWindow(from_time=at("2024-03-02T00:37:00Z"), to_time=at("2024-03-02T00:38:00Z"))
    if stamp == "2024-03-03 00:00:00":
        window = ListedWindow(
            from_time=at("2024-03-02T05:37:00Z"), to_time=at("2024-03-02T05:38:00Z")
        )
    assert kept(stamp, window=window)
    assert not kept("2024-03-02T07:59", window=window)


@pytest.mark.parametrize(
    ("stamp", "unit"),
    [
        ("2024-03-02 08:01:30", 1),
        ("2024-03-02 08:01:00", 60_000),
        ("2024-03-02T08:01", 60_000),
        ("2024-03-02 08:00:00", 3_600_000),
        ("2024-03-02 00:00:00", 25 * 3_600_000),
    ],
)
def test_a_creation_that_ends_in_noughts_may_be_as_late_as_what_was_cut_to_it(
    stamp: str, unit: int
) -> None:
    one = read_instance(SAMPLE | {"timestamp": stamp}, UTC)
    assert one.created == readings(stamp, UTC)[0]
    assert one.created_latest == (one.created or 0) + unit - 1


@pytest.mark.parametrize(
    ("stamp", "zone", "unit"),
    [
        ("2024-03-02 08:00:00", "GMT+8", 25 * 3_600_000),  # cut in UTC, shown in the zone
        ("2024-03-02 16:00:00", "GMT+8", 25 * 3_600_000),  # cut in the zone, shown in UTC
        ("2024-03-02 09:00:00", "GMT+8", 3_600_000),
        ("2024-03-02 05:30:00", "Asia/Kolkata", 25 * 3_600_000),
        ("2024-03-02 23:30:00", "Asia/Kolkata", 3_600_000),
        ("2024-03-02 23:31:00", "Asia/Kolkata", 60_000),
    ],
)
def test_a_stamp_may_have_been_cut_in_another_zone_than_it_is_shown_in(
    stamp: str, zone: str, unit: int
) -> None:
    one = read_instance(SAMPLE | {"timestamp": stamp, "triggerTime": stamp}, parse_zone(zone))
    assert (one.created_unit, one.trigger_unit) == (unit, unit)


def test_in_a_wide_window_a_stamp_outside_of_it_is_only_outside() -> None:
    wide = ListedWindow(from_time=WINDOW.from_time, to_time=EpochMs(WINDOW.from_time + 86_400_000))
    assert not kept(
        "2024-03-02 07:00:30",
        zone=UTC,
        window=ListedWindow(
            from_time=EpochMs(wide.from_time + 8 * 3_600_000), to_time=wide.to_time
        ),
    )
