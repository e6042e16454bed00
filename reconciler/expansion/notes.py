"""What in a backfill is perhaps not meant as it is read, and stands in nobody's way."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from reconciler.expansion.cron import how_days_are_read
from reconciler.expansion.exclusion import read_time
from reconciler.expansion.matrix import RESERVED
from reconciler.expansion.slots import Slot, Timetable
from reconciler.schema import Finding


def backfill_notes(
    spec: Mapping[str, Any], table: Timetable, slots: Sequence[Slot]
) -> Iterator[Finding]:
    """The notes about a backfill that declares runs at these times."""
    given = spec.get("businessDates") or spec["triggerTimes"]
    words = how_days_are_read(given["cron"]) if "cron" in given else None
    if words is not None:
        yield Finding(path=(*table.path, "cron"), code="cron-days", words=words)
    yield from _excludes_nothing(spec.get("exclude", ()), table, slots)


def _excludes_nothing(
    entries: Sequence[Mapping[str, Any]], table: Timetable, slots: Sequence[Slot]
) -> Iterator[Finding]:
    if not entries:
        return
    dates = {slot.base: table.business_date(slot) for slot in slots}
    all_dates = frozenset(dates.values())
    for index, entry in enumerate(entries):
        if not _matches(entry, dates, all_dates):
            times = " and ".join(f"{key} {entry[key]}" for key in RESERVED if key in entry)
            words = f"leaves nothing out: no run of this backfill has {times}"
            yield Finding(path=("spec", "exclude", index), code="excludes-nothing", words=words)


def _matches(
    entry: Mapping[str, Any], dates: Mapping[Any, Any], all_dates: Collection[Any]
) -> bool:
    """Whether some time of the backfill is the entry's; its values are all the matrix's."""
    day, moment = (read_time(key, entry[key]) if key in entry else None for key in RESERVED)
    if moment is None:
        return day is None or day in all_dates
    return moment in dates and day in {None, dates[moment]}
