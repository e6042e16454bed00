"""When staggered runs start: at a minute of their own, chosen once and fixed from then on.

A stagger is not part of what a run carries, or a site more in a matrix would change the runs that
were started before. So it is derived anew for every run that was never claimed, around those that
were: what a claim has recorded stays.
"""

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import replace

from reconciler.ledger import Ledger, Record
from reconciler.ledger.records import Phase
from reconciler.model import Declared, EpochMs, Run, RunId, first_attempt

MINUTE_MS = 60_000


def scheduled(declared: Declared, ledger: Ledger) -> Declared:
    """What is declared, with every staggered run's trigger time as it is to be sent.

    A run that is left without a free minute stays where it is, and collides there.
    """
    if not any(run.stagger for run in declared.runs):
        return declared
    waiting = sorted(declared.runs, key=lambda run: (run.trigger_time, run.id))
    placed: dict[RunId, Run] = {}
    taken: dict[int, set[int]] = defaultdict(set)  # by flow: minutes of what is declared
    left = _left_minutes(ledger, {run.id for run in waiting})
    for choose in (_fixed, _kept, _first_free):
        for run in waiting:
            time = choose(run, _claimed(run, ledger), taken[run.flow_id], left[run.flow_id])
            if time is not None:
                placed[run.id] = replace(run, trigger_time=time, delay=time - run.trigger_time)
                taken[run.flow_id].add(time // MINUTE_MS)
        waiting = [run for run in waiting if run.id not in placed]
    return replace(declared, runs=tuple(placed[run.id] for run in declared.runs))


def _claimed(run: Run, ledger: Ledger) -> Record | None:
    """What is recorded of the run as it is declared."""
    record = ledger.records.get(run.id)
    return record if record is not None and record.digest == run.digest else None


Minutes = Container[int]


def _fixed(run: Run, record: Record | None, _: Minutes, __: Minutes) -> EpochMs | None:
    """The time that nothing can change."""
    if run.stagger is None:
        return run.trigger_time
    return record.trigger_time if record and record.may_have_started else None


def _kept(_: Run, record: Record | None, taken: Minutes, left: Minutes) -> EpochMs | None:
    """The time of the claim that did not start the run, unless another has that minute by now.

    That one may have been claimed while this run was not declared.
    """
    if record is None:
        return None
    minute = record.trigger_time // MINUTE_MS
    return None if minute in taken or minute in left else record.trigger_time


def _first_free(run: Run, _: Record | None, taken: Minutes, left: Minutes) -> EpochMs:
    """The first free minute.

    Those of runs that are no longer declared, or of earlier revisions, are free if need be: these
    runs may be declared again.
    """
    if run.stagger is None:
        return run.trigger_time
    times = range(run.trigger_time, run.stagger.before, run.stagger.step)
    free = (time for time in times if time // MINUTE_MS not in taken)
    untouched = (
        time for time in times if time // MINUTE_MS not in taken and time // MINUTE_MS not in left
    )
    return EpochMs(next(untouched, None) or next(free, run.trigger_time))


def _left_minutes(ledger: Ledger, declared: Container[RunId]) -> dict[int, set[int]]:
    """By flow, the minutes of what was claimed and is not declared; but for what was refused.

    Also of what was not started for certain: its applier may be late, and raise a doubt again.
    """
    minutes: dict[int, set[int]] = defaultdict(set)
    for record in ledger.records.values():
        left = record.phase is not Phase.REJECTED and first_attempt(record.run) not in declared
        if left and record.flow_id is not None:
            minutes[record.flow_id].add(record.trigger_time // MINUTE_MS)
    return minutes


def minutes_of(runs: Iterable[Run]) -> dict[tuple[int, int], list[Run]]:
    """The runs by flow and minute of their trigger time."""
    minutes: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for run in runs:
        minutes[run.flow_id, run.trigger_time // MINUTE_MS].append(run)
    return minutes
