"""`every`: how far apart the times of a backfill lie on the clock."""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta

from msgspec import Struct

from reconciler.times import HOUR_MINUTES

_EVERY = re.compile(r"([0-9]+)(m|h|d|w|mo|M)")
_MINUTES_OF = {"m": 1, "h": HOUR_MINUTES}
_DAYS_OF = {"d": 1, "w": 7}
_MONTHS = 12


class Minutes(Struct, frozen=True, kw_only=True):
    """A step in minutes or hours."""

    count: int


class Days(Struct, frozen=True, kw_only=True):
    """A step of whole days."""

    count: int


class Months(Struct, frozen=True, kw_only=True):
    """A step of whole months."""

    count: int


Step = Minutes | Days | Months


def parse_step(text: str) -> Step:
    """The step of `15m`, `6h`, `1d`, `1w`, `1mo` or `1M`; the schema allows no other text."""
    match = _EVERY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a step")
    count, unit = int(match[1]), match[2]
    if unit in _MINUTES_OF:
        return Minutes(count=count * _MINUTES_OF[unit])
    if unit in _DAYS_OF:
        return Days(count=count * _DAYS_OF[unit])
    return Months(count=count)


def dates(first: date, last: date, step: Days | Months) -> Iterator[date]:
    """The dates from the first on, the last included if the step meets it.

    Months are counted from the first date. A month that is too short has its last day instead: from
    the 31st on, that is the 30th in April, and the 31st again in May.
    """
    index = 0
    while True:
        try:
            found = _move_date(first, step, index)
        except (OverflowError, ValueError):  # beyond the year 9999
            return
        if found > last:
            return
        yield found
        index += 1


def _move_date(start: date, step: Days | Months, times: int) -> date:
    if isinstance(step, Days):
        return start + timedelta(days=step.count * times)
    years, month = divmod(start.month - 1 + step.count * times, _MONTHS)
    year = start.year + years
    if year > date.max.year:
        raise OverflowError
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))
