"""The look at a minute before a run is claimed in it: what is there already cannot be the run's.

Attempts, revisions and declared duplicates carry what another run has carried, in the same minute,
and a service whose ids tell only flow and minute gives all of them one id.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import chain

from msgspec import Struct

from reconciler.apply.known import Known
from reconciler.apply.look import Look
from reconciler.apply.suspect import search_window
from reconciler.errors import GatewayError
from reconciler.ledger import events
from reconciler.ledger.records import Start
from reconciler.model import (
    EpochMs,
    InstanceId,
    Nonce,
    Run,
)
from reconciler.times import DAY_MS, MINUTE_MS, SECOND_MS

# So many milliseconds must lie between a claim and the look before it: then a stamp in seconds
# tells what stood there before from what was created after.
STAMP_MS = SECOND_MS

MOST_SEEN = 5_000  # instances in one claim; if there are more, its runs are told apart as others

LOOK_SECONDS = 1.0  # between looks for what was started a moment ago
KEPT_MS = MINUTE_MS  # how long a look counts for further claims; see `MinuteLook`

MinuteSpan = tuple[int, EpochMs, EpochMs]  # flow, from inclusive, to exclusive


class EarlierLook(Struct, frozen=True, kw_only=True):
    """What stood in the minutes of some runs, and a time no earlier than the last look."""

    seen: tuple[events.Seen, ...]
    at: EpochMs


def shares_a_minute(run: Run, look: Look) -> bool:
    """Whether the run's minute may hold something else that could be taken for its instance."""
    if run.attempt > 1 or run.revision > 1 or run.duplicate_of is not None:
        return True
    if look.environment.gateway.same_minute_allowed:
        return True
    known = look.known
    started = known.starts_in(run.flow_id, run.trigger_time)
    return bool(started or known.runs_in_doubt(run.flow_id, run.trigger_time))


class MinuteLook(Struct, frozen=True, kw_only=True):
    """What stood in a minute, by one search before a claim; kept for a while within one apply.

    A claim that lost its race has started nothing: somebody else has moved the branch, perhaps by
    a commit that has nothing to do with these runs. An apply that searched anew each time would
    never claim anything on a busy branch. What was seen may be kept, because it is said of the time
    of the look, which the claim records: it stood there before any claim that comes later. But a
    look does not show what was started after it. So it is dropped

    - once the ledgers hold another claim or start beside the run, be it this apply's own: that
      instance should be seen before the next claim, to be told from what that claim starts;
    - once the run's trigger time has come, when what waited for that time must be listed soon;
    - after `KEPT_MS`, for strangers may start something at any time. That is measured by the
      gateway's clock, so it is dropped as well where that clock was set by more than this.
    """

    seen: tuple[events.Seen, ...]
    began: EpochMs  # no later than the search
    at: EpochMs  # no earlier than the search
    recorded: frozenset[Start | Nonce]  # beside the run, by what the ledgers said then


async def look_before(
    runs: Sequence[Run],
    look: Look,
    latest: Callable[[], EpochMs],
    stood: dict[MinuteSpan, MinuteLook],
) -> EarlierLook | None:
    """Search the minutes of those runs; None if more stands there than a claim can hold.

    An instance that was started there a moment ago may not be listed yet, and would later look like
    that of one of these runs. So the search is repeated until the instance is listed, or should
    have been. `latest` gives a time no earlier than the gateway's. `stood` is what earlier looks of
    this apply have shown: it is not searched for again while it counts, and what this look shows is
    added, also if a search fails. Raises GatewayError.
    """
    minutes: dict[MinuteSpan, list[Run]] = defaultdict(list)
    for run in runs:
        minutes[_minute(run)].append(run)
    for minute in [*stood]:
        if minute not in minutes or not _is_still_valid(
            stood[minute], minutes[minute], look, latest()
        ):
            del stood[minute]
    while missing := {one: its for one, its in minutes.items() if one not in stood}:
        began = look.now()  # the search must show what had to be listed by then
        found, failure = await _search(_spans(chain.from_iterable(missing.values())), look)
        at = latest()
        for (flow_id, start, end), seen in found.items():
            ids = {one.id for one in seen}
            for minute, its in missing.items():
                within = minute[0] == flow_id and start <= minute[1] and minute[2] <= end
                if within and not _may_list_more(its, look, ids, began):
                    recorded = _starts_and_claims(its[0], look.known)
                    stood[minute] = MinuteLook(seen=seen, began=began, at=at, recorded=recorded)
        if failure is not None:
            raise failure
        if not minutes.keys() <= stood.keys():
            await look.pause(min(LOOK_SECONDS, look.environment.gateway.settle))
    kept = dict.fromkeys(chain.from_iterable(stood[one].seen for one in minutes))
    at = max(stood[one].at for one in minutes)
    return EarlierLook(seen=tuple(kept), at=at) if len(kept) <= MOST_SEEN else None


async def _search(
    spans: Iterable[MinuteSpan], look: Look
) -> tuple[dict[MinuteSpan, tuple[events.Seen, ...]], GatewayError | None]:
    """Search the windows side by side; once one fails, no further one is begun."""
    gate = asyncio.Semaphore(look.environment.limits.concurrency)
    found: dict[MinuteSpan, tuple[events.Seen, ...]] = {}
    failures: list[GatewayError] = []

    async def search_span(span: MinuteSpan) -> None:
        async with gate:
            if failures:
                return
            try:
                listed = await look.gateway.search(*span)
            except GatewayError as error:
                failures.append(error)
            else:
                seen = (events.Seen(id=one.id, created=one.created) for one in listed)
                found[span] = tuple(dict.fromkeys(seen))

    async with asyncio.TaskGroup() as searches:
        for span in spans:
            searches.create_task(search_span(span))
    return found, failures[0] if failures else None


def _is_still_valid(stood: MinuteLook, runs: Sequence[Run], look: Look, latest: EpochMs) -> bool:
    """Whether what an earlier look has shown still counts for those runs, all of one minute."""
    return (
        abs(latest - stood.at) <= KEPT_MS
        and stood.recorded == _starts_and_claims(runs[0], look.known)
        and not any(stood.began < run.trigger_time <= look.now() for run in runs)
    )


def _starts_and_claims(run: Run, known: Known) -> frozenset[Start | Nonce]:
    """What the ledgers hold beside the run: starts in its minute, claims there and around it."""
    claims = (claim.claim for claim, _ in known.claims_near(run.flow_id, run.trigger_time))
    return frozenset(chain(known.starts_in(run.flow_id, run.trigger_time), claims))


def _may_list_more(
    runs: Sequence[Run], look: Look, seen: Container[InstanceId], began: EpochMs
) -> bool:
    """Whether anything that was started in these minutes is not listed, and may be soon.

    That is so for `settleSeconds` after its start, and again after its trigger time. A trigger time
    that lies ahead is not waited for: that may take days.
    """
    young = began - int(look.environment.gateway.settle * 1000)
    return any(
        start.instance not in seen and (young < start.instant or young < run.trigger_time <= began)
        for run in runs
        for start in look.known.starts_in(run.flow_id, run.trigger_time)
    )


def _minute(run: Run) -> MinuteSpan:
    """The window that holds the run's minute."""
    return run.flow_id, *search_window(run.trigger_time)


def _spans(runs: Iterable[Run]) -> list[MinuteSpan]:
    """Windows that hold the minutes of all runs. They are few: a page shows a hundred instances."""
    windows: dict[int, list[tuple[EpochMs, EpochMs]]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.trigger_time):
        start, end = search_window(run.trigger_time)
        of_flow = windows[run.flow_id]
        if of_flow and start - of_flow[-1][1] <= DAY_MS:
            of_flow[-1] = of_flow[-1][0], max(end, of_flow[-1][1])
        else:
            of_flow.append((start, end))
    return [(flow_id, *window) for flow_id, of_flow in windows.items() for window in of_flow]
