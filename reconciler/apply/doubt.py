"""Settle runs in doubt by a search of the service (docs/exactly-once.md).

A run whose instance is found is triggered, with the evidence. If nothing is found once the claim
has expired and a started instance has had time to show up, the run is certainly absent. Anything
else stays in doubt; nothing is guessed.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, assert_never

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.evidence import (
    BY_NONCE,
    Ambiguous,
    Found,
    NoneFound,
    evidence_of,
    judge,
    judge_vanished,
    may_be_its,
    vanished_rows,
)
from reconciler.apply.ids import IdScheme, Sighting
from reconciler.apply.immediate import ClaimTimeSearch, judge_immediate
from reconciler.apply.instances import LEAD_MS
from reconciler.apply.look import Look
from reconciler.apply.ports import Instance
from reconciler.apply.start import StartOutcome
from reconciler.apply.suspect import Suspect, contradicts, search_window
from reconciler.errors import GatewayError
from reconciler.ledger import Record, events
from reconciler.ledger.late_starts import LATE_UNTIL
from reconciler.ledger.records import settling_time
from reconciler.model import EpochMs, Nonce, RunId
from reconciler.plan import PlannedRun
from reconciler.times import format_instant


class Doubt(Struct, frozen=True, kw_only=True):
    """A run in doubt that one look could not settle, and when another look can."""

    planned: PlannedRun
    reason: str
    decided_at: EpochMs | None  # from then on a whole search may settle it; None: no time does
    seen: Mapping[str, Any] | None = None  # by a whole search that could not tell

    def event(self, at: str) -> events.Unknown | None:
        """What was seen, for the ledger; None if that is nothing, or stands there already.

        So everybody who has the ledger knows what a person must decide by, not only this apply.
        """
        record = self.planned.record
        if self.seen is None or record is None or record.claim is None:
            return None
        before = record.evidence if isinstance(record.evidence, dict) else {}
        if before.get("reason") == self.reason:
            return None
        answer = before.get("answer") if before else record.evidence
        gone = vanished_rows(record.evidence, {row["id"] for row in self.seen["found"]})
        seen = {"reason": self.reason} | ({"answer": answer} if answer else {}) | dict(self.seen)
        seen |= {"foundBefore": gone} if gone else {}
        return events.Unknown(
            v=events.VERSION, at=at, run=record.run, claim=record.claim, seen=seen
        )


async def settle(doubts: Sequence[PlannedRun], look: Look) -> list[StartOutcome | Doubt]:
    """Look once for the instance of each run in doubt.

    What the ids listed for one run show of how the service makes its ids counts for all runs.
    """
    gate = asyncio.Semaphore(look.environment.limits.concurrency)

    async def search_doubt(planned: PlannedRun) -> "_Searched | Doubt":
        async with gate:
            return await _look_for(planned, look)

    async with asyncio.TaskGroup() as looks:
        tasks = [looks.create_task(search_doubt(planned)) for planned in doubts]
    looked = [task.result() for task in tasks]
    zone = look.environment.gateway.zone
    seen = (sighting for one in looked if isinstance(one, _Searched) for sighting in one.sightings)
    making = look.known.making(zone).with_sightings(seen, zone)
    unlisted = {
        one.record.run
        for one in looked
        if isinstance(one, _Searched)
        if not (one.listed or one.shows_at_once or _may_come_up(one, look))
    }
    found = [
        _judge_search(one, look, making, unlisted) if isinstance(one, _Searched) else one
        for one in looked
    ]
    return _doubt_shared_instances(found, doubts)


def _doubt_shared_instances(
    found: Sequence[StartOutcome | Doubt], doubts: Sequence[PlannedRun]
) -> list[StartOutcome | Doubt]:
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


class _Searched(Struct, frozen=True, kw_only=True):
    """A run in doubt whose minute was searched."""

    planned: PlannedRun
    record: Record
    claim: Nonce
    suspect: Suspect
    listed: Sequence[Instance]
    began: EpochMs  # no later than the search, which must show what had to be listed by then
    immediate: ClaimTimeSearch | None = None  # under the time of its claim, if searched

    @property
    def shows_at_once(self) -> bool:
        """Whether what was triggered since its claim may be the run's, by its parameters."""
        listed = () if self.immediate is None else self.immediate.listed
        return not all(contradicts(self.suspect, one) for one in listed)

    @property
    def sightings(self) -> Iterator[Sighting]:
        """The ids that are listed, each with its own trigger time.

        If an instance shows no time within the searched window, the service has cut it: its own
        time is taken to be the run's.
        """
        start, end = search_window(self.suspect.trigger_time)
        for one in self.listed:
            its = tuple(time for time in one.may_be_triggered_at if start <= time < end)
            yield Sighting(
                instance=one.id,
                flow_id=self.suspect.flow_id if one.flow_id is None else one.flow_id,
                times=its or (self.suspect.trigger_time,),
            )


async def _look_for(planned: PlannedRun, look: Look) -> _Searched | Doubt:
    record = planned.record
    suspect = None if record is None else look.suspect(record, record.claim)
    if record is None or record.claim is None or suspect is None:
        return Doubt(planned=planned, reason="the ledger does not say its flow", decided_at=None)
    elsewhere = look.service_mismatch(record)
    if elsewhere is not None:
        return Doubt(planned=planned, reason=elsewhere, decided_at=None)
    began = look.now()
    try:
        listed = await look.gateway.search(suspect.flow_id, *search_window(suspect.trigger_time))
    except GatewayError as error:
        return _failed_search_doubt(planned, record, error, began, look)
    searched = _Searched(
        planned=planned,
        record=record,
        claim=record.claim,
        suspect=suspect,
        listed=listed,
        began=began,
    )
    return await _look_further(searched, look)


def _failed_search_doubt(
    planned: PlannedRun, record: Record, error: GatewayError, began: EpochMs, look: Look
) -> Doubt:
    """The doubt that a search leaves that failed."""
    decided_at = _decision_time(record, look)
    again = decided_at if began < decided_at else None  # past it, the next apply looks again
    return Doubt(planned=planned, reason=str(error), decided_at=again)


async def _look_further(searched: _Searched, look: Look) -> _Searched | Doubt:
    """Before its absence is concluded, look for the run's instance where else it may be listed."""
    suspect, known = searched.suspect, look.known
    window = look.immediate_window(suspect)
    if (
        window is None
        or searched.began < _decision_time(searched.record, look)
        or any(may_be_its(suspect, one, known) for one in searched.listed)
    ):
        return searched
    try:
        found = await look.gateway.search(suspect.flow_id, *window)
    except GatewayError as error:
        return _failed_search_doubt(searched.planned, searched.record, error, searched.began, look)
    its_minute = {replace(one, status=None) for one in searched.listed}
    others = [one for one in found if replace(one, status=None) not in its_minute]
    return replace(searched, immediate=ClaimTimeSearch(window=window, listed=others))


def _judge_search(
    searched: _Searched, look: Look, making: IdScheme, unlisted: Collection[RunId]
) -> StartOutcome | Doubt:
    planned, record, began = searched.planned, searched.record, searched.began
    decided_at = _decision_time(record, look)
    rivals = [
        suspect
        for other in look.known.runs_in_doubt(searched.suspect.flow_id, record.trigger_time)
        if other.run != record.run and (suspect := look.suspect(other, other.claim)) is not None
    ]
    finding = judge(searched.suspect, searched.listed, look.known, making, rivals, unlisted)
    if isinstance(finding, NoneFound):
        finding = judge_vanished(searched.suspect, record.evidence, searched.listed, look.known)
    if isinstance(finding, NoneFound) and searched.immediate is not None:
        listed = searched.immediate.listed
        finding = judge_immediate(searched.suspect, listed, look.known, making, rivals)
    evidence = evidence_of(searched.suspect, searched.listed, began)
    if searched.immediate is not None:
        evidence |= searched.immediate.evidence()
    match finding:
        case Ambiguous():
            other = finding.awaits
            again = began
            if other is not None:  # its own search may have failed once: allow one more look
                settle = int(look.environment.gateway.settle * 1000)
                again = EpochMs(max(decided_at, _decision_time(other, look)) + settle)
            return Doubt(
                planned=planned,
                reason=finding.reason,
                decided_at=again if began < again else None,
                seen=evidence,
            )
        case Found() if finding.by != BY_NONCE and began < record.trigger_time:
            return Doubt(planned=planned, reason=_explain_unlisted(finding), decided_at=decided_at)
        case NoneFound() if began < decided_at:
            return Doubt(
                planned=planned, reason=_explain_early_search(record, began), decided_at=decided_at
            )
        case Found() | NoneFound():
            at = format_instant(look.now())
            return _settlement_event(record, searched.claim, finding, evidence, at)
        case _:
            assert_never(finding)


def _settlement_event(
    record: Record, claim: Nonce, finding: Found | NoneFound, evidence: dict[str, Any], at: str
) -> events.Triggered | events.Absent:
    """The event for a run that was found, or that is certainly absent."""
    if isinstance(finding, NoneFound):
        if any(one.claim == claim for one in record.overdue):
            evidence = evidence | {LATE_UNTIL: format_instant(record.until)}
        return events.Absent(
            v=events.VERSION, at=at, run=record.run, claim=claim, evidence=evidence
        )
    return events.Triggered(
        v=events.VERSION,
        at=at,
        run=record.run,
        claim=claim,
        digest=record.digest,
        flow_id=evidence["flowId"],
        trigger_time=record.trigger_time,
        flow_instance_id=finding.instance,
        evidence=evidence | {"recognisedBy": finding.by},
        inferred=finding.by != BY_NONCE,
    )


def _decision_time(record: Record, look: Look) -> EpochMs:
    settle = look.environment.gateway.settle
    return settling_time(_expiry_time(record, look), record.trigger_time, settle)


def _expiry_time(record: Record, look: Look) -> EpochMs:
    """When the run's claim expires; if the clock was set back since, when it was seen to lapse."""
    return look.lapsed.get(record.claim, record.until) if record.claim else record.until


def _may_come_up(searched: _Searched, look: Look) -> bool:
    """Whether an instance of the run may be listed by now, though the search did not show it."""
    record, began = searched.record, searched.began
    if began < _expiry_time(record, look) + int(look.environment.gateway.settle * 1000):
        return True
    waits = record.trigger_time > look.now() + LEAD_MS  # then it is not listed yet
    return not waits and began < _decision_time(record, look)


def _explain_unlisted(finding: Found) -> str:
    return (
        f"{finding.instance} agrees with it, but while its trigger time lies ahead its own "
        "instance may not be listed yet"
    )


def _explain_early_search(record: Record, now: EpochMs) -> str:
    if record.trigger_time > now:
        return (
            "nothing found, and its trigger time still lies ahead: an instance that waits for it "
            "may not be listed"
        )
    return "nothing found yet; absence is certain only once the claim has expired"
