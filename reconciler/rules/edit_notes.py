"""What an edit did that its author perhaps did not mean, and that stands in nobody's way."""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from reconciler.ledger import Ledger
from reconciler.model import Declared, Problem, Run, label_of, manifest_of, run_name


def edit_notes(declared: Declared, ledger: Ledger) -> Iterator[Problem]:
    """A note where a step of months passes over days on which its backfill has run.

    Months are counted from the first date, so that another first date means other days: from the
    31st month ends, from the 29th of February the 29th of each month.
    """
    counting = {run.manifest: run for run in declared.runs if run.times and run.times.counted_from}
    passed: dict[str, set[date]] = defaultdict(set)
    recorded: dict[str, int] = defaultdict(int)
    for record in ledger.records.values() if counting else ():
        name = run_name(record.run)
        run = counting.get(manifest_of(name))
        if run is None or run.times is None or not record.may_have_started:
            continue
        day = _date_of(name)
        if day is not None and run.times.passes_over(day):
            passed[run.manifest].add(day)
            recorded[run.manifest] += 1
    for manifest, days in sorted(passed.items()):
        yield _months_moved(counting[manifest], sorted(days), recorded[manifest])


def _date_of(name: str) -> date | None:
    """The date in the name of a run; None if it has none, as when a Trigger had that name."""
    try:
        return date.fromisoformat(label_of(name)[:10])
    except ValueError:
        return None


def _months_moved(run: Run, days: list[date], recorded: int) -> Problem:
    field = next(one for one in ("businessDates", "triggerTimes") if f"/spec/{one}" in run.places)
    counted_from = run.times.counted_from if run.times else None
    are = "recorded run is on a day" if recorded == 1 else "recorded runs are on days"
    shown = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
    why = f"months are counted from {counted_from}, so other days are meant than before"
    remedy = "begin with the day of the month that they were counted from"
    if counted_from is not None and all(_is_same_day(day, counted_from) for day in days):
        why = "the step meets other months than before"
        remedy = "write `every`, and the month that it begins with, as before"
    return Problem(
        place=run.place_of(f"/spec/{field}"),
        code="months-moved",
        pointer=f"/spec/{field}",
        message=f"spec.{field}: {why}: {recorded} {are} that {run.manifest} no longer means "
        f"({shown}); {remedy}, if that is not meant",
    )


def _is_same_day(day: date, counted_from: date) -> bool:
    """Whether a step of one month from the one date meets the other."""
    return day.day == min(counted_from.day, monthrange(day.year, day.month)[1])
