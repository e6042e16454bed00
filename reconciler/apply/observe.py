"""How started instances fare: what the service says becomes final states, each recorded once.

An end is recorded only if the instance that shows it is certainly the run's (`instances`), and that
an instance is gone only after it was looked for again and again (`gone`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.apply.gone import MOST_SEARCHES, find_gone, rotate_items, search_minute_of
from reconciler.apply.instances import Fate, has_ended, judge_listed
from reconciler.apply.look import Look, start_of
from reconciler.apply.ports import Instance, StartedInstance
from reconciler.apply.suspect import is_of_another_minute, search_window
from reconciler.enos.statuses import CANCELLED, FINAL, NOT_FOUND, status_name
from reconciler.errors import GatewayError
from reconciler.ledger import Ledger, Record, RunState, events
from reconciler.model import EpochMs, RunId
from reconciler.times import format_instant

MOST_REQUESTS = 300  # in one look; what is left over is for the next look
SearchMinute = tuple[int, int]  # flow, and where the search window of the trigger time begins


class Observation(Struct, frozen=True, kw_only=True):
    """What one look at the service brought."""

    ended: Sequence[events.Observed]  # to be recorded
    statuses: Mapping[
        RunId, str
    ]  # EnOS's names, of every run whose instance is known, ended or not
    untold: Mapping[RunId, str] = field(default_factory=dict)  # why later looks cannot tell either
    unclear: Mapping[RunId, str] = field(default_factory=dict)  # why this look could not tell
    failure: str | None = None  # why not every run was seen


def unfinished_records(ledger: Ledger, now: EpochMs) -> list[Record]:
    """The started runs without a recorded end whose time has come, the newest first."""
    found = [record for record in ledger.records.values() if is_unfinished(record)]
    due = [record for record in found if record.trigger_time <= now]
    return sorted(due, key=lambda record: (record.trigger_time, record.run), reverse=True)


def is_unfinished(record: Record) -> bool:
    """Whether the run was started, and no end of its instance is recorded."""
    return record.state(record.until) is RunState.TRIGGERED and bool(record.starts)


async def observe(records: Sequence[Record], look: Look) -> Observation:
    """Ask the service about the runs, once."""
    if not records:
        return Observation(ended=[], statuses={})
    return await _Observing(records, look).observe()


class _Observing:
    """One look at many runs."""

    def __init__(self, records: Sequence[Record], look: Look) -> None:
        self._look = look
        self._began = look.now()
        self._failures: list[str] = []
        self._told: dict[RunId, Fate] = {}
        self._missing: list[Record] = []
        self._got: dict[RunId, Sequence[Instance]] = {}  # looked up, where others may share the id
        self._records: list[Record] = []
        for record in records:
            reason = look.service_mismatch(record)
            if reason is None:
                self._records.append(record)
            else:
                self._told[record.run] = Fate(reason=reason, for_good=True)
                self._failures.append(f"{record.run}: {reason}")

    async def observe(self) -> Observation:
        """Look up all runs, and look closer wherever something would be recorded."""
        closer = await self._ask_service()
        await self._search(closer)
        due = [one for one in self._missing if self._is_shown(one)]
        gone = await find_gone(due, self._look)
        self._failures += gone.failures
        for run, told in gone.told.items():
            self._note(run, told)
        at = format_instant(self._look.now())
        statuses: dict[RunId, int | str] = {
            run: told.status for run, told in self._told.items() if told.status is not None
        }
        statuses |= {record.run: NOT_FOUND for record in gone.records}
        return Observation(
            ended=[
                events.Observed(
                    v=events.VERSION,
                    at=at,
                    run=record.run,
                    status=statuses[record.run],
                    claim=record.starts[0].claim,
                )
                for record in self._records
                if record.run in statuses
                and _is_news(record, statuses[record.run])
                and (self._is_shown(record) or _was_cancelled(record, statuses[record.run]))
            ],
            statuses={run: status_name(status) for run, status in statuses.items()},
            untold={run: told.reason for run, told in self._told.items() if told.for_good},
            unclear={
                run: told.reason
                for run, told in self._told.items()
                if told.status is None and not told.for_good
            },
            failure=self._failure(),
        )

    async def _ask_service(self) -> list[Record]:
        """Ask about all runs in few requests; gives those that only a whole search can tell."""
        sought = {
            one.instances[0]: StartedInstance(id=one.instances[0], trigger_time=one.trigger_time)
            for one in self._records
        }
        observed_instances = await self._look.gateway.observe_instances(
            list(sought.values()), MOST_REQUESTS, self._look.turn
        )
        if observed_instances.failure is not None:
            self._failures.append(observed_instances.failure)
        closer = []
        for record in self._records:
            id_ = record.instances[0]
            listed = observed_instances.instances.get(id_)
            if listed is None:
                continue
            shared = len(self._look.known.owners(id_)) > 1
            if not listed and not shared:
                self._missing.append(record)
            elif shared or (id_ not in observed_instances.whole and _may_mislead(record, listed)):
                self._got[record.run] = listed
                closer.append(record)
            else:
                self._tell(record, listed)
        return closer

    async def _search(self, records: Sequence[Record]) -> None:
        """Search the whole minute of each run; a minute that runs share is searched once."""
        minutes: dict[SearchMinute, list[Record]] = defaultdict(list)
        for record in records:
            if record.flow_id is not None:
                start, _ = search_window(record.trigger_time)
                minutes[record.flow_id, start].append(record)
        chosen = rotate_items(list(minutes), self._look.turn)
        if len(chosen) > MOST_SEARCHES:
            left = sum(len(minutes[minute]) for minute in chosen[MOST_SEARCHES:])
            words = "1 run is" if left == 1 else f"{left} runs are"
            self._failures.append(f"{words} left for the next look")
        gate = asyncio.Semaphore(self._look.environment.limits.concurrency)

        async def search_in_turn(minute: SearchMinute) -> None:
            async with gate:
                await self._search_minute(minutes[minute])

        async with asyncio.TaskGroup() as searches:
            for minute in chosen[:MOST_SEARCHES]:
                searches.create_task(search_in_turn(minute))

    async def _search_minute(self, records: Sequence[Record]) -> None:
        try:
            listed = await search_minute_of(records, self._look)
        except GatewayError as error:
            self._failures.append(str(error))
            return
        for record in records:
            its = [one for one in listed if one.id == record.instances[0]]
            seen = its or self._got.get(record.run, ())
            if seen:
                self._tell(record, seen)
            else:
                self._missing.append(record)

    def _tell(self, record: Record, listed: Sequence[Instance]) -> None:
        start = start_of(record)
        if start is None:
            return
        told = judge_listed(record, start, listed, self._look.known, self._look.suspect)
        if told.for_good and not self._is_shown(record):
            told = replace(told, for_good=False)  # the run's own may not be listed yet
        self._note(record.run, told)

    def _note(self, run: RunId, told: Fate) -> None:
        self._told[run] = told
        if told.status is None and told.reason:
            self._failures.append(f"how {run} fares cannot be told: {told.reason}")

    def _is_shown(self, record: Record) -> bool:
        """Whether the run's own instance must have been listed when the look began."""
        return showing_deadline(record, self._look.environment.gateway.settle) <= self._began

    def _failure(self) -> str | None:
        if not self._failures:
            return None
        more = f" (and {len(self._failures) - 1} more)" if len(self._failures) > 1 else ""
        return f"{self._failures[0]}{more}"


def _may_mislead(record: Record, listed: Sequence[Instance]) -> bool:
    """Whether anything that is listed has ended, or nothing shows the run's time.

    Only a whole search shows which other instances have the id.
    """
    return any(map(has_ended, listed)) or all(
        is_of_another_minute(record.trigger_time, one) for one in listed
    )


def _is_news(record: Record, status: int | str) -> bool:
    name = status_name(status)
    if name == NOT_FOUND and record.has_failed:
        return False  # that the service has forgotten it does not change how it ended
    return name in FINAL and name != record.status


def _was_cancelled(record: Record, status: int | str) -> bool:
    """Whether this is the end that the run's cancellation made: the only one before its time.

    Any other end that is listed so early is of another instance: the run's own, which has the same
    id, still waits and is not listed.
    """
    return record.cancelled is not None and status_name(status) == CANCELLED


def showing_deadline(record: Record, settle_seconds: float) -> EpochMs:
    """From when on the service must know the instance, if it still has it.

    Its trigger time must have come: the reference does not say that a waiting instance is known.
    """
    since = max(record.starts[0].instant, record.trigger_time)
    return EpochMs(since + int(settle_seconds * 1000))
