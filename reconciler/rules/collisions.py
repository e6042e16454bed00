"""Runs of one flow in one minute: the service's instance ids carry minutes only."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from itertools import pairwise

from reconciler.model import EpochMs, Problem, Run, backfill_of
from reconciler.schedule import minutes_of
from reconciler.times import MINUTE_MS, format_instant, in_zone


def collisions(runs: Sequence[Run], zone: tzinfo) -> Iterator[tuple[Run, Problem]]:
    """Every run that shares flow and minute with another that carries something else.

    The minute is the one that clocks show in the service's zone, for that is what its ids carry.
    """
    times: dict[str, list[EpochMs]] = defaultdict(list)
    for run in runs:
        times[run.manifest].append(run.trigger_time)
    roomy: dict[str, bool] = {}
    for group in minutes_of(runs, zone).values():
        # Runs of one digest are the duplicate rule's: what it lets pass is meant.
        first = group[0]
        second = next((run for run in group if run.digest != first.digest), None)
        if second is None:
            continue
        for run in group:
            if run.manifest not in roomy:
                roomy[run.manifest] = _have_room(times[run.manifest])
            other = second if run.digest == first.digest else first
            yield run, _collision(run, other, zone, roomy=roomy[run.manifest])


def _have_room(times: Iterable[EpochMs]) -> bool:
    """Whether the runs of each time can start a minute apart before the next time."""
    runs = sorted(Counter(times).items())
    return all(
        time + (number - 1) * MINUTE_MS < after for (time, number), (after, _) in pairwise(runs)
    )


def _collision(run: Run, other: Run, zone: tzinfo, *, roomy: bool) -> Problem:
    pointer = "/spec/triggerTime"
    minute = _minute(run, other, zone)
    return Problem(
        place=run.place_of(pointer),
        code="collision",
        pointer=pointer,
        message=f"{run.id} and {other.id} ({other.place_of(pointer)}) both start flow "
        f"{run.flow_id} in the minute {minute}, and the service's instance ids carry minutes "
        f"only: {_remedy(run, other, roomy=roomy)}",
    )


def _minute(run: Run, other: Run, zone: tzinfo) -> str:
    """The minute that both have; where clocks show it twice, as they show it."""
    one, two = (format_instant(each.trigger_time)[:16] for each in (run, other))
    if one == two:
        return f"{one}Z"
    local = in_zone(run.trigger_time, zone).replace(tzinfo=None).isoformat(timespec="minutes")
    return f"{local} of the service's clock, which shows it twice"


def _remedy(run: Run, other: Run, *, roomy: bool) -> str:
    """What to do, so that it is not refused in its turn."""
    if run.manifest != other.manifest or backfill_of(run.id) is None:
        return "move one by a minute"
    if run.stagger is None and not roomy:
        return "write a longer `every` and `stagger: 1m`, or take values of the matrix away"
    if run.stagger is None:
        return "write `stagger: 1m`"
    return "write a smaller `stagger`, or move runs of other manifests out of its way"
