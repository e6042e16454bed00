"""Settling runs in doubt by what the service's search says (docs/exactly-once.md).

Found: triggered, with the evidence. Not found once the claim has expired and a started instance has
had time to show up: certainly absent. Anything else stays in doubt; nothing is guessed.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from reconciler.apply.evidence import (
    BY_NONCE,
    Ambiguous,
    Found,
    NoneFound,
    evidence_of,
    judge,
    search_window,
)
from reconciler.apply.looking import Look
from reconciler.apply.start import Outcome
from reconciler.errors import GatewayError
from reconciler.ledger import Record, events
from reconciler.model import EpochMs
from reconciler.plan import PlannedRun
from reconciler.times import format_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A run in doubt that one look could not settle, and when another one can."""

    planned: PlannedRun
    reason: str
    decided_at: EpochMs | None  # from then on a whole search proves absence; None: never


async def settle(doubts: Sequence[PlannedRun], look: Look) -> list[Outcome | Doubt]:
    """Look once for the instance of each run in doubt."""
    gate = asyncio.Semaphore(look.environment.limits.concurrency)

    async def one(planned: PlannedRun) -> Outcome | Doubt:
        async with gate:
            return await _look_for(planned, look)

    async with asyncio.TaskGroup() as looks:
        tasks = [looks.create_task(one(planned)) for planned in doubts]
    return _each_to_one([task.result() for task in tasks], doubts)


def _each_to_one(
    found: Sequence[Outcome | Doubt], doubts: Sequence[PlannedRun]
) -> list[Outcome | Doubt]:
    """Give no instance to two runs, unless each is proven by its nonce: ids may be shared."""
    taken = Counter(one.flow_instance_id for one in found if isinstance(one, events.Triggered))
    return [
        Doubt(
            planned=planned,
            reason=f"instance {one.flow_instance_id} could be that of another run in doubt as well",
            decided_at=None,
        )
        if isinstance(one, events.Triggered) and taken[one.flow_instance_id] > 1 and one.inferred
        else one
        for one, planned in zip(found, doubts, strict=True)
    ]


async def _look_for(planned: PlannedRun, look: Look) -> Outcome | Doubt:
    record = planned.record
    suspect = None if record is None else look.suspect(record, record.claim)
    if record is None or record.claim is None or suspect is None:
        return Doubt(planned=planned, reason="the ledger does not say its flow", decided_at=None)
    elsewhere = look.elsewhere(record)
    if elsewhere is not None:
        return Doubt(planned=planned, reason=elsewhere, decided_at=None)
    began = look.now()  # only what had to be listed by then can be missed by the search
    decided_at = _decided_at(record, look)
    try:
        found = await look.gateway.search(suspect.flow_id, *search_window(suspect.trigger_time))
    except GatewayError as error:
        again = decided_at if began < decided_at else None  # past it, the next apply looks again
        return Doubt(planned=planned, reason=str(error), decided_at=again)
    finding = judge(suspect, found, look.known)
    evidence = evidence_of(suspect, found, began)
    at = format_instant(look.now())
    match finding:
        case Found(by=by) if by != BY_NONCE and began < record.trigger_time:
            reason = f"{finding.instance} agrees with it, but while its trigger time lies ahead its"
            return Doubt(
                planned=planned,
                reason=f"{reason} own instance may not be listed yet",
                decided_at=_decided_at(record, look),
            )
        case Found():
            return events.Triggered(
                v=events.VERSION,
                at=at,
                run=planned.id,
                claim=record.claim,
                digest=record.digest,
                flow_id=suspect.flow_id,
                trigger_time=record.trigger_time,
                flow_instance_id=finding.instance,
                evidence=evidence | {"recognisedBy": finding.by},
                inferred=finding.by != BY_NONCE,
            )
        case Ambiguous():
            return Doubt(planned=planned, reason=finding.reason, decided_at=None)
        case NoneFound() if began >= decided_at:
            return events.Absent(
                v=events.VERSION, at=at, run=planned.id, claim=record.claim, evidence=evidence
            )
        case NoneFound():
            return Doubt(planned=planned, reason=_too_early(record, began), decided_at=decided_at)
        case _:
            assert_never(finding)


def _decided_at(record: Record, look: Look) -> EpochMs:
    """From when on a whole search that finds nothing proves that there is nothing.

    The claim must have expired, for until then its applier may start the run. The trigger time
    must have passed, for the reference does not say that an instance that still waits is listed.
    A claim whose clock was set back since has expired by the time that has passed (`Lapses`).
    """
    settle = int(look.environment.gateway.settle * 1000)
    expired = look.lapsed.get(record.claim, record.until) if record.claim else record.until
    return EpochMs(max(expired, record.trigger_time) + settle)


def _too_early(record: Record, now: EpochMs) -> str:
    if record.trigger_time > now:
        return (
            "nothing found, and its trigger time still lies ahead: an instance that waits for it "
            "may not be listed"
        )
    return "nothing found yet; absence is certain only once the claim has expired"
