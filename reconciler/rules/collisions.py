"""Runs of one flow in one minute: the service's instance ids carry minutes only."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from itertools import pairwise

from reconciler.ledger import Ledger, Record
from reconciler.model import (
    Digest,
    EpochMs,
    Problem,
    Run,
    backfill_of,
    run_name,
    run_revision,
)
from reconciler.schedule import minutes_of
from reconciler.times import MINUTE_MS, clock_minute, format_instant, in_zone


def collisions(
    runs: Sequence[Run], ledger: Ledger, zone: tzinfo, now: EpochMs | None
) -> Iterator[tuple[Run, Problem]]:
    """Every run that can start and shares flow and minute with another that carries something else.

    The other one is declared, or recorded and no longer declared. The minute is the one that clocks
    show in the service's zone, for that is what its ids carry. Of two that have both been started,
    or will never be, none can be moved: they are left in peace.
    """
    times: dict[str, list[EpochMs]] = defaultdict(list)
    for run in runs:
        times[run.declared_manifest].append(run.trigger_time)
    roomy: dict[str, bool] = {}
    left = _left(runs, ledger, zone)
    for minute, group in minutes_of(runs, zone).items():
        over = {run.id for run in group if run.is_over(now)}
        started = {run.id for run in group if ledger.may_have_started(run.id)}
        present = [run for run in group if run.id in started or run.id not in over]
        # Runs of one digest are the duplicate rule's: what it lets pass is meant.
        second = next((run for run in present if run.digest != present[0].digest), None)
        for run in present:
            if run.id in started:
                continue
            manifest = run.declared_manifest
            if manifest not in roomy:
                roomy[manifest] = _have_room(times[manifest])
            other = second if run.digest == present[0].digest else present[0]
            gone = _another(run, left.get(minute, {}))
            if other is not None:
                yield run, _collision(run, other, zone, roomy=roomy[manifest])
            elif gone is not None:
                yield run, _with_gone(run, gone, zone, roomy=roomy[manifest])


# What was started in one minute: of each digest and manifest, the record of the newest revision.
_Left = Mapping[Digest, Mapping[str, Record]]


def _left(runs: Iterable[Run], ledger: Ledger, zone: tzinfo) -> Mapping[tuple[int, int], _Left]:
    """By flow and minute, what may have been started there and is no longer declared."""
    names = {run.name for run in runs}
    found: dict[tuple[int, int], dict[Digest, dict[str, Record]]] = {}
    for manifest, records in ledger.of_manifests.items():
        for record in sorted(records, key=lambda one: run_revision(one.run)):
            if record.flow_id is not None and run_name(record.run) not in names:
                minute = record.flow_id, clock_minute(record.trigger_time, zone)
                of_minute = found.setdefault(minute, {})
                of_minute.setdefault(record.digest, {})[manifest] = record
    return found


def _another(run: Run, left: _Left) -> Record | None:
    """What was started as other work than the run, which does not mean to repeat it.

    Who raises a revision, or says `again`, wants the same once more, at its time.
    """
    own = {run.manifest, run.declared_manifest, *run.formerly}
    for digest, records in left.items():
        for manifest, record in records.items() if digest != run.digest else ():
            repeats = run.again or run_revision(record.run) < run.revision
            if not (manifest in own and repeats):
                return record
    return None


def _have_room(times: Iterable[EpochMs]) -> bool:
    """Whether the runs of each time can start a minute apart before the next time."""
    runs = sorted(Counter(times).items())
    return all(
        time + (number - 1) * MINUTE_MS < after for (time, number), (after, _) in pairwise(runs)
    )


def _collision(run: Run, other: Run, zone: tzinfo, *, roomy: bool) -> Problem:
    pointer = "/spec/triggerTime"
    minute = _minute(run.trigger_time, other.trigger_time, zone)
    return Problem(
        place=run.place_of(pointer),
        code="collision",
        pointer=pointer,
        message=f"{run.declared_id()} and {other.declared_id()} "
        f"({other.place_of(pointer)}) both start flow "
        f"{run.flow_id} in the minute {minute}, and the service's instance ids carry minutes "
        f"only: {_remedy(run, other, roomy=roomy)}",
    )


def _with_gone(run: Run, gone: Record, zone: tzinfo, *, roomy: bool) -> Problem:
    pointer = "/spec/triggerTime"
    remedy = (
        "move it by a minute" if backfill_of(run.id) is None else _remedy(run, run, roomy=roomy)
    )
    return Problem(
        place=run.place_of(pointer),
        code="collision",
        pointer=pointer,
        message=f"{run.declared_id()} starts flow {run.flow_id} in the minute "
        f"{_minute(run.trigger_time, gone.trigger_time, zone)}, in which {gone.run}, no longer "
        f"declared, was started, and the service's instance ids carry minutes only: {remedy}",
    )


def _minute(time: EpochMs, other: EpochMs, zone: tzinfo) -> str:
    """The minute that both have; where clocks show it twice, as they show it."""
    one, two = (format_instant(each)[:16] for each in (time, other))
    if one == two:
        return f"{one}Z"
    local = in_zone(time, zone).replace(tzinfo=None).isoformat(timespec="minutes")
    return f"{local} of the service's clock, which shows it twice"


def _remedy(run: Run, other: Run, *, roomy: bool) -> str:
    """What to do, so that it is not refused in its turn."""
    if run.declared_manifest != other.declared_manifest:
        return "move one by a minute"
    if backfill_of(run.id) is None:
        return "move one by a minute"
    if run.stagger is None and not roomy:
        return "write a longer `every` and `stagger: 1m`, or take values of the matrix away"
    if run.stagger is None:
        return "write `stagger: 1m`"
    smaller = "write a smaller `stagger`" if run.stagger.step > MINUTE_MS else "take values away"
    return f"{smaller}, or move runs of other manifests out of its way"
