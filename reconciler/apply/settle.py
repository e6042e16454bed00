"""Settling runs in doubt by what the service's search says (docs/exactly-once.md).

Found: triggered, with the evidence. Not found once the claim has expired and a started instance has
had time to show up: certainly absent. Anything else stays in doubt; nothing is guessed.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import assert_never

from reconciler.apply.evidence import (
    Ambiguous,
    Finding,
    Found,
    NoneFound,
    Suspect,
    evidence_of,
    judge,
    search_window,
)
from reconciler.apply.ports import Gateway, Instance
from reconciler.apply.start import Outcome, authorship
from reconciler.errors import GatewayError
from reconciler.ledger import Ledger, events
from reconciler.model import EpochMs, InstanceId
from reconciler.plan import PlannedRun
from reconciler.times import format_instant, parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A run in doubt that one look could not settle, and when another one can."""

    planned: PlannedRun
    reason: str
    decided_at: EpochMs | None  # from then on a whole search proves absence; None: never


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Everything that a look at the service needs."""

    gateway: Gateway
    ledger: Ledger
    settle_seconds: float
    correlation: str | None
    now: Callable[[], EpochMs]  # no later than the gateway's time
    concurrency: int


async def settle(doubts: Sequence[PlannedRun], search: Search) -> list[Outcome | Doubt]:
    """Look once for the instance of each run in doubt."""
    gate = asyncio.Semaphore(search.concurrency)
    if not doubts:
        return []
    known = {id_ for record in search.ledger.records.values() for id_ in record.instances}

    async def look(planned: PlannedRun) -> Outcome | Doubt:
        async with gate:
            return await _look(planned, search, known)

    async with asyncio.TaskGroup() as looks:
        tasks = [looks.create_task(look(planned)) for planned in doubts]
    return _each_to_one([task.result() for task in tasks], doubts)


def _each_to_one(
    found: Sequence[Outcome | Doubt], doubts: Sequence[PlannedRun]
) -> list[Outcome | Doubt]:
    """Give no instance to two runs: of those that look alike, nobody can tell whose it is."""
    taken = Counter(one.flow_instance_id for one in found if isinstance(one, events.Triggered))
    return [
        Doubt(
            planned=planned,
            reason=f"instance {one.flow_instance_id} could be that of another run in doubt as well",
            decided_at=None,
        )
        if isinstance(one, events.Triggered) and taken[one.flow_instance_id] > 1
        else one
        for one, planned in zip(found, doubts, strict=True)
    ]


async def _look(
    planned: PlannedRun, search: Search, known: Collection[InstanceId]
) -> Outcome | Doubt:
    suspect = suspect_of(planned, search.correlation)
    if suspect is None:
        return Doubt(planned=planned, reason="the ledger does not say its flow", decided_at=None)
    began = search.now()  # only what had to be listed by then can be missed by the search
    try:
        found = await search.gateway.search(suspect.flow_id, *search_window(suspect.trigger_time))
    except GatewayError as error:
        later = _decided_at(planned, search.settle_seconds)
        again = later if began < later else None  # past it, another look is the next apply's
        return Doubt(planned=planned, reason=str(error), decided_at=again)
    finding = judge(suspect, found, known)
    return _conclude(planned, suspect, finding, found, search, began)


def _conclude(
    planned: PlannedRun,
    suspect: Suspect,
    finding: Finding,
    found: Sequence[Instance],
    search: Search,
    began: EpochMs,
) -> Outcome | Doubt:
    record = planned.record
    assert record is not None and record.claim is not None  # noqa: S101, PT018 - `suspect_of` saw it
    evidence = evidence_of(suspect, found, began)
    at = format_instant(search.now())
    match finding:
        case Found():
            return events.Triggered(
                v=events.VERSION,
                at=at,
                run=planned.id,
                claim=record.claim,
                digest=planned.digest,
                flow_id=suspect.flow_id,
                trigger_time=planned.trigger_time,
                flow_instance_id=finding.instance,
                evidence=evidence,
            )
        case Ambiguous():
            return Doubt(planned=planned, reason=finding.reason, decided_at=None)
        case NoneFound():
            decided_at = _decided_at(planned, search.settle_seconds)
            if began >= decided_at:
                return events.Absent(
                    v=events.VERSION, at=at, run=planned.id, claim=record.claim, evidence=evidence
                )
            return Doubt(planned=planned, reason=_too_early(planned, began), decided_at=decided_at)
        case _:
            assert_never(finding)


def suspect_of(planned: PlannedRun, correlation: str | None) -> Suspect | None:
    """How to recognise the run's instance; None where the ledger does not say enough."""
    record = planned.record
    if record is None or record.claim is None or record.claimed_at is None:
        return None
    flow_id = record.flow_id if record.flow_id is not None else planned.flow_id
    if flow_id is None:
        return None
    return Suspect(
        flow_id=flow_id,
        trigger_time=record.trigger_time,
        parameters=planned.parameters if planned.run is not None else None,
        claimed_at=parse_instant(record.claimed_at),
        authorship=authorship(correlation, planned.id, record.claim) if correlation else None,
    )


def _decided_at(planned: PlannedRun, settle_seconds: float) -> EpochMs:
    """From when on a whole search that finds nothing proves that there is nothing.

    The claim must have expired, for until then its applier may start the run. The trigger time
    must have passed, for the reference does not say that an instance that still waits is listed.
    """
    record = planned.record
    until = record.until if record is not None else EpochMs(0)
    return EpochMs(max(until, planned.trigger_time) + int(settle_seconds * 1000))


def _too_early(planned: PlannedRun, now: EpochMs) -> str:
    if planned.trigger_time > now:
        return (
            "nothing found, and its trigger time still lies ahead: an instance that waits for it "
            "may not be listed"
        )
    return "nothing found yet; absence is certain only once the claim has expired"
