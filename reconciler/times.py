"""Instants and zones: RFC 3339 text, EnOS zone names, business dates."""

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, cast

from reconciler.bundled import read_bundled
from reconciler.model import EpochMs

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

ZONES_VERSION: str = import_module("tzdata").__version__  # of the package that all zones come from

_RFC3339 = r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)"
# How nearly all instants are written. Text of any other form is left to `_RFC3339`.
_COMMON = re.compile(
    r"(?:19[7-9]|20\d)\d-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)",
    re.ASCII,
)
# Text that means an instant, but is written in another way than RFC 3339.
_NEARLY = (
    r"(?a)\d{4}[-/.]\d\d?[-/.]\d\d?[Tt ]\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)? ?"
    r"(?:[Zz]|[+-]\d\d?(?::?\d\d)?)"
)
_WITHOUT_OFFSET = r"(?a)\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"
_GMT = re.compile(r"(?:GMT|UTC)(?:([+-])(\d{1,2})(?::?(\d\d))?)?", re.ASCII)
_BARE = r"(?a)[+-]\d{1,2}(?::?\d\d)?"  # an offset alone
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ON_CLOCKS = _EPOCH.replace(tzinfo=None)
_MILLISECOND = timedelta(milliseconds=1)
_WESTERNMOST, _EASTERNMOST = timedelta(hours=-12), timedelta(hours=14)  # of all zones
# Between them, every zone can show an instant, and the date before.
FIRST_SHOWN = EpochMs(-62135424000000)  # 0001-01-03T00:00:00.000Z
LAST_SHOWN = EpochMs(253402214399999)  # 9999-12-30T23:59:59.999Z
SECOND_MS = 1_000
HOUR_MINUTES = 60
DAY_MINUTES = 24 * HOUR_MINUTES
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = HOUR_MINUTES * MINUTE_MS
DAY_MS = DAY_MINUTES * MINUTE_MS


@cache
def _rfc3339() -> re.Pattern[str]:
    """Compiled when needed, and kept: each time in a ledger asks for it."""
    return re.compile(_RFC3339, re.ASCII)


@lru_cache(maxsize=8)  # the schema, the window and the run parse the same text, one by one
def parse_instant(text: str) -> EpochMs:
    """Parse an RFC 3339 date-time with an offset; parts of a millisecond are cut off.

    Raises ValueError with words for a person ("needs an offset, such as +08:00"), also for an
    instant outside the years 1 to 9999 in UTC, which could not be written again.
    """
    if _COMMON.fullmatch(text):
        try:
            return EpochMs(int(datetime.fromisoformat(text).timestamp()) * SECOND_MS)
        except ValueError:
            match = _rfc3339().fullmatch(text)  # the code below says what is wrong
    else:
        match = _rfc3339().fullmatch(text)
    if match is None:
        if re.fullmatch(_WITHOUT_OFFSET, text):
            raise ValueError("needs a time and an offset, such as 2024-03-02T08:00:00+08:00")
        if re.fullmatch(_NEARLY, text):
            raise ValueError(
                "is not an RFC 3339 date-time: write YYYY-MM-DD, T, hh:mm:ss, and Z or an offset "
                "with minutes, such as 2024-03-02T08:00:00+08:00"
            )
        raise ValueError("is not an RFC 3339 date-time, such as 2024-03-02T08:00:00+08:00")
    *parts, fraction, offset = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    try:
        zone = UTC if offset in "Zz" else _fixed_zone(offset[0], int(offset[1:3]), int(offset[4:6]))
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
    """The zone with a name that EnOS uses: `GMT`, `GMT+8`, `GMT+05:30`, or an IANA name.

    Raises ValueError if there is no such zone. IANA names must be written as in IANA's own list. A
    machine may know more names (`localtime`, `posixrules`, `right/…`) or ignore case, but another
    machine may not know such a name, or take it for another zone.
    """
    match = _GMT.fullmatch(name)
    if match:
        sign, hours, minutes = match.groups()
        zone = _fixed_zone(sign or "+", int(hours or 0), int(minutes or 0))
        if not _WESTERNMOST <= cast("timedelta", zone.utcoffset(None)) <= _EASTERNMOST:
            raise ValueError(f"{name!r} is not a time zone: they lie between GMT-12 and GMT+14")
        return zone
    if name in _zone_names():
        return _zone(name)
    why = "means another zone on each machine" if _is_local(name) else "is not a time zone"
    raise ValueError(f"{name!r} {why}: write GMT+8, or an IANA name such as Asia/Shanghai")


def parse_foreign_zone(name: str) -> tzinfo:
    """The zone that a service means which names it in its own way.

    Besides what `parse_zone` reads: an offset alone (`+08:00`, `+8`), and any case. Raises
    ValueError for other names, also if they are common but mean several zones (`CST`).
    """
    if re.fullmatch(_BARE, name):
        return parse_zone(f"GMT{name}")
    if _GMT.fullmatch(name.upper()):
        return parse_zone(name.upper())
    return parse_zone(_zone_names_in_any_case().get(name.casefold(), name))


@cache
def _zone_names_in_any_case() -> dict[str, str]:
    return {name.casefold(): name for name in _zone_names()}


@cache
def _zone_names() -> frozenset[str]:
    """IANA's names, as the package `tzdata` lists them."""
    listed = read_bundled("tzdata", "zones").decode().split()
    return frozenset(listed) - {"Factory"}  # for machines whose zone nobody has set


@cache
def _zone(name: str) -> "ZoneInfo":
    """The zone as the package `tzdata` has it.

    The system's files, which `ZoneInfo(name)` prefers, are never read. They differ between
    machines, so one manifest would get different trigger times.
    """
    from zoneinfo import ZoneInfo  # most gateways' zones are plain offsets

    return ZoneInfo.from_file(BytesIO(read_bundled("tzdata", f"zoneinfo/{name}")), key=name)


def _is_local(name: str) -> bool:
    first, _, _ = name.casefold().partition("/")
    return first in {"localtime", "local", "factory", "posixrules", "posix", "right"}


def zoned_time(instant: EpochMs, zone: tzinfo) -> datetime:
    """The instant as a clock in the zone shows it."""
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone)


def clock_minute(instant: EpochMs, zone: tzinfo) -> int:
    """The minute that clocks in the zone show then, counted from 1970-01-01T00:00 on those clocks.

    Where clocks go back by an hour, two instants an hour apart have the same minute.
    """
    if isinstance(zone, timezone):
        return (instant + _offset_of(zone)) // MINUTE_MS
    offset = zoned_time(instant, zone).utcoffset() or timedelta()
    return (instant + offset // _MILLISECOND) // MINUTE_MS


@cache
def _offset_of(zone: timezone) -> int:
    """How many milliseconds a zone without rules is ahead of UTC."""
    return zone.utcoffset(None) // _MILLISECOND


def local_instant(day: date, at: time, zone: tzinfo) -> EpochMs | None:
    """The instant that a time on a date means; None for a date that the zone never had.

    A time that occurs twice means its first occurrence. A time that clocks skip moves on by the
    gap. If that would lead to another date, the last minute that clocks show on the right date is
    taken. So at the instant that is returned, clocks in the zone always show `day`.
    """
    wall = datetime.combine(day, at)
    found = occurrences(wall, zone)
    if found:
        return found[0]
    moved = _instant_after_gap(wall, zone)
    if zoned_time(moved, zone).date() == day:
        return moved
    if not date_exists(day, zone):
        return None
    return _last_minute_before_gap(wall, zone)


def _instant_after_gap(wall: datetime, zone: tzinfo) -> EpochMs:
    """The instant of a time that clocks skip, moved on by the gap."""
    return EpochMs((wall - _offset(wall, zone, 0) - _EPOCH_ON_CLOCKS) // _MILLISECOND)


def _last_minute_before_gap(wall: datetime, zone: tzinfo) -> EpochMs:
    """The last whole minute that clocks show before they skip the time `wall`."""
    before, after = (_offset(wall, zone, fold) for fold in (0, 1))
    moved = _instant_after_gap(wall, zone)
    gap = range(moved - (after - before) // _MILLISECOND, moved + 1)  # clocks change within it
    changed = gap[bisect_left(gap, after, key=lambda one: _offset_at(EpochMs(one), zone))]
    last = zoned_time(EpochMs(changed - 1), zone)
    past_minute = timedelta(seconds=last.second, microseconds=last.microsecond) // _MILLISECOND
    return EpochMs(changed - 1 - past_minute)


def occurrences(wall: datetime, zone: tzinfo) -> tuple[EpochMs, ...]:
    """The instants, ascending, at which clocks in the zone show that date and time.

    As a rule there is one. A time that occurs twice has two, and a time that clocks skip has none.
    """
    first, second = (_offset(wall, zone, fold) for fold in (0, 1))
    if first < second:
        return ()
    since = wall - _EPOCH_ON_CLOCKS
    instants = ((since - first) // _MILLISECOND, (since - second) // _MILLISECOND)
    return tuple(map(EpochMs, instants if first > second else instants[:1]))


def is_repeated(instant: EpochMs, zone: tzinfo) -> bool:
    """Whether clocks in the zone show the same date and time at another instant as well."""
    if isinstance(zone, timezone):
        return False
    return len(occurrences(zoned_time(instant, zone).replace(tzinfo=None), zone)) > 1


def date_exists(day: date, zone: tzinfo) -> bool:
    """Whether clocks in the zone ever show that date, even if they skip its midnight."""
    midnight = datetime.combine(day, time())
    return bool(occurrences(midnight, zone)) or (
        zoned_time(_instant_after_gap(midnight, zone), zone).date() == day
    )


def following_date(day: date, zone: tzinfo) -> date:
    """The date that clocks show instead of a date that they skip."""
    return zoned_time(_instant_after_gap(datetime.combine(day, time()), zone), zone).date()


def end_of_date(instant: EpochMs, zone: tzinfo) -> EpochMs:
    """When clocks in the zone stop showing the date that they show at that instant.

    As a rule that is at midnight; otherwise it is when clocks skip midnight, or go back over it.
    Raises OverflowError for the end of the year 9999.
    """
    now = zoned_time(instant, zone)
    midnight = _midnight_after(now, instant, zone)
    if zoned_time(EpochMs(midnight - 1), zone).utcoffset() == now.utcoffset():
        return midnight
    until_midnight = range(instant, midnight)
    changed = until_midnight[
        bisect_left(
            until_midnight,
            True,  # noqa: FBT003 - what the key becomes
            key=lambda one: zoned_time(EpochMs(one), zone).utcoffset() != now.utcoffset(),
        )
    ]
    return midnight if zoned_time(EpochMs(changed), zone).date() == now.date() else EpochMs(changed)


def return_to_date(day: date, left: EpochMs, zone: tzinfo) -> EpochMs | None:
    """When clocks in the zone show `day` again, having stopped at `left`; None if they do not.

    They show it again where they had gone back from it to the previous date.
    """
    midnight, *again = occurrences(datetime.combine(day, time()), zone) or (left,)
    return next((one for one in again if one >= left), None) if midnight < left else None


def _midnight_after(now: datetime, instant: EpochMs, zone: tzinfo) -> EpochMs:
    day = now.date() + timedelta(days=1)
    midnights = occurrences(datetime.combine(day, time()), zone)
    if not midnights:
        return _instant_after_gap(datetime.combine(day, time()), zone)
    return next((one for one in midnights if one > instant), midnights[-1])


def business_date_instant(business_date: date, at: time, zone: tzinfo) -> EpochMs | None:
    """The trigger time that makes a flow process that date: the next day at `at`.

    None where the zone never had the next day, so that no run can process the date.
    Source: EnOS reference, "to process the data of 2018-03-01, set the trigger time to 2018-03-02".
    """
    return local_instant(business_date + timedelta(days=1), at, zone)


def business_date(instant: EpochMs, zone: tzinfo) -> date:
    """The date that a flow triggered at that instant processes: the day before, in the zone."""
    return zoned_time(instant, zone).date() - timedelta(days=1)


def _offset(wall: datetime, zone: tzinfo, fold: int) -> timedelta:
    return cast("timedelta", wall.replace(tzinfo=zone, fold=fold).utcoffset())


def _offset_at(instant: EpochMs, zone: tzinfo) -> timedelta:
    return cast("timedelta", zoned_time(instant, zone).utcoffset())


@lru_cache(maxsize=64)
def _fixed_zone(sign: str, hours: int, minutes: int) -> tzinfo:
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - the limits of RFC 3339's time-numoffset
        raise ValueError(f"no zone has the offset {sign}{hours:02d}:{minutes:02d}")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)
