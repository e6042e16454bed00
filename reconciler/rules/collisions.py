"""Runs of one flow in one minute: the service's instance ids hold the trigger time in minutes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from itertools import pairwise

from reconciler.ledger import Ledger
from reconciler.model import (
    EpochMs,
    Problem,
    Run,
    backfill_of,
)
from reconciler.rules.pointing import time_pointer
from reconciler.schedule import shared_minutes
from reconciler.times import MINUTE_MS, format_instant, zoned_time


def collisions(
    runs: Sequence[Run], ledger: Ledger, zone: tzinfo, now: EpochMs | None
) -> Iterator[tuple[Run, Problem]]:
    """Every run that can start and shares flow and minute with a declared run of another digest.

    What was started in that minute and is no longer declared is looked at before the claim. The
    minute is the one that clocks in the service's zone show, because that is what its ids hold. Two
    runs that were both started, or will never start, cannot be moved, so they are not reported.
    """
    roomy = _Roomy(runs)
    for group in shared_minutes(runs, zone):
        over = {run.id for run in group if run.is_called_off_or_missed(now)}
        started = {run.id for run in group if ledger.may_have_started(run.id)}
        present = [run for run in group if run.id in started or run.id not in over]
        # Two runs of one digest are up to the duplicate rule: what it lets pass is meant.
        second = next((run for run in present if run.digest != present[0].digest), None)
        for run in present:
            if run.id in started:
                continue
            other = second if run.digest == present[0].digest else present[0]
            if other is not None:
                yield (
                    run,
                    _collision_problem(run, other, zone, roomy=roomy.of(run.declared_manifest)),
                )


class _Roomy:
    """Which manifests have room to put their runs a minute apart; worked out on demand."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._times: dict[str, list[EpochMs]] = defaultdict(list)
        self._known: dict[str, bool] = {}

    def of(self, manifest: str) -> bool:
        """Whether the manifest's runs fit if those of each time start a minute apart."""
        for run in () if self._times else self._runs:
            self._times[run.declared_manifest].append(run.trigger_time)
        if manifest not in self._known:
            self._known[manifest] = _have_room(self._times[manifest])
        return self._known[manifest]


def _have_room(times: Iterable[EpochMs]) -> bool:
    """Whether the runs of each time, started a minute apart, all start before the next time."""
    runs = sorted(Counter(times).items())
    return all(
        time + (number - 1) * MINUTE_MS < after for (time, number), (after, _) in pairwise(runs)
    )


def _collision_problem(run: Run, other: Run, zone: tzinfo, *, roomy: bool) -> Problem:
    pointer = time_pointer(run)
    minute = _minute(run.trigger_time, other.trigger_time, zone)
    return Problem(
        place=run.place_of(pointer),
        code="collision",
        pointer=pointer,
        message=f"{run.declared_id()} and {other.declared_id()} "
        f"({other.place_of(time_pointer(other))}) both start flow "
        f"{run.flow_id} in the minute {minute}, and the service's instance ids carry minutes "
        f"only: {_remedy(run, other, roomy=roomy)}",
    )


def _minute(time: EpochMs, other: EpochMs, zone: tzinfo) -> str:
    """The minute that both times share: in UTC, or by the clock if clocks show it twice."""
    one, two = (format_instant(each)[:16] for each in (time, other))
    if one == two:
        return f"{one}Z"
    local = zoned_time(time, zone).replace(tzinfo=None).isoformat(timespec="minutes")
    return f"{local} of the service's clock, which shows it twice"


def _remedy(run: Run, other: Run, *, roomy: bool) -> str:
    """What to do about the collision, in words, without running into another refusal."""
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
