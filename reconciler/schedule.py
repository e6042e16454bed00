"""Runs as the ledger has fixed them: with the names and minutes that were recorded for them.

A delay is not part of a run's digest. If it were, one more site in a matrix would change runs that
have already started. So delays are chosen anew for every run that was never claimed, around the
runs that were: what a claim has recorded stays. `renaming` finds the names, `minutes` the minutes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo

from msgspec.structs import replace

from reconciler.ledger import Ledger, Record
from reconciler.ledger.events import stagger_of
from reconciler.ledger.records import Phase
from reconciler.minutes import FlowMinutes, assign_minutes
from reconciler.model import (
    Declared,
    EpochMs,
    Run,
    RunId,
    first_attempt,
    run_id,
)
from reconciler.renaming import with_recorded_names
from reconciler.times import clock_minute


def schedule_runs(declared: Declared, ledger: Ledger) -> Declared:
    """What is declared, with each run's name and time as recorded, or else as they will be.

    A staggered run for which no minute is free keeps its own time, and collides there.
    """
    declared = replace(declared, runs=with_recorded_names(declared.runs, ledger))
    moved = any(run.stagger or _is_moved(run, ledger) for run in declared.runs)
    return replace(declared, runs=_place_runs(declared, ledger)) if moved else declared


def _is_moved(run: Run, ledger: Ledger) -> bool:
    record = _matching_record(run, ledger)
    return record is not None and record.trigger_time != run.trigger_time


def _place_runs(declared: Declared, ledger: Ledger) -> tuple[Run, ...]:
    left = _left_minutes(ledger, declared)
    minutes = {
        flow: FlowMinutes(zone=declared.zone, left=left.get(flow, ()))
        for flow in {run.flow_id for run in declared.runs}
    }
    placed: dict[RunId, Run] = {}
    delays: dict[int, int] = {}  # so that equal delays are one object in memory

    def place(run: Run, time: EpochMs) -> None:
        # A run without a stagger is not copied: a copy costs more than all the rest. A run with a
        # stagger is copied even if it is not moved: one original left among a hundred would keep
        # the memory of all of them from being used again.
        is_copied = time != run.trigger_time or run.stagger is not None
        if is_copied:
            delay = time - run.trigger_time
            run = run.but(trigger_time=time, delay=delays.setdefault(delay, delay))
        placed[run.id] = run
        here = minutes[run.flow_id]
        here.taken.add(here.of(time))

    waiting = sorted(declared.runs, key=lambda run: (run.trigger_time, run.id))
    for choose in (_started_time, _previous_revision_time, _declared_time, _claimed_time):
        left_over = []
        for run in waiting:
            time = choose(run, ledger, minutes[run.flow_id])
            if time is None:
                left_over.append(run)
            else:
                place(run, time)
        waiting = [run for run in left_over if run.id not in placed]
    found = assign_minutes(waiting, minutes)
    for run in waiting:
        place(run, found.get(run.id, run.trigger_time))
    return tuple(placed[run.id] for run in declared.runs)


def _matching_record(run: Run, ledger: Ledger) -> Record | None:
    """The run's record, if it has the digest of the run as it is declared now."""
    record = ledger.records.get(run.id)
    return record if record is not None and record.digest == run.digest else None


def _started_time(run: Run, ledger: Ledger, _: FlowMinutes) -> EpochMs | None:
    """The recorded time of a run that may have started; it stays even if the stagger is gone."""
    record = _matching_record(run, ledger)
    return record.trigger_time if record is not None and record.may_have_started else None


def _declared_time(run: Run, _: Ledger, __: FlowMinutes) -> EpochMs | None:
    """The time of a run that has no stagger."""
    return run.trigger_time if run.stagger is None else None


def _claimed_time(run: Run, ledger: Ledger, minutes: FlowMinutes) -> EpochMs | None:
    """The time of the claim that did not start the run, unless another run has that minute now.

    The other run may have been claimed while this run was not declared.
    """
    record = _matching_record(run, ledger)
    if record is None:
        return None
    minute = minutes.of(record.trigger_time)
    return None if minute in minutes.taken or minute in minutes.left else record.trigger_time


def _previous_revision_time(run: Run, ledger: Ledger, minutes: FlowMinutes) -> EpochMs | None:
    """The previous revision's time, if it is free and both revisions are declared for one time.

    So one more site, another order of the sites, or a new run without a stagger moves no run that
    has a previous revision. This matters because flows work out variables of the hour and minute
    from the trigger time. A new run that wants the same minute collides, and is reported.
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


def undeclared_records(runs: Iterable[Run], ledger: Ledger) -> Iterator[Record]:
    """The records of runs, and of attempts, that are not among these runs, in ledger order."""
    ids = {run.id for run in runs}
    left = ledger.records.keys() - ids
    for run, record in ledger.records.items() if left else ():
        if run in left and first_attempt(run) not in ids:
            yield record


def _left_minutes(ledger: Ledger, declared: Declared) -> dict[int, set[int]]:
    """By flow, the minutes of runs that were claimed, not rejected, and are no longer declared.

    That includes runs known not to have been started: a late applier may put them in doubt again.
    """
    minutes: dict[int, set[int]] = defaultdict(set)
    for record in undeclared_records(declared.runs, ledger):
        if record.phase is not Phase.REJECTED and record.flow_id is not None:
            minutes[record.flow_id].add(clock_minute(record.trigger_time, declared.zone))
    return minutes


def shared_minutes(runs: Sequence[Run], zone: tzinfo) -> Iterable[Sequence[Run]]:
    """Groups of runs of one flow whose trigger times are in one minute on clocks in the zone."""
    minutes = [(run.flow_id, clock_minute(run.trigger_time, zone)) for run in runs]
    shared = {minute for minute, number in Counter(minutes).items() if number > 1}
    found: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for minute, run in zip(minutes, runs, strict=True) if shared else ():
        if minute in shared:
            found[minute].append(run)
    return found.values()
