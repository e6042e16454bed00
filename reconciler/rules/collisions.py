"""Runs of one flow in one minute: the service's instance ids carry minutes only."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from reconciler.model import EpochMs, Problem, Run, backfill_of
from reconciler.schedule import minutes_of
from reconciler.times import format_instant

MINUTE = 60_000  # milliseconds


def collisions(runs: Sequence[Run]) -> Iterator[tuple[Run, Problem]]:
    """Every run that shares flow and minute with another that carries something else."""
    times: dict[str, list[EpochMs]] = defaultdict(list)
    for run in runs:
        times[run.manifest].append(run.trigger_time)
    roomy: dict[str, bool] = {}
    for group in minutes_of(runs).values():
        # Runs of one digest are the duplicate rule's: what it lets pass is meant.
        first = group[0]
        second = next((run for run in group if run.digest != first.digest), None)
        if second is None:
            continue
        for run in group:
            if run.manifest not in roomy:
                roomy[run.manifest] = _have_room(times[run.manifest])
            other = second if run.digest == first.digest else first
            yield run, _collision(run, other, roomy=roomy[run.manifest])


def _have_room(times: Iterable[EpochMs]) -> bool:
    """Whether the runs of each time can start a minute apart before the next time."""
    runs = sorted(Counter(times).items())
    return all(
        time + (number - 1) * MINUTE < after for (time, number), (after, _) in pairwise(runs)
    )


def _collision(run: Run, other: Run, *, roomy: bool) -> Problem:
    pointer = "/spec/triggerTime"
    minute = format_instant(run.trigger_time)[:16]
    return Problem(
        place=run.place_of(pointer),
        code="collision",
        pointer=pointer,
        message=f"{run.id} and {other.id} ({other.place_of(pointer)}) both start flow "
        f"{run.flow_id} in the minute {minute}Z, and the service's instance ids carry minutes "
        f"only: {_remedy(run, other, roomy=roomy)}",
    )


def _remedy(run: Run, other: Run, *, roomy: bool) -> str:
    """What to do, so that it is not refused in its turn."""
    if run.manifest != other.manifest or backfill_of(run.id) is None:
        return "move one by a minute"
    if run.stagger is None and not roomy:
        return "write a longer `every` and `stagger: 1m`, or take values of the matrix away"
    if run.stagger is None:
        return "write `stagger: 1m`"
    return "write a smaller `stagger`, or move runs of other manifests out of its way"
