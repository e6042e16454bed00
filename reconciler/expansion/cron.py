"""`cron`: dates, and times of day that are the same on each of them."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

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
    """Whether its hours are written with `*`, as `*` or `*/n`: of a day, not certain hours."""
    _, hours, *_ = expression.split()
    return "*" in hours


def how_days_are_read(expression: str) -> str | None:
    """What to tell a person where both fields of days say something; None otherwise.

    As Debian's cron reads it, and so crontab of the most common kind: days that either field names,
    unless one of them begins with `*`; then days that both name.
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
    """The dates on which it fires, both ends included."""
    _, _, *days = expression.split()
    for match in _matches(f"0 0 {' '.join(days)}", datetime.combine(first, time())):
        if match.date() > last:
            return
        yield match.date()


def _matches(expression: str, first: datetime) -> Iterator[datetime]:
    """When it fires, from then on; until it would not for fifty years."""
    from cronsim import CronSim

    try:
        yield from CronSim(expression, max(first, _FIRST_POSSIBLE) - _SECOND)
    except (OverflowError, ValueError):  # beyond the year 9999
        return
