"""A zone's offsets as numbers, so that the page's script tells the time as the gateway does.

What a browser knows of zones depends on the machine; what the reconciler knows is pinned.
"""

from datetime import timedelta, timezone, tzinfo

from reconciler.model import EpochMs
from reconciler.times import in_zone

_DAY = 86_400_000
_MOST_DAYS = 40_000  # a hundred years: what lies beyond is told by the last offset


def offsets(zone: tzinfo, first: EpochMs, last: EpochMs) -> list[list[int]]:
    """Pairs: since when (epoch, milliseconds), and how many seconds the clocks are ahead of UTC.

    The first pair also counts before its time. No zone changes its offset twice in a day.
    """
    if isinstance(zone, timezone):
        return [[first, zone.utcoffset(None) // timedelta(seconds=1)]]
    now = _offset(zone, first)
    found = [[first, now]]
    end = min(last + _DAY, first + _MOST_DAYS * _DAY)
    for day in range(first, end, _DAY):
        following = _offset(zone, EpochMs(day + _DAY))
        if following != now:
            found.append([_changed(zone, day, day + _DAY, now), following])
            now = following
    return found


def _changed(zone: tzinfo, before: int, after: int, offset: int) -> int:
    """The first second in which the zone has another offset."""
    while after - before > 1000:  # noqa: PLR2004 - a second
        middle = (before + after) // 2
        if _offset(zone, EpochMs(middle)) == offset:
            before = middle
        else:
            after = middle
    return after // 1000 * 1000


def _offset(zone: tzinfo, instant: EpochMs) -> int:
    """Seconds ahead of UTC; 0 where no calendar has the instant."""
    try:
        offset = in_zone(instant, zone).utcoffset() or timedelta()
    except (OverflowError, ValueError):
        return 0
    return offset // timedelta(seconds=1)
