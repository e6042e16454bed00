"""Instants and zones: RFC 3339 text, EnOS zone names, business dates."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reconciler.model import EpochMs

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_WITHOUT_OFFSET = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII)
_GMT = re.compile(r"(?:GMT|UTC)(?:([+-])(\d{1,2})(?::?(\d\d))?)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_instant(text: str) -> EpochMs:
    """An RFC 3339 date-time with an offset, as an instant; finer than a millisecond is cut.

    Raises ValueError with words for a person ("needs an offset, such as +08:00"), also for an
    instant that lies outside the years 1 to 9999 in UTC and so could not be written again.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        if _WITHOUT_OFFSET.fullmatch(text):
            raise ValueError("needs a time and an offset, such as 2024-03-02T08:00:00+08:00")
        raise ValueError("is not an RFC 3339 date-time, such as 2024-03-02T08:00:00+08:00")
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    try:
        zone = UTC if offset in "Zz" else _fixed(offset[0], int(offset[1:3]), int(offset[4:6]))
        whole = datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
        milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
        return EpochMs((whole - _EPOCH) // _MILLISECOND + milliseconds)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is not a date-time that exists: {error}") from None


def format_instant(instant: EpochMs) -> str:
    """RFC 3339 in UTC with milliseconds, as the ledger writes it."""
    moment = _EPOCH + timedelta(milliseconds=instant)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_zone(name: str) -> tzinfo:
    """A zone by the names that EnOS uses: `GMT`, `GMT+8`, `GMT+05:30`, or an IANA name.

    Raises ValueError if there is no such zone.
    """
    match = _GMT.fullmatch(name)
    if match:
        sign, hours, minutes = match.groups()
        return _fixed(sign or "+", int(hours or 0), int(minutes or 0))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is not a time zone: write GMT+8, or an IANA name such as Asia/Shanghai"
        ) from None


def in_zone(instant: EpochMs, zone: tzinfo) -> datetime:
    """The instant as a clock in the zone shows it."""
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone)


def local_instant(day: date, at: time, zone: tzinfo) -> EpochMs:
    """The instant at which clocks in the zone show that day and time.

    Of a time that occurs twice it is the first; one that the clock skips moves on by the gap.
    """
    local = datetime.combine(day, at, tzinfo=zone)
    return EpochMs((local.astimezone(UTC) - _EPOCH) // _MILLISECOND)


def business_date_instant(business_date: date, at: time, zone: tzinfo) -> EpochMs:
    """The trigger time that makes a flow process that date: the next day at `at`.

    Source: EnOS reference, "to process the data of 2018-03-01, set the trigger time to 2018-03-02".
    """
    return local_instant(business_date + timedelta(days=1), at, zone)


def business_date(instant: EpochMs, zone: tzinfo) -> date:
    """The date that a flow triggered at that instant processes: the day before, in the zone."""
    return in_zone(instant, zone).date() - timedelta(days=1)


def _fixed(sign: str, hours: int, minutes: int) -> tzinfo:
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - the limits of RFC 3339's time-numoffset
        raise ValueError(f"no zone has the offset {sign}{hours:02d}:{minutes:02d}")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)
