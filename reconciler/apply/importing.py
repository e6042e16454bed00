"""Adopt many runs at once: find which of the listed instances did the work of which run.

A run is adopted only if exactly one instance fits it, and that instance fits no other run. Whatever
cannot be told for certain is left to a person, one by one.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from msgspec import Struct

from reconciler.apply.adopt import (
    Adopting,
    Adoption,
    Judging,
    carries,
    plan_at,
    suspect_of,
    time_of,
)
from reconciler.apply.fitting import look_of
from reconciler.apply.lease import ServiceClock
from reconciler.apply.ports import Clock, Instance, Snapshot, Store
from reconciler.apply.resolve import OpenGateway, record_proposal
from reconciler.apply.spoken import check_words, shows_minute
from reconciler.apply.suspect import contradicts, is_of_another_flow
from reconciler.errors import RefusedError
from reconciler.model import EpochMs, Nonce, Run, RunId
from reconciler.plan import Action
from reconciler.times import MINUTE_MS


class Range(Struct, frozen=True, kw_only=True):
    """Where to search."""

    flow_id: int
    from_time: EpochMs  # trigger times, inclusive
    to_time: EpochMs  # exclusive


class Matched(Struct, frozen=True, kw_only=True):
    """What a search lists, and what became of it."""

    adopted: Sequence[tuple[Run, Instance]] = ()
    unclear: Sequence[tuple[RunId, str]] = ()  # runs that something fits; why they are not adopted
    rest: Sequence[Instance] = ()  # that fit no run that is declared or recorded


Choose = Callable[[Matched, Snapshot], bool]  # is shown what would be done; says whether to do it


async def import_runs(
    ranges: Sequence[Range],
    adoption: Adoption,
    store: Store,
    open_gateway: OpenGateway,
    clock: Clock,
    new_claim: Callable[[], Nonce],
    choose: Choose,
) -> Matched:
    """Search, match, ask whether to go on, and adopt in one commit; gives what was matched.

    Raises RefusedError if the branch has moved so that a run may not be adopted any more,
    GatewayError if a search was not whole, GitError.
    """
    check_words(None, adoption.reason)
    snapshot = await store.fetch()
    async with open_gateway(snapshot.environment) as gateway:
        service = await ServiceClock.ask(gateway, clock)
        listed: list[Instance] = []
        for one in ranges:
            listed += await gateway.search(one.flow_id, one.from_time, one.to_time)
        judging = Judging.of(snapshot, look_of(snapshot, gateway, service))
        runs = _pending_runs(snapshot, ranges, service.earliest_time())
        found = match(runs, listed, judging, adoption)
        if choose(found, snapshot) and found.adopted:
            adopting = Adopting(
                adoption,
                {run.id: one.id for run, one in found.adopted},
                new_claim,
                {run.id: one for run, one in found.adopted},
            )
            await record_proposal(adopting, snapshot, store, gateway, service, lambda _: None)
    return found


def _pending_runs(snapshot: Snapshot, ranges: Sequence[Range], now: EpochMs) -> list[Run]:
    """The declared runs in those ranges that nobody has started."""
    return [
        planned.run
        for planned in plan_at(snapshot, now).runs
        if planned.run is not None
        and planned.action in {Action.START, Action.WAIT}
        and any(
            planned.run.flow_id == one.flow_id
            and one.from_time <= planned.run.trigger_time < one.to_time
            for one in ranges
        )
    ]


def match(
    runs: Sequence[Run], listed: Sequence[Instance], judging: Judging, adoption: Adoption
) -> Matched:
    """Give each run the one instance that fits it, if that instance fits no other run."""
    free = [one for one in dict.fromkeys(listed) if judging.owner_of(one) is None]
    of_run: dict[RunId, list[Instance]] = {}
    runs_of: dict[Instance, list[Run]] = defaultdict(list)
    near = _Near(free)
    for run in runs:
        of_run[run.id] = [one for one in near.list_near(run) if _fits(run, one, judging)]
        for one in of_run[run.id]:
            runs_of[one].append(run)
    adopted, unclear = [], []
    for run in runs:
        fitting = of_run[run.id]
        if fitting:
            why = _explain_unmatched(run, fitting, runs_of[fitting[0]], judging, adoption)
            if why is None:
                adopted.append((run, fitting[0]))
            else:
                unclear.append((run.id, why))
    return Matched(
        adopted=adopted, unclear=unclear, rest=[one for one in free if one not in runs_of]
    )


class _Near:
    """Instances by the minutes that they show, so that each run is compared with few of them."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._timeless = [one for one in instances if one.trigger_time is None]
        self._of_minute: dict[int, list[Instance]] = defaultdict(list)
        for one in instances:
            for minute in {time // MINUTE_MS for time in one.may_be_triggered_at}:
                self._of_minute[minute].append(one)

    def list_near(self, run: Run) -> list[Instance]:
        """Those that may show a minute of the run, or by rounding the next one, or show no time."""
        times = [run.trigger_time]
        if run.stagger is not None:
            times += run.stagger.times(EpochMs(run.trigger_time - run.delay))
        minutes = dict.fromkeys(
            minute for time in times for minute in (time // MINUTE_MS, time // MINUTE_MS + 1)
        )
        found = (one for minute in minutes for one in self._of_minute.get(minute, ()))
        return [*dict.fromkeys(found), *self._timeless]


def _explain_unmatched(
    run: Run, fitting: Sequence[Instance], its: Sequence[Run], judging: Judging, adoption: Adoption
) -> str | None:
    """Why the run is not adopted; None if it is."""
    if len(fitting) > 1:
        return f"several instances fit: {', '.join(one.id for one in fitting)}"
    if len(its) > 1:
        others = ", ".join(other.id for other in its if other is not run)
        return f"instance {fitting[0].id} fits {others} as well"
    if not _shows_just(run, fitting[0]):
        return f"instance {fitting[0].id} does not show just what the run carries"
    try:
        judging.check(adoption, run, fitting[0])
    except RefusedError as error:
        return str(error)
    return None


def _fits(run: Run, one: Instance, judging: Judging) -> bool:
    """Whether nothing that the instance shows tells it from the run's own."""
    time = time_of(run, one)
    if is_of_another_flow(run.flow_id, one) or not shows_minute(time, one):
        return False
    return not contradicts(suspect_of(run, time, judging.zone), one)


def _shows_just(run: Run, one: Instance) -> bool:
    """Whether the instance shows a flow, a time, and exactly the run's parameters.

    What a list may have cut, retyped or filled in proves nothing: it may as well be another's.
    """
    if one.flow_id is None or one.trigger_time is None:
        return False
    return carries(run, one)
