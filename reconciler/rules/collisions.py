"""Runs of one flow in one minute: the service's instance ids carry minutes only."""

from collections.abc import Iterator, Sequence

from reconciler.model import Problem, Run, backfill_of
from reconciler.schedule import minutes_of
from reconciler.times import format_instant


def collisions(runs: Sequence[Run]) -> Iterator[tuple[Run, Problem]]:
    """Every run that shares flow and minute with another that carries something else."""
    for group in minutes_of(runs).values():
        # Runs of one digest are the duplicate rule's: what it lets pass is meant.
        first = group[0]
        second = next((run for run in group if run.digest != first.digest), None)
        if second is None:
            continue
        for run in group:
            yield run, _collision(run, second if run.digest == first.digest else first)


def _collision(run: Run, other: Run) -> Problem:
    pointer = "/spec/triggerTime"
    minute = format_instant(run.trigger_time)[:16]
    return Problem(
        place=run.place_of(pointer),
        code="collision",
        pointer=pointer,
        message=f"{run.id} and {other.id} ({other.place_of(pointer)}) both start flow "
        f"{run.flow_id} in the minute {minute}Z, and the service's instance ids carry minutes "
        f"only: {_remedy(run, other)}",
    )


def _remedy(run: Run, other: Run) -> str:
    if run.manifest != other.manifest or backfill_of(run.id) is None:
        return "move one by a minute"
    if run.stagger is None:
        return "write `stagger: 1m`"
    return "write a smaller `stagger`, or move runs of other manifests out of its way"
