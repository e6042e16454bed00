"""What the ledgers say of all claims and instances, sorted by what a look at the service needs."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import tzinfo
from enum import Enum, auto
from functools import cached_property
from itertools import chain, islice, takewhile
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.ids import (
    UNITS_MS,
    Answered,
    IdScheme,
    Sighting,
    Span,
    gives_each_its_own,
    gives_flows_their_own,
    spans_around,
)
from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.late_starts import late_doubts
from reconciler.ledger.records import UNSETTLED, Start
from reconciler.model import EpochMs, InstanceId, Nonce, RunId
from reconciler.times import MINUTE_MS, parse_instant

Minute = tuple[int | None, int]  # flow, and the minute of a trigger time since the epoch


def minute_of(flow_id: int | None, time: EpochMs) -> Minute:
    """The flow and the minute: runs that share both may get one instance id from the service."""
    return flow_id, time // MINUTE_MS


class _Sent(Struct, frozen=True, kw_only=True):
    """A known start or, where `start` is None, one that may or may not have been made."""

    record: Record
    start: Start | None

    @property
    def time(self) -> EpochMs:
        return self.record.trigger_time

    @property
    def flow_id(self) -> int | None:
        return self.record.flow_id


def _list_starts(records: Iterable[Record]) -> list[_Sent]:
    """Every start that is known, and one for each that may have been made."""
    found: list[_Sent] = []
    for record in records:
        if record.phase in UNSETTLED:
            found.append(_Sent(record=record, start=None))
        found += (_Sent(record=late, start=None) for late in late_doubts(record))
        found += (_Sent(record=record, start=start) for start in record.starts)
    return found


class _All(Enum):
    """Stands for all flows, in the place of one."""

    FLOWS = auto()


def rows_seen(evidence: Any) -> list[dict[str, Any]]:
    """What the searches for a run have found, by what the ledger keeps of them."""
    kept = evidence if isinstance(evidence, dict) else {}
    rows = [*kept.get("found", ()), *kept.get("foundBefore", ())]
    return [row for row in rows if isinstance(row, dict) and row.get("id")]


class Known:
    """What the ledgers say of all instances and claims, sorted by what a search needs."""

    def __init__(self, ledgers: Iterable[Ledger]) -> None:
        self._ledgers = list(ledgers)
        self._making: IdScheme | None = None  # what the recorded ids show; see `making`
        self._ordered: dict[int | _All | None, list[_Sent]] = {}  # by flow; see `_starts_by_time`
        self.claims: dict[Nonce, events.Claim] = {}
        for ledger in self._ledgers:
            self.claims |= ledger.claims

    def _records(self) -> Iterator[Record]:
        return chain.from_iterable(ledger.records.values() for ledger in self._ledgers)

    # Each of these is made on its first use: a look seldom needs more than one of them.

    @cached_property
    def _owners(self) -> dict[InstanceId, list[tuple[Record, Start]]]:
        found: dict[InstanceId, list[tuple[Record, Start]]] = defaultdict(list)
        for record in self._records():
            for start in record.starts:
                found[start.instance].append((record, start))
        return found

    @cached_property
    def _minutes(self) -> dict[Minute, list[tuple[EpochMs, Start]]]:
        """By flow and minute: each start, with the exact time that was sent."""
        found: dict[Minute, list[tuple[EpochMs, Start]]] = defaultdict(list)
        for record in self._records():
            for start in record.starts:
                minute = minute_of(record.flow_id, record.trigger_time)
                found[minute].append((record.trigger_time, start))
        return found

    @cached_property
    def _open(self) -> dict[Minute, list[Record]]:
        """By flow and minute, the runs that are claimed or in doubt; also about a late start."""
        found: dict[Minute, list[Record]] = defaultdict(list)
        for ledger in self._ledgers:
            for record in (*ledger.unsettled, *ledger.late):
                found[minute_of(record.flow_id, record.trigger_time)].append(record)
        return found

    @cached_property
    def _everything(self) -> list[_Sent]:
        return _list_starts(self._records())

    @cached_property
    def _of_flows(self) -> dict[int | None, list[Record]]:
        found: dict[int | None, list[Record]] = defaultdict(list)
        for record in self._records():
            found[record.flow_id].append(record)
        return found

    def _starts_by_time(self, flow_id: int | _All | None) -> list[_Sent]:
        """What was sent, or may have been, for a flow, or for all, in the order of trigger times.

        Most looks are about a few flows, so the others are not put in order.
        """
        if flow_id not in self._ordered:
            if isinstance(flow_id, _All):
                sent = self._everything
            else:
                sent = _list_starts(self._of_flows.get(flow_id, ()))
            self._ordered[flow_id] = sorted(sent, key=lambda one: one.time)
        return self._ordered[flow_id]

    @cached_property
    def _claims(self) -> dict[int, list[tuple[events.Claim, RunId, int | None]]]:
        """By the minute of the trigger time: each claimed run, with its claim and flow."""
        found: dict[int, list[tuple[events.Claim, RunId, int | None]]] = defaultdict(list)
        for claim in chain.from_iterable(ledger.claims.values() for ledger in self._ledgers):
            for run, claimed in claim.runs.items():
                near = claim, run, claimed.flow_id
                found[claimed.trigger_time // MINUTE_MS].append(near)
        return found

    def owners(self, instance: InstanceId) -> Sequence[tuple[Record, Start]]:
        """The starts that are recorded with this instance id."""
        return self._owners.get(instance, ())

    def claimed_at(self, claim: Nonce | None) -> EpochMs | None:
        """When the claim was made; None where the ledgers do not have it."""
        known = self.claims.get(claim) if claim is not None else None
        return parse_instant(known.at) if known is not None else None

    @cached_property
    def _turns(self) -> dict[Nonce, tuple[int, int]]:
        """By claim: the number of its ledger, and the claim's place in that ledger."""
        return {
            claim: (number, turn)
            for number, ledger in enumerate(self._ledgers)
            for turn, claim in enumerate(ledger.claims)
        }

    def is_later(self, claim: Nonce | None, than: Nonce | None) -> bool:
        """Whether the claim was made after the other one.

        In one ledger the order of the lines says so, however the clock was set between them.
        """
        ours, theirs = (self._turns.get(one) if one else None for one in (claim, than))
        if ours is None or theirs is None:
            return False
        if ours[0] == theirs[0]:
            return ours > theirs
        at, before = self.claimed_at(claim), self.claimed_at(than)
        return at is not None and before is not None and at > before

    def starts_in(self, flow_id: int | None, time: EpochMs) -> Sequence[Start]:
        """The starts of the flow that are recorded for that minute."""
        return [start for _, start in self._minutes.get(minute_of(flow_id, time), ())]

    def runs_in_doubt(self, flow_id: int | None, time: EpochMs | None) -> Sequence[Record]:
        """The runs of the flow that may or may not have been started.

        Only those in the minute of that time, if one is given.
        """
        if time is not None:
            return self._open.get(minute_of(flow_id, time), ())
        return [one for (flow, _), open_ in self._open.items() if flow == flow_id for one in open_]

    def tells_apart(self, instance: InstanceId, owner: Record, time: EpochMs) -> bool:
        """Whether a run of that time is known to get another id than the owner's instance has.

        Two ids in one minute do not show that yet, because a service may round times to make its
        ids. What shows it is another id of a run at the owner's time, at that time, or between.
        """
        first, last = sorted((owner.trigger_time, time))
        minutes = {minute_of(owner.flow_id, one) for one in (first, last)}
        return any(
            start.instance != instance and first <= its_time <= last
            for minute in minutes
            for its_time, start in self._minutes.get(minute, ())
        )

    def spans_of_id(
        self, instance: InstanceId, flow_id: int | None, time: EpochMs, zone: tzinfo
    ) -> list[Span]:
        """The spans around the time within which all runs of the flow may have this id.

        Only spans in which no other id of the flow is known, which would show that ids are finer.
        """
        return [
            span
            for span in spans_around(time, zone, UNITS_MS)
            if not any(
                one.start is not None and one.start.instance != instance
                for one in self._starts_between(flow_id, *span)
            )
        ]

    def making(self, zone: tzinfo) -> IdScheme:
        """What the recorded ids show of how the service makes them."""
        if self._making is None:
            recorded = (
                Sighting(instance=one.start.instance, flow_id=one.flow_id, times=(one.time,))
                for one in self._everything
                if one.start is not None
            )
            answered = self._answered_ids()
            making = IdScheme(of_each=gives_each_its_own(answered)).with_sightings(
                chain(recorded, self._sightings_in_doubt()), zone
            )
            of_flows = making.flowless and gives_flows_their_own(answered)
            self._making = replace(making, of_flows=of_flows)
        return self._making

    def _sightings_in_doubt(self) -> Iterator[Sighting]:
        """What earlier searches for the runs in doubt listed, also if it is listed no more.

        It was listed for the run's minute, to which its own time may have been rounded.
        """
        for one in self._everything:
            if one.start is None:
                times = (one.time, EpochMs(one.time + MINUTE_MS // 2))
                for row in rows_seen(one.record.evidence):
                    yield Sighting(instance=row["id"], flow_id=one.flow_id, times=times)

    def _answered_ids(self) -> Answered:
        """The recorded ids without those that a person named or a search suggested."""
        ids: dict[tuple[int | None, EpochMs], list[InstanceId]] = defaultdict(list)
        for one in self._everything:
            if one.start is not None and one.start.is_from_an_answer:
                ids[one.flow_id, one.time].append(one.start.instance)
        return ids

    def may_hide(
        self,
        flow_id: int,
        time: EpochMs,
        since: EpochMs,
        zone: tzinfo,
        making: IdScheme,
        unlisted: Collection[RunId] = (),
        *,
        claim: Nonce | None = None,
    ) -> tuple[Record, Start | None] | None:
        """A newer start, of another minute or flow, that may have the id of a start of that time.

        Newer means made after `since`, when this `claim` was made, or under a later claim.

        A service whose ids stand for more than a minute, or leave the flow out, may list only the
        newest instance of an id, and so hide the one that is looked for. `making` says what ids
        show of that. A run of which nobody knows whether it was started counts as started, unless
        it is `unlisted`: what is not listed itself hides nothing. Two ids within a span show that
        the span does not share one.
        """
        for its in self._spans_of_one_id(flow_id, time, zone, making):
            for one in its:
                elsewhere = minute_of(one.flow_id, one.time) != minute_of(flow_id, time)
                if one.start is None:
                    recent = one.record.run not in unlisted
                else:
                    recent = one.start.instant >= since or self.is_later(one.start.claim, claim)
                if elsewhere and recent:
                    return one.record, one.start
        return None

    def _spans_of_one_id(
        self, flow_id: int, time: EpochMs, zone: tzinfo, making: IdScheme
    ) -> Iterator[list[_Sent]]:
        """What was sent, or may have been, in each span around the time that may share one id.

        For the flow; and for all flows together, if ids may leave the flow out.
        """
        for span in spans_around(time, zone, (MINUTE_MS, *making.units)):
            of_flows = (flow_id, _All.FLOWS) if making.may_lack_flow else (flow_id,)
            for its in (list(self._starts_between(flow, *span)) for flow in of_flows):
                if len({one.start.instance for one in its if one.start is not None}) <= 1:
                    yield its

    def _starts_between(
        self, flow_id: int | _All | None, first: EpochMs, end: EpochMs
    ) -> Iterator[_Sent]:
        """What was sent, or may have been, from `first`, inclusive, to `end`, exclusive."""
        its = self._starts_by_time(flow_id)
        begin = bisect_left(its, first, key=lambda one: one.time)
        return takewhile(lambda one: one.time < end, islice(its, begin, None))

    def claims_near(self, flow_id: int, time: EpochMs) -> list[tuple[events.Claim, RunId]]:
        """The claims of a run of the flow in that minute or in one beside it, each with the run."""
        minute = time // MINUTE_MS
        return [
            (claim, run)
            for near in (minute - 1, minute, minute + 1)
            for claim, run, flow in self._claims.get(near, ())
            if flow in {None, flow_id}
        ]
