"""The dates and times of a backfill, with `cron` or without, on a clock that is never changed.

The times on a date never depend on where the range begins or ends.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Protocol

from msgspec import Struct

from reconciler.expansion.steps import Days, Minutes, Months, dates
from reconciler.times import DAY_MINUTES, HOUR_MINUTES

_SECOND = timedelta(seconds=1)
_ANY_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - on a clock, whatever its zone
_FIRST_POSSIBLE = datetime(1, 1, 1, second=1)  # noqa: DTZ001 - the same


def cron_times(expression: str) -> tuple[time, ...]:
    """The times of day at which a valid expression fires; at least one."""
    minute, hour, *_ = expression.split()
    found: list[time] = []
    for match in _matches(f"{minute} {hour} * * *", _ANY_DAY):
        if match.date() > _ANY_DAY.date():
            break
        found.append(match.time())
    return tuple(found)


def is_hourly(expression: str) -> bool:
    """Whether the hours are written with `*`, as `*` or `*/n`, and not as certain hours."""
    _, hours, *_ = expression.split()
    return "*" in hours


def describe_days(expression: str) -> str | None:
    """How days are read, in words, where both fields of days restrict them; None otherwise.

    They are read as by Debian's cron, the most common crontab: the days that either field names, or
    the days that both name if one of the fields begins with `*`.
    """
    _, _, month_days, _, week_days = expression.split()
    if {month_days, week_days} & {"*", "*/1"}:
        return None
    if month_days.startswith("*") or week_days.startswith("*"):
        here = "only on days that both of them name, as crontab reads them where one begins with *"
        elsewhere = "Kubernetes takes the days that either names"
    else:
        here = "on the days that either of them names, as crontab and Kubernetes read two fields"
        elsewhere = "other schedulers take only days that both name"
    if re.search("[L#]", f"{month_days} {week_days}", re.IGNORECASE):
        elsewhere += " (and crontab and Kubernetes have neither L nor #)"
    return (
        f"has a day-of-month, {month_days}, and a day-of-week, {week_days}: it is met {here}; "
        f"{elsewhere}. Leave one of them *, and `exclude` days or write a second backfill, if that "
        "is not meant"
    )


def cron_dates(expression: str, first: date, last: date) -> Iterator[date]:
    """The dates on which the expression fires, both ends included."""
    _, _, *days = expression.split()
    for match in _matches(f"0 0 {' '.join(days)}", datetime.combine(first, time())):
        if match.date() > last:
            return
        yield match.date()


def _matches(expression: str, first: datetime) -> Iterator[datetime]:
    """When the expression fires, from `first` on, until it does not fire for fifty years."""
    from cronsim import CronSim

    try:
        yield from CronSim(expression, max(first, _FIRST_POSSIBLE) - _SECOND)
    except (OverflowError, ValueError):  # beyond the year 9999
        return


class Grain(Struct, frozen=True, kw_only=True):
    """What follows from how far apart the times are."""

    names_time: bool = False  # a run's name holds the time of day besides the date
    below_a_day: bool = False  # a date may have several times
    moves_on: bool = True  # a time that clocks skip moves on; otherwise it is left out
    both: bool = False  # a time that clocks show twice counts twice; otherwise only the first


class Grid(Protocol):
    """Dates, and the times of day on each of them."""

    @property
    def grain(self) -> Grain:
        """How fine the grid is."""

    def dates(self) -> Iterator[date]:
        """The dates, ascending."""

    def times(self, day: date) -> Sequence[time]:
        """The times on one of the dates, ascending."""


class DateGrid(Struct, frozen=True, kw_only=True):
    """Every so many days or months, always at the same times of day."""

    first: date
    last: date
    step: Days | Months
    at: tuple[time, ...]
    grain: Grain

    def dates(self) -> Iterator[date]:
        """The dates, both ends included."""
        return dates(self.first, self.last, self.step)

    def times(self, day: date) -> Sequence[time]:  # noqa: ARG002 - the same on each
        """The times of day."""
        return self.at


class CronGrid(Struct, frozen=True, kw_only=True):
    """The dates and times of a cron expression."""

    first: date
    last: date
    expression: str
    at: tuple[time, ...]
    grain: Grain

    def dates(self) -> Iterator[date]:
        """The dates, both ends included."""
        return cron_dates(self.expression, self.first, self.last)

    def times(self, day: date) -> Sequence[time]:  # noqa: ARG002 - the same on each
        """The times of day."""
        return self.at


class RunningGrid(Struct, frozen=True, kw_only=True):
    """Every so many minutes, before and after an anchor, on over midnight."""

    first: date
    last: date
    anchor: datetime
    step: Minutes
    grain: Grain

    def dates(self) -> Iterator[date]:
        """The dates, both ends included; if the step can skip dates, from the anchor on."""
        if self.grain.below_a_day:
            return dates(self.first, self.last, Days(count=1))
        steps = (datetime.combine(self.last, time.max) - self.anchor) // self._span
        return ((self.anchor + index * self._span).date() for index in range(steps + 1))

    def times(self, day: date) -> Sequence[time]:
        """The times of day; none if the step skips the date."""
        midnight = datetime.combine(day, time())
        past_midnight = (self.anchor - midnight) % self._span
        return _times_until_midnight(past_midnight, self.step)

    @property
    def _span(self) -> timedelta:
        return timedelta(minutes=self.step.count)


def stepped_grid(first: date, last: date, step: Days | Months, at: time) -> DateGrid:
    """Every so many days or months, at one time of day."""
    return DateGrid(first=first, last=last, step=step, at=(at,), grain=Grain())


def daily_grid(first: date, last: date, step: Minutes, at: time) -> DateGrid:
    """On each date, every so many minutes from `at` to midnight."""
    past_midnight = datetime.combine(date.min, at) - datetime.combine(date.min, time())
    times = tuple(_times_until_midnight(past_midnight, step))
    return DateGrid(first=first, last=last, step=Days(count=1), at=times, grain=_grain(step))


def running_grid(first: date, last: date, step: Minutes, anchor: datetime) -> RunningGrid:
    """Every so many minutes, also over midnight; the anchor is one of the times."""
    return RunningGrid(first=first, last=last, anchor=anchor, step=step, grain=_grain(step))


def cron_grid(first: date, last: date, expression: str) -> CronGrid:
    """The dates and times that a valid cron expression names.

    An expression with `*` for hours follows changes of the clock as a step of an hour does. One
    with fixed hours means each of these hours once a day.
    """
    times = cron_times(expression)
    several, hourly = len(times) > 1, is_hourly(expression)
    grain = Grain(names_time=several, below_a_day=several, moves_on=not hourly, both=hourly)
    return CronGrid(first=first, last=last, expression=expression, at=times, grain=grain)


def _grain(step: Minutes) -> Grain:
    return Grain(
        names_time=True,
        below_a_day=step.count < DAY_MINUTES,
        moves_on=step.count >= DAY_MINUTES,
        both=step.count <= HOUR_MINUTES,
    )


def _times_until_midnight(past_midnight: timedelta, step: Minutes) -> list[time]:
    start, found = datetime.combine(date.min, time()), []
    for minutes in range(0, DAY_MINUTES, step.count):
        after = past_midnight + timedelta(minutes=minutes)
        if after >= timedelta(days=1):
            break
        found.append((start + after).time())
    return found
