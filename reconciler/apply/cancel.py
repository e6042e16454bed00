"""Cancelling the instances of runs that are not wanted any more."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.apply.observe import shared_instances
from reconciler.apply.ports import Gateway
from reconciler.errors import GatewayError
from reconciler.ledger import Ledger, Record, events
from reconciler.model import EpochMs, RunId
from reconciler.times import format_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCancelled:
    """A run whose instance could not be cancelled for certain, and why."""

    run: RunId
    reason: str


async def cancel(
    records: Sequence[Record],
    gateway: Gateway,
    ledger: Ledger,
    *,
    now: Callable[[], EpochMs],
    concurrency: int,
) -> list[events.Cancelled | NotCancelled]:
    """Ask the service once to cancel the instance of each run.

    An id that two runs share is left alone: nobody can tell whose instance would be cancelled.
    """
    gate, shared = asyncio.Semaphore(concurrency), shared_instances(ledger)

    async def one(record: Record) -> events.Cancelled | NotCancelled:
        instance = record.instances[0]
        if instance in shared:
            reason = f"its instance {instance} is recorded for another run as well: cancel by hand"
            return NotCancelled(run=record.run, reason=reason)
        async with gate:
            try:
                answer = await gateway.cancel(instance)
            except GatewayError as error:
                return NotCancelled(run=record.run, reason=str(error))
        return events.Cancelled(
            v=events.VERSION,
            at=format_instant(now()),
            run=record.run,
            code=answer.code,
            message=answer.message,
            claim=record.claim,
        )

    async with asyncio.TaskGroup() as cancellations:
        tasks = [cancellations.create_task(one(record)) for record in records]
    return [task.result() for task in tasks]
