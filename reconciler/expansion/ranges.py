"""`businessDates` and `triggerTimes`: from the fields of a manifest to its timetable."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from reconciler.expansion.common import FIRST, LAST, instant_finding, read_instant
from reconciler.expansion.grids import Grid, cron_grid, daily_grid, running_grid, stepped_grid
from reconciler.expansion.slots import Timetable
from reconciler.expansion.steps import Minutes, parse_step
from reconciler.schema import Finding
from reconciler.schema.paths import Path
from reconciler.times import DAY_MINUTES, zoned_time

_DATES: Path = ("spec", "businessDates")
_TIMES: Path = ("spec", "triggerTimes")
_DAY = timedelta(days=1)


def range_findings(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the range and other times of a spec that conforms to the schema."""
    if "notAfter" in spec and not _is_possible(spec["notAfter"]):
        yield instant_finding(("spec", "notAfter"))
    if "triggerTimes" in spec:
        yield from _findings_of_times(spec["triggerTimes"])
    else:
        yield from _findings_of_dates(spec["businessDates"], has_time="at" in spec)


def _findings_of_times(given: Mapping[str, Any]) -> Iterator[Finding]:
    for end in ("from", "to"):
        if not _is_possible(given[end]):
            yield instant_finding((*_TIMES, end))
    if read_instant(given["from"]) > read_instant(given["to"]):
        yield _reversed_range_finding(_TIMES, given)


def _findings_of_dates(given: Mapping[str, Any], *, has_time: bool) -> Iterator[Finding]:
    if given["from"] > given["to"]:  # dates of four digits sort as text
        yield _reversed_range_finding(_DATES, given)
    if "cron" in given and has_time:
        words = "cannot stand beside cron, which says the time of day itself"
        yield Finding(path=("spec", "at"), code="exclusive", words=words, where="key")
    if "every" in given:
        step = parse_step(given["every"])
        if isinstance(step, Minutes) and step.count > DAY_MINUTES:
            words = "begins anew each day, so it cannot be longer than one: write days, such as 2d"
            yield Finding(path=(*_DATES, "every"), code="range", words=words)


def timetable(spec: Mapping[str, Any], zone: tzinfo) -> Timetable:
    """The timetable of a spec without `range_findings`."""
    if "businessDates" in spec:
        grid = _grid_of_dates(spec["businessDates"], time.fromisoformat(spec.get("at", "00:00")))
        return Timetable(grid=grid, zone=zone, path=_DATES, of_business_dates=True)
    given = spec["triggerTimes"]
    since, until = read_instant(given["from"]), read_instant(given["to"])
    walls = [zoned_time(end, zone).replace(tzinfo=None) for end in (since, until)]
    return Timetable(
        grid=_grid_of_times(given, *walls),
        zone=zone,
        path=_TIMES,
        of_business_dates=False,
        since=since,
        until=until,
    )


def _grid_of_dates(given: Mapping[str, Any], at: time) -> Grid:
    first, last = date.fromisoformat(given["from"]), date.fromisoformat(given["to"])
    if "cron" in given:
        return cron_grid(first, last, given["cron"])
    step = parse_step(given["every"])
    if isinstance(step, Minutes):
        return daily_grid(first, last, step, at)
    return stepped_grid(first, last, step, at)


def _grid_of_times(given: Mapping[str, Any], start: datetime, end: datetime) -> Grid:
    """The grid for clocks that show `start` and `end` at the ends of the range.

    The grid may begin a date before the range, and ends a date after it. Where clocks go back over
    midnight, times in range may have these dates; and a skipped time may move on into the range.
    """
    first, last = start.date() - _DAY, min(end.date(), date.max - _DAY) + _DAY
    if "cron" in given:
        return cron_grid(first, last, given["cron"])
    step = parse_step(given["every"])
    if isinstance(step, Minutes):
        return running_grid(first, last, step, start)
    return stepped_grid(start.date(), last, step, start.time())


def _is_possible(given: str | float) -> bool:
    return FIRST <= read_instant(given) <= LAST


def _reversed_range_finding(path: Path, given: Mapping[str, Any]) -> Finding:
    words = f"lies before from, {given['from']}: a range runs from the earlier to the later"
    return Finding(path=(*path, "to"), code="range", words=words)
