"""What an apply does while it waits: it records, sleeps, reads the branch again and observes.

A signal that tells the apply to stop ends every wait at once, and every search that it waits for.
"""

import asyncio
from collections.abc import Coroutine
from enum import Enum, auto
from typing import Any, TypeVar

from reconciler.apply.knowledge import Knowledge
from reconciler.apply.lease import ServiceClock
from reconciler.apply.ports import Gateway, Noted, Ports, Waiting
from reconciler.apply.wait import Backoff, describe_wait, next_decision_time
from reconciler.errors import GitError
from reconciler.ledger import events
from reconciler.model import EpochMs
from reconciler.plan import Plan

_Result = TypeVar("_Result")


class Waited(Enum):
    """What came of a wait."""

    NOT_AT_ALL = auto()  # nothing is worth waiting for, or the time for waits is used up
    IN_VAIN = auto()  # nothing that this apply waits for has ended yet
    FOR_AN_END = auto()  # an instance has ended, so more runs may be started


class Pauses:
    """The waits of one apply."""

    def __init__(self, ports: Ports, knowledge: Knowledge) -> None:
        self._ports = ports
        self._knowledge = knowledge
        self._branch = knowledge.branch
        self._observer = knowledge.observer
        self._backoff = Backoff(ports.clock, knowledge.options, ports.jitter)
        self._waiting: Waiting | None = None  # the last step of this kind that was reported

    async def wait(self, plan: Plan, gateway: Gateway, clock: ServiceClock) -> Waited:
        """Record what is pending, then wait for time or others to change something."""
        await self._record_if_due()
        if self._backoff.is_used_up:
            return Waited.NOT_AT_ALL
        now = clock.earliest_time()
        claim_seconds = self._knowledge.environment.limits.claim_seconds
        awaits = self._knowledge.awaits(plan)
        until = next_decision_time(awaits, self._knowledge.doubts, now, claim_seconds)
        awaited = self._knowledge.awaited_records(plan) if self._backoff.for_ends else []
        if until is None and not awaited:
            return Waited.NOT_AT_ALL
        if awaited:
            self._observer.tell(awaited)
        if until is not None:
            self._tell_waiting(awaits, now, until)
        await self.sleep(self._backoff.pause(until, now))
        await self._refetch(patient=bool(awaited))
        due = self._observer.due(awaited, clock.earliest_time())
        if due and await self._observer.look(due, self._knowledge.look(gateway, clock)):
            self._backoff.look_sooner()
            return Waited.FOR_AN_END
        return Waited.IN_VAIN

    def _tell_waiting(self, awaits: Plan, now: EpochMs, until: EpochMs) -> None:
        """Say what is waited for, and until when at the latest; not again what was said last.

        A claim that was made before the gateway's clock was set back lapses before its time.
        """
        known = self._knowledge
        claim_seconds, lapses = known.environment.limits.claim_seconds, known.lapses.expected
        told = next_decision_time(awaits, known.doubts, now, claim_seconds, lapses)
        waiting = Waiting(reason=describe_wait(awaits), until=until if told is None else told)
        if waiting != self._waiting:
            self._ports.progress(waiting)
            self._waiting = waiting

    async def run_unless_stopped(self, work: Coroutine[Any, Any, _Result]) -> _Result | None:
        """The result; None once the apply is told to stop: then the work is broken off."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._ports.stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await working if working.done() else None
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    async def sleep(self, seconds: float) -> None:
        """Sleep for that long, or until the apply is told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._ports.stop.wait()
        except TimeoutError:
            return

    async def _record_if_due(self) -> None:
        """Push what is pending; if that is nothing but ends, push it only once in a while."""
        only_ends = all(isinstance(event, events.Observed) for event in self._branch.pending)
        if not only_ends or self._backoff.records_ends():
            await self._branch.record()

    async def _refetch(self, *, patient: bool) -> None:
        """Read the branch again; a long wait goes on if the remote cannot be read for a while."""
        try:
            await self._branch.refetch()
        except GitError as error:
            if not self._backoff.outlasts(fetched=False) or not patient:
                raise
            self._ports.progress(Noted(message=str(error)))
        else:
            self._backoff.outlasts(fetched=True)
