"""Runs as the ledger has fixed them: by the names and at the minutes that they were recorded with.

A stagger is not part of what a run carries, or a site more in a matrix would change the runs that
were started before. So it is derived anew for every run that was never claimed, around those that
were: what a claim has recorded stays. Nor is it part of what a run is that a backfill names the
time of day in its runs' names, which it does once it has several a day.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import tzinfo

from reconciler.ledger import Ledger, Record
from reconciler.ledger.events import stagger_of
from reconciler.ledger.records import Phase
from reconciler.minutes import FlowMinutes as _Minutes
from reconciler.minutes import arranged
from reconciler.model import (
    Declared,
    EpochMs,
    Run,
    RunId,
    combination_of,
    first_attempt,
    label_of,
    manifest_of,
    run_attempt,
    run_id,
    run_name,
    run_revision,
    with_parents,
)
from reconciler.times import clock_minute

_DATE = 10  # characters


def scheduled(declared: Declared, ledger: Ledger) -> Declared:
    """What is declared, each run with the name and time that are recorded, or that will be sent.

    A staggered run that is left without a free minute stays where it is, and collides there.
    """
    declared = replace(declared, runs=_named(declared.runs, ledger))
    moved = any(run.stagger or _is_moved(run, ledger) for run in declared.runs)
    return replace(declared, runs=_placed(declared, ledger)) if moved else declared


def _named(runs: Sequence[Run], ledger: Ledger) -> tuple[Run, ...]:
    """The runs, each by the name that it was recorded under, if it was renamed since.

    `formerly` gives the names that its manifest had. And a second time of day, or steps of hours
    instead of days, put the time into all names of a backfill.
    """
    ids = {run.id for run in runs}
    names = [_recorded_name(run, ledger, ids) for run in runs]
    renamed = {run.name: name for run, name in zip(runs, names, strict=True) if name != run.name}
    if not renamed:
        return tuple(runs)
    stays = {one for run in runs if run.name not in renamed for one in with_parents(run.name)}
    former = _references(renamed)
    return tuple(
        replace(
            run,
            name=renamed.get(run.name, run.name),
            declared_as=run.name if run.name in renamed else "",
            depends_on=tuple(
                one for name in run.depends_on for one in _meaning(name, former, stays)
            ),
            duplicate_of=run.duplicate_of and _meaning(run.duplicate_of, former, stays)[0],
        )
        for run in runs
    )


def _recorded_name(run: Run, ledger: Ledger, ids: Container[RunId]) -> str:
    if run.id in ledger.records:
        return run.name
    rest = run.name.removeprefix(run.manifest)
    for former in run.formerly:
        name = former + rest
        # A later revision of what was recorded under its former name is called by that as well.
        called = (run_id(name, number) for number in range(1, run.revision + 1))
        if run_id(name, run.revision) not in ids and any(one in ledger.records for one in called):
            return name
    if run.times is not None:
        for recorded in ledger.started.get(run.digest, ()):
            name = run_name(recorded)
            is_before = run_attempt(recorded) == 1 and run_revision(recorded) <= run.revision
            if is_before and run_id(name, run.revision) not in ids and _is_one(name, run):
                return name
    return run.name


def _is_one(name: str, run: Run) -> bool:
    """Whether the two names differ only in whether they name the time of day."""
    return (
        manifest_of(name) in {run.manifest, *run.formerly}
        and label_of(name)[:_DATE] == label_of(run.name)[:_DATE]
        and combination_of(name) == combination_of(run.name)
    )


def _references(renamed: Mapping[str, str]) -> dict[str, list[str]]:
    """Each reference to a run by its present name, with the references by its recorded name."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for name, recorded in renamed.items():
        for now, then in zip(with_parents(name), with_parents(recorded), strict=True):
            found[now][then] = None
    return {now: list(then) for now, then in found.items()}


def _meaning(
    name: str, former: Mapping[str, Sequence[str]], stays: Container[str]
) -> tuple[str, ...]:
    """The recorded names that a reference to the present name stands for."""
    own = (name,) if name in stays or name not in former else ()
    return (*own, *(one for one in former.get(name, ()) if one not in own))


def _is_moved(run: Run, ledger: Ledger) -> bool:
    record = _claimed(run, ledger)
    return record is not None and record.trigger_time != run.trigger_time


def _placed(declared: Declared, ledger: Ledger) -> tuple[Run, ...]:
    left = _left_minutes(ledger, declared)
    minutes = {
        flow: _Minutes(zone=declared.zone, left=left.get(flow, ()))
        for flow in {run.flow_id for run in declared.runs}
    }
    placed: dict[RunId, Run] = {}

    def place(run: Run, time: EpochMs) -> None:
        is_moved = time != run.trigger_time  # or it stays as it is: a copy costs more than the rest
        placed[run.id] = (
            replace(run, trigger_time=time, delay=time - run.trigger_time) if is_moved else run
        )
        here = minutes[run.flow_id]
        here.taken.add(here.of(time))

    waiting = sorted(declared.runs, key=lambda run: (run.trigger_time, run.id))
    for choose in (_fixed, _kept, _of_revision_before):
        for run in waiting:
            time = choose(run, ledger, minutes[run.flow_id])
            if time is not None:
                place(run, time)
        waiting = [run for run in waiting if run.id not in placed]
    found = arranged(waiting, minutes)
    for run in waiting:
        place(run, found.get(run.id, run.trigger_time))
    return tuple(placed[run.id] for run in declared.runs)


def _claimed(run: Run, ledger: Ledger) -> Record | None:
    """What is recorded of the run as it is declared."""
    record = ledger.records.get(run.id)
    return record if record is not None and record.digest == run.digest else None


def _fixed(run: Run, ledger: Ledger, _: _Minutes) -> EpochMs | None:
    """The time that nothing can change: also of a stagger that is not declared any more."""
    record = _claimed(run, ledger)
    if record is not None and record.may_have_started:
        return record.trigger_time
    return run.trigger_time if run.stagger is None else None


def _kept(run: Run, ledger: Ledger, minutes: _Minutes) -> EpochMs | None:
    """The time of the claim that did not start the run, unless another run has that minute now.

    That one may have been claimed while this run was not declared.
    """
    record = _claimed(run, ledger)
    if record is None:
        return None
    minute = minutes.of(record.trigger_time)
    return None if minute in minutes.taken or minute in minutes.left else record.trigger_time


def _of_revision_before(run: Run, ledger: Ledger, minutes: _Minutes) -> EpochMs | None:
    """The time at which the revision before was sent, if it is of the same time and still free.

    So another site, or another order of the same ones, moves nobody: variables of the hour and
    minute are worked out from it.
    """
    for revision in range(run.revision - 1, 0, -1):
        record = ledger.records.get(run_id(run.name, revision))
        if record is None or run.stagger is None:
            continue
        time = record.trigger_time
        delay = stagger_of(ledger.claims, record.claim, record.run)
        is_same = time - delay == run.trigger_time and time < run.stagger.before
        return time if is_same and minutes.of(time) not in minutes.taken else None
    return None


def _left_minutes(ledger: Ledger, declared: Declared) -> dict[int, set[int]]:
    """By flow, the minutes of runs that were claimed, not refused, and are no longer declared.

    Also of what was not started for certain: its applier may be late, and raise a doubt again.
    """
    ids = {run.id for run in declared.runs}
    minutes: dict[int, set[int]] = defaultdict(set)
    for record in ledger.records.values():
        left = record.phase is not Phase.REJECTED and first_attempt(record.run) not in ids
        if left and record.flow_id is not None:
            minutes[record.flow_id].add(clock_minute(record.trigger_time, declared.zone))
    return minutes


def minutes_of(runs: Iterable[Run], zone: tzinfo) -> dict[tuple[int, int], list[Run]]:
    """The runs by flow and minute of their trigger time, as clocks in the zone show it."""
    minutes: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for run in runs:
        minutes[run.flow_id, clock_minute(run.trigger_time, zone)].append(run)
    return minutes
