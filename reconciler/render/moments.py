"""Instants as people in the gateway's zone read them."""

from datetime import timedelta, timezone, tzinfo

from reconciler.model import EpochMs
from reconciler.times import business_date, in_zone, is_repeated, parse_instant

LONGEST = len("2024-11-03 01:30:00.007-04:00")


def zone_name(zone: tzinfo) -> str:
    """`GMT+8`, `GMT+05:30`, or the IANA name."""
    if not isinstance(zone, timezone):
        return str(zone)
    offset = zone.utcoffset(None)
    minutes = abs(offset) // timedelta(minutes=1)
    if not minutes:
        return "GMT"
    sign = "-" if offset < timedelta(0) else "+"
    hours, rest = divmod(minutes, 60)
    return f"GMT{sign}{hours:02d}:{rest:02d}" if rest else f"GMT{sign}{hours}"


def clock_time(instant: EpochMs, zone: tzinfo) -> str:
    """`2024-03-02 08:00:00` as a clock in the zone shows it, milliseconds only if there are any.

    A time that clocks show twice has its offset: `2024-11-03 01:30:00-04:00`. An instant that no
    calendar has is given as its number.
    """
    try:
        local = in_zone(instant, zone)
        shown = local if is_repeated(instant, zone) else local.replace(tzinfo=None)
    except (OverflowError, ValueError):
        return f"{instant} ms"
    return shown.isoformat(" ", "milliseconds" if instant % 1000 else "seconds")


def processed_date(instant: EpochMs, zone: tzinfo) -> str:
    """The business date of a run with that trigger time; empty where no calendar has it."""
    try:
        return business_date(instant, zone).isoformat()
    except (OverflowError, ValueError):
        return ""


def ledger_time(text: str, zone: tzinfo) -> str:
    """A time that the ledger wrote in RFC 3339, as `clock_time`; one it cannot read, as it is."""
    try:
        return clock_time(parse_instant(text), zone)
    except ValueError:
        return text
