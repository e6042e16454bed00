"""Every change of every zone: a business date is processed by the run that names it."""

import random
import struct
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from importlib.resources import files

import pytest

from reconciler.expansion import expand
from reconciler.model import EpochMs
from reconciler.times import (
    _zone_names,
    business_date,
    date_exists,
    local_instant,
    parse_zone,
    zoned_time,
)
from tests.expansion.building import Stub, labels, runs

Gap = tuple[str, datetime, datetime]  # a zone, and the first times skipped and shown again
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - on a clock


def changes(name: str) -> Iterator[tuple[int, int, int]]:
    """The instants in seconds at which a zone's offset changes, with the offsets in seconds.

    As RFC 8536 lays them out in the zone's file, the second part of it, and no code of ours.
    """
    content = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    header = struct.Struct(">4s c 15x 6L")
    _, _, isut, isstd, leap, times, types, chars = header.unpack_from(content)
    start = header.size + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    _, _, isut, isstd, leap, times, types, chars = header.unpack_from(content, start)
    start += header.size
    at = struct.unpack_from(f">{times}q", content, start)
    which = struct.unpack_from(f">{times}B", content, start + times * 8)
    offsets = [
        struct.unpack_from(">l", content, start + times * 9 + index * 6)[0]
        for index in range(types)
    ]
    before = [offsets[0], *(offsets[index] for index in which)]
    yield from zip(at, before, before[1:], strict=False)


def gaps() -> list[Gap]:
    """What clocks skip anywhere; one zone of those that skip the same."""
    found: dict[tuple[datetime, datetime], str] = {}
    for name in sorted(_zone_names()):
        for at, before, after in changes(name):
            if after > before and at > -(2**31):
                shown = [EPOCH + timedelta(seconds=at + one) for one in (before, after)]
                found.setdefault((shown[0], shown[1]), name)
    return [(name, *walls) for walls, name in found.items()]


GAPS = gaps()
OVER_MIDNIGHT = [gap for gap in GAPS if gap[1].date() != gap[2].date()]


def around(gap: Gap) -> Iterator[datetime]:
    """Times before, in and after what is skipped."""
    _, first, end = gap
    middle = first + (end - first) / 2
    yield from (first - timedelta(minutes=1), first, middle, end - timedelta(minutes=1), end)
    for day in (first.date(), end.date()):
        yield from (datetime.combine(day, at) for at in (time(), time(23, 30), time(23, 59)))


def test_the_files_of_zones_are_read_in_full() -> None:
    assert len(GAPS) > 2_000
    assert any(name == "Pacific/Apia" and first.year == 2011 for name, first, _ in OVER_MIDNIGHT)
    assert len({first.year for _, first, _ in GAPS}) > 100


@pytest.mark.parametrize("shown", ["a time that clocks skip over midnight", "any time"])
def test_clocks_show_the_date_that_a_trigger_time_is_made_for(shown: str) -> None:
    sample = OVER_MIDNIGHT if "midnight" in shown else random.Random(11).sample(GAPS, 1_500)
    for gap in sample:
        zone = parse_zone(gap[0])
        for wall in around(gap):
            at = local_instant(wall.date(), wall.time(), zone)
            if at is None:
                assert gap[1] <= datetime.combine(wall.date(), time()) <= gap[2] - DAY, gap
                assert not date_exists(wall.date(), zone)
                continue
            clock = zoned_time(at, zone).replace(tzinfo=None)
            assert business_date(at, zone) == wall.date() - DAY, (gap, wall)
            if gap[1] <= wall < gap[2]:
                past = clock - gap[2]
                assert past == wall - gap[1] or gap[1] - clock <= timedelta(minutes=1), (gap, wall)
            else:
                assert clock == wall, gap


def test_dates_around_a_change_are_processed_once_each_and_by_the_run_that_names_them() -> None:
    for gap in [*OVER_MIDNIGHT, *random.Random(7).sample(GAPS, 100)]:
        zone, day = parse_zone(gap[0]), gap[1].date()
        if day.year < 1970:
            continue
        spec = {
            "businessDates": {"from": str(day - 3 * DAY), "to": str(day + 2 * DAY), "every": "1d"},
            "at": f"{gap[1]:%H:%M}",
        }
        found = runs(spec, gap[0])
        assert [str(business_date(run.trigger_time, zone)) for run in found] == labels(found), gap
        dates = [date.fromisoformat(label) for label in labels(found)]
        left_out = {day + n * DAY for n in range(-3, 3)} - set(dates)
        assert not any(date_exists(one + DAY, zone) for one in left_out)
        for one in (*dates, *left_out):
            assert trigger_time(one, gap[1].time(), gap[0]) == next(
                (run.trigger_time for run in found if run.name.endswith(str(one))), None
            )


def trigger_time(day: date, at: time, zone: str) -> EpochMs | None:
    """The trigger time of a single run for that date, or None if it is refused."""
    spec = {"flowId": 1, "businessDate": str(day), "at": f"{at:%H:%M}", "parameters": {}}
    value = {"kind": "Trigger", "metadata": {"name": "a"}, "spec": spec}
    result = expand(Stub(value=value), parse_zone(zone))
    if result.problems:
        assert [(one.code, one.pointer) for one in result.problems] == [
            ("range", "/spec/businessDate")
        ]
        return None
    return result.runs[0].trigger_time
