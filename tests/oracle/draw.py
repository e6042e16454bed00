"""Random backfills, most of them around a change of clocks."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

import whenever

DAY = timedelta(days=1)
# Each with a time of day that clocks skip then, or show twice.
CHANGES = (
    ("America/New_York", date(2024, 3, 10), "02:30"),
    ("America/New_York", date(2024, 11, 3), "01:30"),
    ("Europe/London", date(2026, 3, 29), "01:30"),
    ("Australia/Lord_Howe", date(2024, 4, 7), "01:45"),
    ("Australia/Lord_Howe", date(2024, 10, 6), "02:15"),
    ("America/Sao_Paulo", date(2018, 11, 4), "00:30"),
    ("America/Sao_Paulo", date(2018, 2, 17), "23:30"),
    ("America/Havana", date(2024, 11, 3), "00:30"),
    ("America/Nuuk", date(2024, 3, 30), "23:30"),
    ("America/Nuuk", date(2024, 10, 26), "23:30"),
    ("America/Scoresbysund", date(2025, 3, 29), "23:30"),
    ("America/St_Johns", date(2010, 11, 6), "23:30"),
    ("Antarctica/Casey", date(2010, 3, 5), "00:30"),
    ("Asia/Dhaka", date(2009, 6, 19), "23:30"),
    ("Pacific/Apia", date(2011, 12, 30), "12:00"),
    ("Pacific/Kwajalein", date(1993, 8, 21), "12:00"),
    ("Africa/Casablanca", date(2024, 4, 14), "02:30"),
    ("Asia/Shanghai", date(2024, 2, 29), "00:00"),
)
_SHORT = ("20m", "30m", "45m", "1h", "90m", "2h", "7h", "12h", "24h")
_LONG = ("1d", "3d", "2w", "1mo", "1M", "5mo")
_VALUES = ("cn-01", "cn/02", "a b", "", "50%", "风电场", "x=y", "É", "a@1", "$(x)", "~t", "012")
_AT = ("00:00", "00:30", "01:30", "01:30", "02:00", "02:30", "23:00", "23:30", "23:59", "02:15:30")


def draw(seed: int) -> tuple[dict[str, Any], str]:
    """A spec, and the gateway's zone."""
    random = Random(seed)
    zone, change, odd = random.choice(CHANGES)
    times = (*_AT, *[odd] * (len(_AT) // 2))
    spec: dict[str, Any] = {"parameters": {"Z": "1", "B": "2"}}
    how, days = _how(random)
    first = change - random.randrange(3) * DAY
    last = max(first, change + random.randrange(-1, days) * DAY)
    if random.random() < 0.5 and how.get("every") not in {"30h", "36h"}:
        spec["businessDates"] = {"from": str(first), "to": str(last), **how}
        if "every" in how:
            spec["at"] = random.choice(times)
    else:
        near = random.choice((first, change)), random.choice((last, change, change + DAY))
        spec["triggerTimes"] = _ends(random, zone, times, *sorted(near)) | how
    keys = random.sample(["SITE", "A=B", "M"], random.randrange(3))
    if keys:
        spec["matrix"] = {key: random.sample(_VALUES, random.randint(1, 2)) for key in keys}
    entries = [_entry(random, spec, zone, first) for _ in range(random.randrange(3))]
    if entries:
        spec["exclude"] = entries
    return spec, zone


def _how(random: Random) -> tuple[dict[str, str], int]:
    """A step or an expression, and in how many days the range may end."""
    kind = random.random()
    if kind < 0.35:
        return {"every": random.choice((*_SHORT, "1h", "30h", "36h"))}, 4
    if kind < 0.65:
        return {"every": random.choice(_LONG)}, 200
    minutes = random.choice(("0", "30", "15,45", "59", "*/20", "0-10/5"))
    hours = random.choice(("*", "*/2", "*/5", "2", "1,2,3", "0-3,23", "23", "*/24", "0"))
    month_days = random.choice(("*", "*", "*", "13", "1-15", "*/7", "L", "10,29,30"))
    week_days = random.choice(("*", "*", "*", "1", "1-5", "*/2", "sun", "7,6"))
    return {"cron": f"{minutes} {hours} {month_days} * {week_days}"}, 6


def _ends(
    random: Random, zone: str, times: Sequence[str], first: date, last: date
) -> dict[str, str]:
    ends, same = [], random.choice(times)
    for day in (first, last):
        wall = datetime.combine(
            day, time.fromisoformat(random.choice((same, random.choice(times))))
        )
        clock = whenever.PlainDateTime(wall)
        either = (
            clock.assume_tz(zone, disambiguation="earlier"),
            clock.assume_tz(zone, disambiguation="later"),
        )
        ends.append(random.choice(either))
    return {
        name: end.to_stdlib().isoformat(timespec="seconds")
        for name, end in zip(("from", "to"), sorted(ends), strict=True)
    }


def _entry(random: Random, spec: dict[str, Any], zone: str, first: date) -> dict[str, Any]:
    entry: dict[str, Any] = {
        key: random.choice(values)
        for key, values in spec.get("matrix", {}).items()
        if random.random() < 0.5
    }
    day = first + random.randrange(5) * DAY
    if random.random() < 0.5:
        entry["businessDate"] = str(day)
    if random.random() < 0.3 or not entry:
        wall = datetime.combine(day, time.fromisoformat(random.choice(_AT)))
        moment = whenever.PlainDateTime(wall).assume_tz(zone, disambiguation="compatible")
        shown = moment.to_stdlib().isoformat(timespec="seconds")
        entry["triggerTime"] = random.choice((shown, moment.timestamp() * 1000))
    return entry
