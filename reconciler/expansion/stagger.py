"""`stagger`: how far the runs of one time may be moved apart."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, tzinfo
from functools import cache

from reconciler.expansion.common import LAST
from reconciler.expansion.slots import Slot, Timetable
from reconciler.expansion.steps import Minutes, parse_step
from reconciler.model import EpochMs, Stagger
from reconciler.times import MINUTE_MS, clock_minute, end_of_date, in_zone, return_to_date


def staggers(every: str, table: Timetable, slots: Sequence[Slot]) -> Iterator[Stagger]:
    """How the runs of each slot may be moved.

    They stay on their date, or the flow would process another one; and before the backfill's next
    time, be it in range or not.
    """
    step = parse_step(every)
    apart = step.count * MINUTE_MS if isinstance(step, Minutes) else 0

    @cache
    def bases(day: date) -> Sequence[EpochMs]:
        return sorted(slot.base for slot in table.on(day))

    for slot in slots:
        before, pause = _end_of_date(slot, table)
        if table.grid.grain.below_a_day:
            after = bisect_right(bases(slot.date), slot.base)
            before = min([before, *bases(slot.date)[after : after + 1]])
        if pause is not None and before <= pause[0]:
            pause = None
        yield Stagger(step=apart, before=before, pause=pause)


def fits(stagger: Stagger, base: EpochMs, runs: int, zone: tzinfo) -> bool:
    """Whether so many runs, the first of them at the base, all start in time.

    Each needs a minute of its own, as clocks in the zone show it: an hour that occurs twice has 60.
    """
    times = stagger.times(base)
    if len(times) < runs or in_zone(base, zone).utcoffset() == in_zone(times[-1], zone).utcoffset():
        return len(times) >= runs
    return len({clock_minute(time, zone) for time in times}) >= runs


def _end_of_date(slot: Slot, table: Timetable) -> tuple[EpochMs, tuple[EpochMs, EpochMs] | None]:
    """When the date ends for good, and the pause that clocks make in it by going back."""
    zone = table.zone
    try:
        end = end_of_date(slot.base, zone)
        again = return_to_date(in_zone(slot.base, zone).date(), end, zone)
        if again is not None:
            return min(end_of_date(again, zone), EpochMs(LAST + 1)), (end, again)
        return min(end, EpochMs(LAST + 1)), None
    except OverflowError:  # in the year 10000
        return EpochMs(LAST + 1), None
