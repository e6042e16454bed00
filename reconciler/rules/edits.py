"""Edits of runs: those that the rules refuse, and those that they only note.

The rules refuse to edit a started run under the same revision, and to go back to an earlier
revision; a change's plan shows these refusals. A note is for an edit with an effect that its author
perhaps did not mean, and that stands in nobody's way.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from reconciler.ledger import Ledger
from reconciler.model import (
    Declared,
    Problem,
    Run,
    RunId,
    label_of,
    manifest_of,
    run_id,
    run_name,
    run_revision,
)


def is_edited(run: Run, ledger: Ledger) -> bool:
    """Whether the run was started with another digest than the declared one."""
    return bool(edited_runs((run,), ledger))


def edited_runs(runs: Iterable[Run], ledger: Ledger) -> list[Run]:
    """The runs that were started with another digest than the declared one."""
    records = ledger.records
    return [
        run
        for run in runs
        if (record := records.get(run.id)) is not None
        and record.digest != run.digest
        and record.may_have_started
    ]


def lowered_runs(runs: Iterable[Run], ledger: Ledger) -> Iterator[tuple[Run, RunId]]:
    """Each run that was not started although a later revision was, and the first such revision.

    Nobody means to go back to an earlier revision. If the declared revision was started as well,
    that is no problem, because it cannot start again.
    """
    unstarted = [run for run in runs if not ledger.may_have_started(run.id)]
    started: dict[str, set[int]] = defaultdict(set)  # revisions, by the names of those runs
    names = {run.name for run in unstarted}
    for record in ledger.records.values() if names else ():
        name = run_name(record.run)
        if name in names and record.may_have_started:
            started[name].add(run_revision(record.run))
    for run in unstarted:
        later = [revision for revision in started.get(run.name, ()) if revision > run.revision]
        if later:
            yield run, run_id(run.name, min(later))


def edit_notes(declared: Declared, ledger: Ledger) -> Iterator[Problem]:
    """A note for each backfill whose step of months now passes over days that it has run on.

    Months are counted from the first date, so another first date means other days: month ends from
    the 31st on, the 29th of each month from the 29th of February on.
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
        yield _moved_months_note(counting[manifest], sorted(days), recorded[manifest])


def _date_of(name: str) -> date | None:
    """The date in the name of a run; None if it has none, as when the name was a Trigger's."""
    try:
        return date.fromisoformat(label_of(name)[:10])
    except ValueError:
        return None


def _moved_months_note(run: Run, days: list[date], recorded: int) -> Problem:
    field = next(one for one in ("businessDates", "triggerTimes") if f"/spec/{one}" in run.marks)
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
    """Whether monthly steps from `counted_from` fall on that day of the month."""
    return day.day == min(counted_from.day, monthrange(day.year, day.month)[1])
