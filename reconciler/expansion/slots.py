"""The times of a backfill: from clock times to instants, their names, and how to stagger runs."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cache

from msgspec import Struct

from reconciler.expansion.common import FIRST, LAST, NotExpandedError, instant_finding
from reconciler.expansion.grids import DateGrid, Grid
from reconciler.expansion.steps import Minutes, Months, parse_step
from reconciler.model import EpochMs, Stagger
from reconciler.schema.paths import Path
from reconciler.times import (
    MINUTE_MS,
    business_date,
    clock_minute,
    end_of_date,
    local_instant,
    occurrences,
    return_to_date,
    zoned_time,
)


class Slot(Struct, frozen=True, kw_only=True):
    """One time of a backfill, with a run for each combination of the matrix."""

    label: str  # in the names of its runs: 2024-03-01, or 2024-03-01T08:00
    base: EpochMs  # the trigger time, without any delay
    date: date  # in the grid


class Timetable(Struct, frozen=True, kw_only=True):
    """The times that a backfill names, in the gateway's zone."""

    grid: Grid
    zone: tzinfo
    path: Path  # of the field that gives the range
    of_business_dates: bool  # the grid has dates to process; their runs trigger on the next day
    since: EpochMs = FIRST  # limits of the trigger times, both included
    until: EpochMs = LAST

    def slots(self) -> Iterator[Slot]:
        """The times in range, one by one; ascending unless clocks go back over midnight.

        Raises NotExpandedError at a time that no run can have.
        """
        for day in self.grid.dates():
            for slot in self.on(day):
                if self.since <= slot.base <= self.until:
                    yield slot
                elif self.of_business_dates:
                    raise self._range_error("from" if slot.base < FIRST else "to")

    def on(self, day: date) -> Sequence[Slot]:
        """All times on one of the grid's dates, ascending, including those out of range."""
        try:
            trigger_day = day + timedelta(days=1) if self.of_business_dates else day
        except OverflowError:
            raise self._range_error("to") from None
        shown: dict[EpochMs, Slot] = {}
        moved: dict[EpochMs, Slot] = {}
        for at in self.grid.times(day):
            found = occurrences(datetime.combine(trigger_day, at), self.zone)
            for base in self._meant_instants(found):
                offset = "" if base == found[0] else _offset(base, self.zone)
                shown[base] = self._slot(day, at, base, offset)
            if not found and self.grid.grain.moves_on:
                base_moved = local_instant(trigger_day, at, self.zone)
                if base_moved is not None:
                    moved.setdefault(base_moved, self._slot(day, at, base_moved))
        # A time that moves on to another time, or to where another has moved, merges with it.
        return sorted((moved | shown).values(), key=lambda slot: slot.base)

    def _meant_instants(self, found: Sequence[EpochMs]) -> Sequence[EpochMs]:
        """Which of the instants at which clocks show a time are meant: both, or only the first.

        If the second instant is an end of the range, it is meant instead of the first, because the
        ends are included. Otherwise its date would be processed twice, or not at all.
        """
        if self.grid.grain.both:
            return found
        return [one for one in found if one in {self.since, self.until}] or found[:1]

    def _slot(self, day: date, at: time, base: EpochMs, offset: str = "") -> Slot:
        names_time = self.grid.grain.names_time or offset
        label = f"{day}T{_clock(at)}{offset}" if names_time else f"{day}"
        return Slot(label=label, base=base, date=day)

    def instant(self, label: str) -> EpochMs | None:
        """The time, in range or not, with that label in names; None where there is none."""
        try:
            slots = self.on(date.fromisoformat(label[:10]))
            return next((slot.base for slot in slots if slot.label == label), None)
        except (
            ValueError,
            NotExpandedError,
        ):  # another kind of name, or a date that no run can have
            return None

    @property
    def counted_from(self) -> date | None:
        """The first date, whose day of the month all dates have; None unless the step is months."""
        grid = self.grid
        return grid.first if isinstance(grid, DateGrid) and isinstance(grid.step, Months) else None

    def passes_over(self, day: date) -> bool:
        """Whether the date is in the range and a step of months skips it."""
        if not isinstance(self.grid, DateGrid) or self.counted_from is None:
            return False
        last = min(self.grid.last, zoned_time(self.until, self.zone).date())
        return self.grid.first <= day <= last and day not in self.grid.dates()

    def business_date(self, slot: Slot) -> date:
        """The date that the slot's runs process."""
        return slot.date if self.of_business_dates else business_date(slot.base, self.zone)

    def _range_error(self, end: str) -> NotExpandedError:
        return NotExpandedError([instant_finding((*self.path, end))])


def _offset(base: EpochMs, zone: tzinfo) -> str:
    """The offset of the zone's clocks at that instant, in the form of RFC 3339."""
    shown = zoned_time(base, zone)
    return shown.isoformat().removeprefix(shown.replace(tzinfo=None).isoformat())


def _clock(at: time) -> str:
    """The time of day, as short as it can be written."""
    if at.microsecond:
        return at.isoformat(timespec="milliseconds")
    return at.isoformat(timespec="seconds" if at.second else "minutes")


def staggers(every: str, table: Timetable, slots: Sequence[Slot]) -> Iterator[Stagger]:
    """How the runs of each slot may be moved.

    A run must stay on its date, or the flow would process another date. It must also stay before
    the backfill's next time, in range or not.
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


def have_room(stagger: Stagger, base: EpochMs, runs: int, zone: tzinfo) -> bool:
    """Whether that many runs, the first of them at the base, can all start in time.

    Each needs a minute of its own on the zone's clocks: an hour that occurs twice has 60 minutes.
    """
    times = stagger.times(base)
    if (
        len(times) < runs
        or zoned_time(base, zone).utcoffset() == zoned_time(times[-1], zone).utcoffset()
    ):
        return len(times) >= runs
    return len({clock_minute(time, zone) for time in times}) >= runs


def _end_of_date(slot: Slot, table: Timetable) -> tuple[EpochMs, tuple[EpochMs, EpochMs] | None]:
    """When the slot's date ends for good, and the pause in it where clocks leave it and go back."""
    zone = table.zone
    try:
        end = end_of_date(slot.base, zone)
        again = return_to_date(zoned_time(slot.base, zone).date(), end, zone)
        if again is not None:
            return min(end_of_date(again, zone), EpochMs(LAST + 1)), (end, again)
        return min(end, EpochMs(LAST + 1)), None
    except OverflowError:  # in the year 10000
        return EpochMs(LAST + 1), None
