"""The times of a backfill, one after another: from a clock to instants, and their names."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from reconciler.expansion.common import FIRST, LAST, RefusedError, out_of_range
from reconciler.expansion.grids import Grain, Grid
from reconciler.model import EpochMs
from reconciler.schema.paths import Path
from reconciler.times import business_date, date_exists, local_instant, occurrences


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One time of a backfill: a run for each combination of its matrix."""

    label: str  # in the names of its runs: 2024-03-01, or 2024-03-01T08:00
    base: EpochMs  # the trigger time, before any stagger
    date: date  # of the grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """What times a backfill names, in the gateway's zone."""

    grid: Grid
    zone: tzinfo
    path: Path  # of the field that gives the range
    of_business_dates: bool  # the grid's dates are those to process; triggered on the next day
    since: EpochMs = FIRST  # of trigger times: both ends included
    until: EpochMs = LAST

    def slots(self) -> Iterator[Slot]:
        """The times in range, made one by one; ascending unless clocks go back between them.

        Raises RefusedError at one that no run can have.
        """
        for day in self.grid.dates():
            for slot in self.on(day):
                if self.since <= slot.base <= self.until:
                    yield slot
                elif self.of_business_dates:
                    raise self._out_of_range("from" if slot.base < FIRST else "to")

    def on(self, day: date) -> Iterator[Slot]:
        """All times on one of the grid's dates, also those that are not in range."""
        try:
            trigger_day = day + timedelta(days=1) if self.of_business_dates else day
        except OverflowError:
            raise self._out_of_range("to") from None
        for at in self.grid.times(day):
            for base, offset in _instants(trigger_day, at, self.zone, self.grid.grain):
                yield Slot(
                    label=f"{day}T{_clock(at)}{offset}" if self.grid.grain.names_time else f"{day}",
                    base=base,
                    date=day,
                )

    def labels(self, day: date) -> frozenset[str]:
        """How the times on one of the grid's dates stand in names, in range or not."""
        return frozenset(slot.label for slot in self.on(day))

    def business_date(self, slot: Slot) -> date:
        """The date that the slot's runs process."""
        return slot.date if self.of_business_dates else business_date(slot.base, self.zone)

    def _out_of_range(self, end: str) -> RefusedError:
        return RefusedError([out_of_range((*self.path, end))])


def _instants(day: date, at: time, zone: tzinfo, grain: Grain) -> list[tuple[EpochMs, str]]:
    """When clocks show that time, as far as it is meant; the second time with its offset."""
    wall = datetime.combine(day, at)
    found = occurrences(wall, zone)
    if len(found) == 1 or (found and not grain.both):
        return [(found[0], "")]
    if found:
        return [(found[0], ""), (found[1], _offset(wall, zone))]
    if grain.below_a_day or not date_exists(day, zone):
        return []
    return [(local_instant(day, at, zone), "")]


def _offset(wall: datetime, zone: tzinfo) -> str:
    """The offset of clocks when they show that time again, as RFC 3339 writes it."""
    return wall.replace(tzinfo=zone, fold=1).isoformat().removeprefix(wall.isoformat())


def _clock(at: time) -> str:
    """The time of day, as short as it can be written."""
    if at.microsecond:
        return at.isoformat(timespec="milliseconds")
    return at.isoformat(timespec="seconds" if at.second else "minutes")
