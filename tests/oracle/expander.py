"""The runs of a backfill, worked out a second time: from docs/backfills.md and other libraries.

Nothing of the reconciler is imported here. Clocks are whenever's, months dateutil's, cron
expressions croniter's; everything else is a sentence of that page.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import product
from typing import Any
from unicodedata import category
from urllib.parse import quote

import whenever
from croniter import croniter
from dateutil.relativedelta import relativedelta
from msgspec import Struct

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
_STEP = re.compile(r"(\d+)(m|h|d|w|mo|M)")
Parameters = tuple[tuple[str, str], ...]
Runs = dict[str, tuple[int, Parameters]]  # by what follows the manifest's name: time, parameters

whenever.reset_tzpath(())  # the package tzdata, and no files of the system


class Shape(Struct, frozen=True, kw_only=True):
    """What a step or an expression means for the times that it names."""

    names_time: bool  # beside the date
    repeated_twice: bool  # or the first alone
    skipped_move_on: bool  # or are left out


class Start(Struct, frozen=True, kw_only=True):
    """One time of a backfill."""

    label: str
    at: int  # Unix epoch, milliseconds
    business_date: date
    moved: bool = False  # clocks skip its own time


def runs_of(spec: Mapping[str, Any], zone: str) -> Runs:
    """The runs of a backfill whose manifest has nothing wrong with it."""
    found: Runs = {}
    matrix = sorted(spec.get("matrix", {}).items())
    for start in _each_once(_starts(spec, zone)):
        for values in product(*(values for _, values in matrix)):
            chosen = [(key, value) for (key, _), value in zip(matrix, values, strict=True)]
            if any(_matches(entry, start, dict(chosen)) for entry in spec.get("exclude", ())):
                continue
            segments = [f"{written(key, '')}={written(value, '=')}" for key, value in chosen]
            name = "/".join([start.label, *segments])
            assert name not in found, f"two runs are called {name}"
            found[name] = (start.at, (*spec.get("parameters", {}).items(), *chosen))
    return found


def _each_once(starts: Iterator[Start]) -> Iterable[Start]:
    """Without those that were moved to where another starts."""
    found: dict[int, Start] = {}
    for start in starts:
        before = found.setdefault(start.at, start)
        if before.moved and not start.moved:
            found[start.at] = start
        assert before is start or before.moved or start.moved, "two times are one instant"
    return found.values()


def _matches(entry: Mapping[str, Any], start: Start, values: Mapping[str, str]) -> bool:
    def has(key: str, value: str | int) -> bool:
        if key == "businessDate":
            return str(start.business_date) == value
        if key == "triggerTime":
            return start.at == (_milliseconds(value) if isinstance(value, str) else value)
        return values[key] == value

    return all(has(key, value) for key, value in entry.items())


def written(text: str, also: str) -> str:
    """A value or key as the page says that it stands in names; no scripts younger than 3.2."""
    return "".join(
        one
        if not one.isascii() and category(one) in {"Lu", "Ll", "Lo"}
        else quote(one, safe="._~-:" + also)
        for one in text
    )


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _starts(spec: Mapping[str, Any], zone: str) -> Iterator[Start]:
    if "businessDates" in spec:
        given = spec["businessDates"]
        first, last = date.fromisoformat(given["from"]), date.fromisoformat(given["to"])
        at = time.fromisoformat(spec.get("at", "00:00"))
        shape, walls = _walls(given, datetime.combine(first, at), last)
        for wall in walls:
            if first <= wall.date() <= last:
                trigger = wall + DAY
                yield from _at(trigger, zone, shape, wall.date(), business=wall.date(), ends=set())
        return
    given = spec["triggerTimes"]
    ends = [_milliseconds(given[end]) for end in ("from", "to")]
    start, end = (_shown(at, zone) for at in ends)
    shape, walls = _walls(given, start, end.date() + DAY, runs_on=True)
    for wall in walls:
        for one in _at(wall, zone, shape, wall.date(), wall.date() - DAY, set(ends)):
            if ends[0] <= one.at <= ends[1]:
                yield one


def _shown(at: int, zone: str) -> datetime:
    return whenever.Instant.from_timestamp(at // 1000).to_tz(zone).to_plain().to_stdlib()


def _walls(
    given: Mapping[str, Any], first: datetime, last: date, *, runs_on: bool = False
) -> tuple[Shape, Iterator[datetime]]:
    """What is meant on a clock that never changes; some of it may lie outside the range."""
    if "cron" in given:
        return _cron(given["cron"], first.date() - DAY, last)
    step = _STEP.fullmatch(given["every"])
    assert step
    count, unit = int(step[1]), step[2]
    if unit in "mh":
        minutes = count * (60 if unit == "h" else 1)
        shape = Shape(
            names_time=True,
            repeated_twice=minutes <= 60,
            skipped_move_on=minutes >= 24 * 60,
        )
        counting = _counting_on if runs_on else _counting_anew
        return shape, counting(first, last, timedelta(minutes=minutes))
    shape = Shape(names_time=False, repeated_twice=False, skipped_move_on=True)
    if unit in "dw":
        days = count * (7 if unit == "w" else 1)
        return shape, _by(lambda times: first + times * days * DAY, last)
    return shape, _by(lambda times: first + relativedelta(months=times * count), last)


def _by(moved: Callable[[int], datetime], last: date) -> Iterator[datetime]:
    times = 0
    while (wall := moved(times)).date() <= last:
        yield wall
        times += 1


def _counting_on(first: datetime, last: date, step: timedelta) -> Iterator[datetime]:
    wall = first
    while step < DAY and wall.date() > first.date() - 2 * DAY:
        wall -= step
    while wall.date() <= last:
        yield wall
        wall += step


def _counting_anew(first: datetime, last: date, step: timedelta) -> Iterator[datetime]:
    day = first
    while day.date() <= last:
        wall = day
        while wall.date() == day.date():
            yield wall
            wall += step
        day += DAY


def _cron(expression: str, first: date, last: date) -> tuple[Shape, Iterator[datetime]]:
    minute, hour, month_day, month, week_day = expression.split()
    minutes, hours = (_numbers(f"{minute} {hour} * * *", at) for at in (0, 1))
    times = [time(one, other) for one in hours for other in minutes]
    shape = Shape(
        names_time=len(times) > 1, repeated_twice="*" in hour, skipped_move_on="*" not in hour
    )
    either = not (month_day.startswith("*") or week_day.startswith("*"))

    def walls() -> Iterator[datetime]:
        day = first
        while day <= last:
            midnight = datetime.combine(day, time())
            if croniter.match(f"0 0 {month_day} {month} {week_day}", midnight, day_or=either):
                yield from _meeting(day, times)
            day += DAY

    return shape, walls()


def _meeting(day: date, times: list[time]) -> Iterator[datetime]:
    yield from (datetime.combine(day, at) for at in times)


def _numbers(expression: str, field: int) -> list[int]:
    numbers = croniter.expand(expression)[0][field]
    if numbers == ["*"]:
        return list(range(24 if field else 60))
    return sorted(int(one) for one in numbers)


def _at(
    wall: datetime, zone: str, shape: Shape, day: date, business: date, ends: set[int]
) -> Iterator[Start]:
    """The starts at a time on a date; `day` is the date that is named."""
    label = f"{day}T{wall:%H:%M:%S}".removesuffix(":00") if shape.names_time else f"{day}"
    clock = whenever.PlainDateTime(wall)
    try:
        first = clock.assume_tz(zone, disambiguation="raise")
    except whenever.RepeatedTime:
        first = clock.assume_tz(zone, disambiguation="earlier")
        second = clock.assume_tz(zone, disambiguation="later")
        at = second.timestamp() * 1000
        if shape.repeated_twice or at in ends:
            named = f"{day}T{wall:%H:%M:%S}".removesuffix(":00")
            offset = second.to_stdlib().isoformat()[-6:]
            yield Start(label=f"{named}{offset}", at=at, business_date=business)
            if not (shape.repeated_twice or first.timestamp() * 1000 in ends):
                return  # the second stands in place of the first
    except whenever.SkippedTime:
        moved = _moved_on(wall, zone) if shape.skipped_move_on else None
        if moved is not None:
            yield Start(label=label, at=moved, business_date=business, moved=True)
        return
    yield Start(label=label, at=first.timestamp() * 1000, business_date=business)


def _moved_on(wall: datetime, zone: str) -> int | None:
    """By the gap, or to the last minute of the date; None on a date that never was."""
    moved = whenever.PlainDateTime(wall).assume_tz(zone, disambiguation="later")
    if moved.to_stdlib().date() == wall.date():
        return moved.timestamp() * 1000
    minute = wall.replace(second=0)
    while minute.date() == wall.date():
        try:
            shown = whenever.PlainDateTime(minute).assume_tz(zone, disambiguation="raise")
        except whenever.SkippedTime:
            minute -= MINUTE
        except whenever.RepeatedTime:
            shown = whenever.PlainDateTime(minute).assume_tz(zone, disambiguation="later")
            return shown.timestamp() * 1000
        else:
            return shown.timestamp() * 1000
    return None
