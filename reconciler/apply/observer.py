"""How an apply observes started instances, waits for them, and cancels those that are unwanted."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from reconciler.apply.branch import Branch
from reconciler.apply.gone import MOST_SEARCHES
from reconciler.apply.ids import names_flow
from reconciler.apply.instances import judge_listed, runs_alone
from reconciler.apply.look import Look, start_of
from reconciler.apply.observe import (
    Observation,
    is_unfinished,
    observe,
    showing_deadline,
    unfinished_records,
)
from reconciler.apply.ports import Learned, Noted, Ports, Watching
from reconciler.apply.start import StartOutcome
from reconciler.apply.suspect import id_window
from reconciler.enos.statuses import is_documented
from reconciler.errors import GatewayError
from reconciler.ledger import Record, events
from reconciler.ledger.records import UNSETTLED, Phase
from reconciler.model import EpochMs, RunId, covering_references, first_attempt, run_id, run_name
from reconciler.plan import Plan, PlannedRun
from reconciler.times import format_instant

# After so many looks in a row that could not tell how an instance fares, nothing waits for it. If
# there are more instances than one look can search for, they are so many times the looks needed.
UNCLEAR_LOOKS = 20


class NotCancelled(Struct, frozen=True, kw_only=True):
    """A run whose instance could not be cancelled for certain, and why."""

    run: RunId
    reason: str


async def cancel_instances(
    records: Sequence[Record], look: Look
) -> list[events.Cancelled | NotCancelled]:
    """Ask the service once to cancel the instance of each run.

    A cancellation names an id, which other instances may have as well. So it is sent only if a
    whole search shows that it can hit nothing but the run's own instance.
    """
    gate = asyncio.Semaphore(look.environment.limits.concurrency)

    async def cancel_one(record: Record) -> events.Cancelled | NotCancelled:
        async with gate:
            try:
                return await _cancel(record, look)
            except GatewayError as error:
                return NotCancelled(run=record.run, reason=str(error))

    async with asyncio.TaskGroup() as cancellations:
        tasks = [cancellations.create_task(cancel_one(record)) for record in records]
    return [task.result() for task in tasks]


async def _cancel(record: Record, look: Look) -> events.Cancelled | NotCancelled:
    """Cancel one run's instance. Raises GatewayError."""
    reason = look.service_mismatch(record) or await _find_cancel_risk(record, look)
    if reason is not None:
        return NotCancelled(run=record.run, reason=reason)
    answer = await look.gateway.cancel(record.instances[0])
    return events.Cancelled(
        v=events.VERSION,
        at=format_instant(look.now()),
        run=record.run,
        code=answer.code,
        message=answer.message,
        claim=record.starts[0].claim,
    )


async def _find_cancel_risk(record: Record, look: Look) -> str | None:
    """Why a cancellation could hit another instance; None if it cannot. Raises GatewayError.

    The search covers everything that may have the id, in all flows: a service may give one id to a
    whole day, and leave the flow out of it. Instances that wait for their trigger time may not be
    listed, so it must be certain that no other one of these has the id.
    """
    start, id_, known = start_of(record), record.instances[0], look.known
    if start is None or record.flow_id is None:
        return "the ledger does not say its flow"
    others = (other for other, _ in known.owners(id_) if other.run != record.run)
    if any(other.phase is Phase.TRIGGERED or other.phase in UNSETTLED for other in others):
        return _manual_cancel_reason(f"others have the id {id_} as well")
    listed = await look.gateway.search(None, *id_window(record.trigger_time))
    its = [one for one in listed if one.id == id_]
    if not its:
        got = await look.gateway.instance(id_)
        its = [] if got is None else [got]
    if not its and record.trigger_time > look.now():
        # The reference does not say that an instance is shown while it waits.
        of_each = known.making(look.environment.gateway.zone).of_each
        if not of_each and not names_flow(id_, record.flow_id):
            return _manual_cancel_reason(
                f"{id_} does not name its flow, so that another flow's may have it"
            )
        doubtful = [one.run for one in known.runs_in_doubt(record.flow_id, None)]
        return (
            _manual_cancel_reason(f"{doubtful[0]} may have the id {id_} as well")
            if doubtful
            else None
        )
    if not its:
        return f"the service shows no instance {id_}"
    told = judge_listed(record, start, its, look.known, look.suspect)
    if told.mine is None or not runs_alone(told.mine, its):
        why = told.reason or f"others have the id {id_} as well"
        return _manual_cancel_reason(why)
    return None


def _manual_cancel_reason(why: str) -> str:
    return f"a cancellation could hit another instance ({why}): cancel it by hand"


class Observer:
    """What one apply knows of started instances, and what it has yet to see of them."""

    def __init__(self, ports: Ports, branch: Branch) -> None:
        self._ports = ports
        self._branch = branch
        self._cancelled: set[RunId] = set()  # runs that this apply has tried to cancel
        self._watched: set[RunId] = set()  # all runs that were ever waited for
        self._untold: dict[RunId, str] = {}  # runs whose end nobody can tell any more, and why
        self._unclear: Counter[RunId] = Counter()  # looks in a row that could not tell how it fares
        self.observed: list[events.Observed] = []
        self.cancelled: list[events.Cancelled] = []

    async def look(self, records: Sequence[Record], look: Look) -> bool:
        """Observe the runs once and note those that have ended; True if any has."""
        # The branch may have been read again since, and others may have recorded their ends.
        newest = [self._branch.ledger.records[record.run] for record in records]
        asked = [record for record in newest if is_unfinished(record)]
        observation = await observe(asked, look)
        self._untold |= observation.untold
        settle = look.environment.gateway.settle
        shown = [one.run for one in asked if showing_deadline(one, settle) <= look.now()]
        self._count_unclear(shown, observation)
        self._branch.pending += observation.ended
        self.observed += observation.ended
        for event in observation.ended:
            self._ports.progress(Learned(run=event.run, event=event))
        if observation.failure is not None:
            reason = f"not every started instance could be observed: {observation.failure}"
            self._ports.progress(Noted(message=reason))
        return bool(observation.ended)

    async def look_again(self, look: Look) -> bool:
        """Observe the runs again that earlier looks could not tell, now that more is known."""
        unclear = {*self._unclear, *self._untold}
        self._untold.clear()
        records = [look.ledger.records[run] for run in sorted(unclear)]
        return bool(records) and await self.look(records, look)

    def _count_unclear(self, asked: Sequence[RunId], observation: Observation) -> None:
        """Give up on runs that look after look could not tell, so that nothing waits for ever."""
        most = UNCLEAR_LOOKS * (1 + len(asked) // MOST_SEARCHES)
        for run in asked:
            reason = _unclear_reason(run, observation)
            if reason is None:
                self._unclear.pop(run, None)
                continue
            self._unclear[run] += 1
            if self._unclear[run] >= most and run not in self._untold:
                self._untold[run] = f"{most} looks in a row could not tell how it fares: {reason}"

    def untold(self) -> dict[RunId, str]:
        """The runs that were waited for and given up, and why."""
        records = self._branch.ledger.records
        return {
            run: reason
            for run, reason in self._untold.items()
            if run in self._watched and is_unfinished(records[run])
        }

    async def look_at_all(self, look: Look) -> None:
        """Observe every started run whose time has come."""
        await self.look(unfinished_records(look.ledger, look.now()), look)

    async def cancel(self, planned_ones: Sequence[PlannedRun], look: Look) -> bool:
        """Cancel those that still run, each once in an apply; True if any was to be cancelled."""
        wanted = [
            planned.record
            for planned in planned_ones
            if planned.record is not None and planned.id not in self._cancelled
        ]
        if not wanted:
            return False
        self._cancelled |= {record.run for record in wanted}
        await self.look(wanted, look)
        running = [self._branch.ledger.records[record.run] for record in wanted]
        answers = await cancel_instances(
            [record for record in running if is_unfinished(record)], look
        )
        for answer in answers:
            if isinstance(answer, NotCancelled):
                text = f"{answer.run} was not cancelled: {answer.reason}"
                self._ports.progress(Noted(message=text))
            else:
                self._branch.pending.append(answer)
                self.cancelled.append(answer)
                self._ports.progress(Learned(run=answer.run, event=answer))
        asked = {answer.run for answer in answers if isinstance(answer, events.Cancelled)}
        await self.look([record for record in running if record.run in asked], look)
        return True

    def awaited_records(
        self, followers: Iterable[PlannedRun], outcomes: Mapping[RunId, StartOutcome]
    ) -> list[Record]:
        """The unfinished runs that this apply has started, or that the followers wait for."""
        ledger = self._branch.ledger
        started = {run for run, one in outcomes.items() if isinstance(one, events.Triggered)}
        needed = {name for run in followers for name in (*run.waits_for, *run.behind)}
        found = [
            record
            for record in ledger.records.values()
            if is_unfinished(record)
            and (
                record.run in started
                or not needed.isdisjoint(covering_references(run_name(record.run)))
            )
        ]
        # Also runs that nobody can tell, perhaps from the first look on: that is reported.
        self._watched |= {record.run for record in found}
        return [record for record in found if record.run not in self._untold]

    def due(self, awaited: Sequence[Record], now: EpochMs) -> list[Record]:
        """The runs whose trigger time has come; before that nothing can have become of them."""
        return [record for record in awaited if record.trigger_time <= now]

    def tell(self, awaited: Sequence[Record]) -> None:
        """Report how many of the runs that were ever waited for have ended."""
        total = len(self._watched)
        ended = total - len(awaited) - len(self.untold())
        self._ports.progress(Watching(ended=ended, total=total))

    def failed_runs(self, plan: Plan, outcomes: Mapping[RunId, StartOutcome]) -> list[PlannedRun]:
        """The runs that ended badly and are not attempted again by this apply.

        Only runs that were started or waited for here, and runs that block others.
        """
        ours = {first_attempt(run) for run in (*self._watched, *outcomes)}
        blocking = {name for run in plan.runs if run.blocked for name in run.waits_for}
        return [
            ended
            for planned in plan.runs
            if (ended := self._last_attempt(planned)).record is not None
            and ended.record.has_failed
            and not (ended.run and ended.run.cancel)
            and (
                first_attempt(ended.id) in ours
                or not blocking.isdisjoint(covering_references(run_name(ended.id)))
            )
        ]

    def _last_attempt(self, planned: PlannedRun) -> PlannedRun:
        """The run as its last attempt, if the plan is about an attempt that was not made yet."""
        run = planned.run
        if run is None or run.attempt == 1 or planned.record is not None:
            return planned
        before = run_id(run.name, run.revision, run.attempt - 1)
        return planned.but(id=before, record=self._branch.ledger.records.get(before))


def _unclear_reason(run: RunId, observation: Observation) -> str | None:
    """Why a look could not tell how the run fares; None if it could."""
    name = observation.statuses.get(run)
    if name is None:
        reason = observation.unclear.get(run) or observation.failure
        return reason or "the service does not show its instance"
    return None if is_documented(name) else f"the service says {name}, which is no known status"
