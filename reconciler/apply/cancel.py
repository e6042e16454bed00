"""Cancelling the instances of runs that nobody wants any more."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.apply.instances import only_this_one_runs, tell
from reconciler.apply.known import Known
from reconciler.apply.looking import Look, start_of
from reconciler.apply.suspect import search_window
from reconciler.errors import GatewayError
from reconciler.ledger import Record, events
from reconciler.model import EpochMs, RunId
from reconciler.times import DAY_MS, format_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCancelled:
    """A run whose instance could not be cancelled for certain, and why."""

    run: RunId
    reason: str


async def cancel(records: Sequence[Record], look: Look) -> list[events.Cancelled | NotCancelled]:
    """Ask the service once to cancel the instance of each run.

    A cancellation names an id, which others may have as well. So it is asked for only where a whole
    search shows that nothing but the run's own instance can be hit.
    """
    gate = asyncio.Semaphore(look.environment.limits.concurrency)

    async def one(record: Record) -> events.Cancelled | NotCancelled:
        async with gate:
            try:
                return await _cancel(record, look)
            except GatewayError as error:
                return NotCancelled(run=record.run, reason=str(error))

    async with asyncio.TaskGroup() as cancellations:
        tasks = [cancellations.create_task(one(record)) for record in records]
    return [task.result() for task in tasks]


async def _cancel(record: Record, look: Look) -> events.Cancelled | NotCancelled:
    """Cancel one. Raises GatewayError."""
    reason = look.elsewhere(record) or await _hindrance(record, look)
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


def _window(record: Record, known: Known) -> tuple[EpochMs, EpochMs]:
    """The trigger times, from inclusive, to exclusive, of all that may have the instance's id.

    That is its minute; or a day and more, unless the service is known to give several ids in one.
    """
    start, end = search_window(record.trigger_time)
    if known.has_other_ids_near(record.instances[0], record.flow_id, record.trigger_time):
        return start, end
    return EpochMs(max(start - DAY_MS, 0)), EpochMs(end + DAY_MS)


async def _hindrance(record: Record, look: Look) -> str | None:
    """Why a cancellation could hit another instance, or None. Raises GatewayError."""
    start, id_ = start_of(record), record.instances[0]
    if start is None or record.flow_id is None:
        return "the ledger does not say its flow"
    listed = await look.gateway.search(record.flow_id, *_window(record, look.known))
    its = [one for one in listed if one.id == id_]
    if not its:
        got = await look.gateway.instance(id_)
        its = [] if got is None else [got]
    if not its and record.trigger_time > look.now():
        return None  # the reference does not say that an instance is shown while it waits
    if not its:
        return f"the service shows no instance {id_}"
    told = tell(record, start, its, look.known, look.suspect)
    if told.mine is None or not only_this_one_runs(told.mine, its):
        why = told.reason or f"others have the id {id_} as well"
        return f"a cancellation could hit another instance ({why}): cancel it by hand"
    return None
