"""Looking at a minute before a run is claimed: what stands there already cannot be the run's.

Attempts, revisions and declared duplicates carry what another run has carried, in its very minute,
and a service whose ids carry minutes only gives all of them one id.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from reconciler.apply.looking import Look
from reconciler.apply.suspect import search_window
from reconciler.ledger import events
from reconciler.model import EpochMs, InstanceId, Run
from reconciler.times import DAY_MS

MOST_SEEN = 5_000  # more is not written into a claim: its runs are then told apart as others are

LOOK_SECONDS = 1.0  # between looks for what was started a moment ago

Span = tuple[int, EpochMs, EpochMs]  # flow, from inclusive, to exclusive


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What stood in the minutes of some runs, and a time no earlier than the last look."""

    seen: tuple[events.Seen, ...]
    at: EpochMs


def shares_a_minute(run: Run, look: Look) -> bool:
    """Whether something else may stand in the run's minute that could be taken for its instance."""
    if run.attempt > 1 or run.revision > 1 or run.duplicate_of is not None:
        return True
    if look.environment.gateway.same_minute_allowed:
        return True
    return bool(look.known.starts_in(run.flow_id, run.trigger_time))


async def look_before(
    runs: Sequence[Run], look: Look, latest: Callable[[], EpochMs]
) -> Before | None:
    """Search the minutes of those runs; None if more stands there than a claim can hold.

    What was started there a moment ago may not be listed yet, and would look like this run's later
    on. So it is waited for, as long as an instance may take to show up. `latest` is no earlier than
    the gateway's time. Raises GatewayError.
    """
    while True:
        seen: dict[events.Seen, None] = {}
        began = look.now()  # only what had to be listed by then can be missed by the search
        for flow_id, start, end in _spans(runs):
            for one in await look.gateway.search(flow_id, start, end):
                seen[events.Seen(id=one.id, created=one.created)] = None
        if not _awaited(runs, look, {one.id for one in seen}, began):
            return Before(seen=tuple(seen), at=latest()) if len(seen) <= MOST_SEEN else None
        await look.pause(min(LOOK_SECONDS, look.environment.gateway.settle))


def _awaited(runs: Sequence[Run], look: Look, seen: Container[InstanceId], began: EpochMs) -> bool:
    """Whether anything that was started in these minutes is not listed, and may be soon.

    That is a while after its start, and after its trigger time. One whose time lies ahead is not
    waited for: that may be days.
    """
    young = began - int(look.environment.gateway.settle * 1000)
    return any(
        start.instance not in seen and (young < start.instant or young < run.trigger_time <= began)
        for run in runs
        for start in look.known.starts_in(run.flow_id, run.trigger_time)
    )


def _spans(runs: Sequence[Run]) -> list[Span]:
    """Windows that hold the minutes of all runs: few, for a search shows a hundred at a time."""
    windows: dict[int, list[tuple[EpochMs, EpochMs]]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.trigger_time):
        start, end = search_window(run.trigger_time)
        of_flow = windows[run.flow_id]
        if of_flow and start - of_flow[-1][1] <= DAY_MS:
            of_flow[-1] = of_flow[-1][0], max(end, of_flow[-1][1])
        else:
            of_flow.append((start, end))
    return [(flow_id, *window) for flow_id, of_flow in windows.items() for window in of_flow]
