"""What the ledgers say of all claims and instances, sorted by what a look at the service needs.

Among that is how a service makes its instance ids, as far as ids show it. In the documented samples
an id holds the flow and the trigger time, cut to the minute. A service may cut it to the hour or
the day, or leave the flow out; then runs of several minutes or flows share it. An id that holds no
date at all is taken to be its instance's own.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile
from operator import itemgetter

from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.records import UNSETTLED, Start
from reconciler.model import ClaimId, EpochMs, InstanceId, RunId
from reconciler.times import DAY_MS, MINUTE_MS, in_zone, parse_instant

_UNITS = (60 * MINUTE_MS, DAY_MS)
_QUARTER_MS = 15 * MINUTE_MS  # no zone is off by less
_TIME = itemgetter(0)  # of a trigger time and its start

Minute = tuple[int | None, int]  # flow, and the minute of a trigger time since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An id, and what it was given for."""

    instance: InstanceId
    flow_id: int | None
    times: tuple[EpochMs, ...]  # the trigger time as it was sent; if not known, what it may be

    def is_cut(self, zone: tzinfo) -> bool:
        """Whether the id is made of no more than the hour, or the day, of the trigger time.

        A full hour says nothing of its minute, nor midnight of its hour.
        """
        shown = self._shown(zone)
        lacks_minute = not self._holds("%Y%m%d%H%M", zone) and all(one.minute for one in shown)
        lacks_hour = not self._holds("%Y%m%d%H", zone) and all(one.hour for one in shown)
        return self._holds("%Y%m%d", zone) and (lacks_minute or lacks_hour)

    def shows_making(self, zone: tzinfo) -> bool:
        """Whether one could see it in the id if the id were made of the hour or the day only."""
        full_hour = any(one.minute == 0 for one in self._shown(zone))
        return not full_hour or not self._holds("%Y%m%d", zone)

    def is_flowless(self, zone: tzinfo) -> bool:
        """Whether the id is made of the trigger time, and not of the flow."""
        names_flow = re.search(rf"(?<!\d){self.flow_id}(?!\d)", self.instance)
        return self._holds("%Y%m%d", zone) and not names_flow

    def _holds(self, form: str, zone: tzinfo) -> bool:
        """Whether the id holds that much of the trigger time, in the zone or UTC."""
        return any(one.strftime(form) in self.instance for one in self._shown(zone))

    def _shown(self, zone: tzinfo) -> list[datetime]:
        return [in_zone(time, clock) for time in self.times for clock in (zone, UTC)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What ids show of how the service makes them."""

    cut: bool = False  # of the hour or the day
    flowless: bool = False
    is_known: bool = False  # some id would have shown it
    of_each: bool = False  # each start has its own: two starts of one flow and time have two

    def having_seen(self, sightings: Iterable[Sighting], zone: tzinfo) -> "Making":
        """The same, with what these ids show besides."""
        seen = list(sightings)
        return Making(
            cut=self.cut or any(one.is_cut(zone) for one in seen),
            flowless=self.flowless or any(one.is_flowless(zone) for one in seen),
            is_known=self.is_known or any(one.shows_making(zone) for one in seen),
            of_each=self.of_each,
        )


ANYHOW = Making(cut=True, flowless=True)  # what must be expected where nothing shows it


def minute_of(flow_id: int | None, time: EpochMs) -> Minute:
    """What two runs must share for the service to be able to give them one instance id."""
    return flow_id, time // MINUTE_MS


def _hours_and_days(time: EpochMs, zone: tzinfo) -> list[tuple[EpochMs, EpochMs]]:
    """The hour and the day around a time, from inclusive, to exclusive, in the zone and UTC."""
    offset = in_zone(time, zone).utcoffset() or timedelta()
    shifts = {0, int(offset.total_seconds() * 1000)}
    firsts = {((time + by) // unit * unit - by, unit) for by in shifts for unit in _UNITS}
    return [(EpochMs(first), EpochMs(first + unit)) for first, unit in firsts]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A start that is known (`start`), or one of which nobody knows whether it was made."""

    record: Record
    start: Start | None

    @property
    def time(self) -> EpochMs:
        return self.record.trigger_time

    @property
    def flow_id(self) -> int | None:
        return self.record.flow_id


class Known:
    """What the ledgers say of all instances and claims, sorted by what a search needs."""

    def __init__(self, ledgers: Iterable[Ledger]) -> None:
        self._owners: dict[InstanceId, list[tuple[Record, Start]]] = defaultdict(list)
        # By flow and minute: the exact time that was sent, and the start.
        self._minutes: dict[Minute, list[tuple[EpochMs, Start]]] = defaultdict(list)
        self._everything: list[_Sent] = []  # in the order of trigger times once it was asked for
        self._making: Making | None = None  # what the recorded ids show; see `making`
        self._flows: dict[int | None, list[tuple[EpochMs, Start]]] | None = None
        self._open: dict[Minute, list[Record]] = defaultdict(list)
        self._claims: dict[int, list[tuple[events.Claim, RunId, int | None]]] = defaultdict(list)
        self.claims: dict[ClaimId, events.Claim] = {}
        for ledger in ledgers:
            self.claims |= ledger.claims
            for record in ledger.records.values():
                minute = minute_of(record.flow_id, record.trigger_time)
                if record.phase in UNSETTLED:
                    self._open[minute].append(record)
                    self._everything.append(_Sent(record=record, start=None))
                for start in record.starts:
                    self._owners[start.instance].append((record, start))
                    self._minutes[minute].append((record.trigger_time, start))
                    self._everything.append(_Sent(record=record, start=start))
            for claim in ledger.claims.values():
                for run, claimed in claim.runs.items():
                    near = claim, run, claimed.flow_id
                    self._claims[claimed.trigger_time // MINUTE_MS].append(near)

    def owners(self, instance: InstanceId) -> Sequence[tuple[Record, Start]]:
        """The starts that are recorded with this instance id."""
        return self._owners.get(instance, ())

    def claimed_at(self, claim: ClaimId | None) -> EpochMs | None:
        """When the claim was made; None where the ledgers do not have it."""
        known = self.claims.get(claim) if claim is not None else None
        return parse_instant(known.at) if known is not None else None

    def starts_in(self, flow_id: int | None, time: EpochMs) -> Sequence[Start]:
        """The starts of the flow that are recorded for that minute."""
        return [start for _, start in self._minutes.get(minute_of(flow_id, time), ())]

    def in_doubt_in(self, flow_id: int | None, time: EpochMs | None) -> Sequence[Record]:
        """The runs of the flow of which nobody knows yet whether they were started.

        Those in the minute of that time, or in any.
        """
        if time is not None:
            return self._open.get(minute_of(flow_id, time), ())
        return [one for (flow, _), open_ in self._open.items() if flow == flow_id for one in open_]

    def are_all_among(self, runs: Collection[RunId]) -> bool:
        """Whether those are all the runs of which nobody knows yet whether they were started."""
        return all(one.run in runs for open_ in self._open.values() for one in open_)

    def tells_apart(self, instance: InstanceId, owner: Record, time: EpochMs) -> bool:
        """Whether a run of that time is known to get another id than the owner's instance has.

        Two ids in one minute do not show that yet, for a service may round times to make its ids.
        They do where a run of the owner's time, of that time or between them has another id.
        """
        first, last = sorted((owner.trigger_time, time))
        minutes = {minute_of(owner.flow_id, one) for one in (first, last)}
        return any(
            start.instance != instance and first <= its_time <= last
            for minute in minutes
            for its_time, start in self._minutes.get(minute, ())
        )

    def has_other_ids_near(self, instance: InstanceId, flow_id: int | None, time: EpochMs) -> bool:
        """Whether a start of the flow in the same quarter of an hour has another id.

        Then ids are not given by the hour or the day, whatever the zone.
        """
        first = time // _QUARTER_MS * _QUARTER_MS
        minutes = range(first, first + _QUARTER_MS, MINUTE_MS)
        starts = (one for minute in minutes for one in self.starts_in(flow_id, EpochMs(minute)))
        return any(start.instance != instance for start in starts)

    def spans_of_id(
        self, instance: InstanceId, flow_id: int | None, time: EpochMs, zone: tzinfo
    ) -> list[tuple[EpochMs, EpochMs]]:
        """The hour and the day around a time, from inclusive, to exclusive, in the zone and UTC.

        Only those in which no other id is known of the flow: else ids are not given by them.
        """
        spans = _hours_and_days(time, zone)
        return [span for span in spans if not self._has_other_ids(instance, flow_id, *span)]

    def making(self, zone: tzinfo) -> Making:
        """What the recorded ids show of how the service makes them."""
        if self._making is None:
            self._everything.sort(key=lambda one: one.time)
            recorded = (
                Sighting(instance=one.start.instance, flow_id=one.flow_id, times=(one.time,))
                for one in self._everything
                if one.start is not None
            )
            self._making = Making(of_each=self._gives_each_its_own()).having_seen(recorded, zone)
        return self._making

    def _gives_each_its_own(self) -> bool:
        """Whether two starts of one flow and time are recorded with two ids.

        Times of one minute would not do: a service may round them to make its ids. Nor would what
        a person recorded, or a search inferred.
        """
        first: dict[tuple[int | None, EpochMs], InstanceId] = {}
        return any(
            first.setdefault((one.flow_id, one.time), one.start.instance) != one.start.instance
            for one in self._everything
            if one.start is not None and one.start.claim is not None and not one.start.inferred
        )

    def may_be_hidden(self, flow_id: int | None, time: EpochMs, zone: tzinfo) -> bool:
        """Whether anybody's newer start may have the id of a start of that time: see `may_hide`."""
        making = self.making(zone)
        return not making.of_each and any(
            True for _ in self._spans_of_one_id(flow_id, time, zone, making)
        )

    def may_hide(
        self, flow_id: int, time: EpochMs, since: EpochMs, zone: tzinfo, making: Making
    ) -> RunId | None:
        """A run whose start, after `since`, may have been given the id of a start of that time.

        A service that makes ids of the hour, of the day or without the flow may list only the
        newest of an id, and so not the one that is looked for. `making` says whether it makes such
        ids. A run of which nobody knows whether it was started counts as one that was. Two ids
        within a span show that it is not one id's.
        """
        for its in self._spans_of_one_id(flow_id, time, zone, making):
            for one in its:
                elsewhere = minute_of(one.flow_id, one.time) != minute_of(flow_id, time)
                if elsewhere and (one.start is None or one.start.instant >= since):
                    return one.record.run
        return None

    def _spans_of_one_id(
        self, flow_id: int | None, time: EpochMs, zone: tzinfo, making: Making
    ) -> Iterator[list[_Sent]]:
        """What was sent, or may have been, in each span around the time that may have one id."""
        self.making(zone)  # puts everything in its order
        spans = _hours_and_days(time, zone) if making.cut else []
        if making.flowless:
            minute = EpochMs(time // MINUTE_MS * MINUTE_MS)
            spans.append((minute, EpochMs(minute + MINUTE_MS)))
        for first, end in spans:
            begin, beyond = (
                bisect_left(self._everything, at, key=lambda one: one.time) for at in (first, end)
            )
            its = [
                one
                for one in self._everything[begin:beyond]
                if making.flowless or one.flow_id == flow_id
            ]
            if len({one.start.instance for one in its if one.start is not None}) <= 1:
                yield its

    def _has_other_ids(
        self, instance: InstanceId, flow_id: int | None, first: EpochMs, end: EpochMs
    ) -> bool:
        its = self._between(flow_id, first, end)
        return any(start.instance != instance for _, start in its)

    def _between(
        self, flow_id: int | None, first: EpochMs, end: EpochMs
    ) -> Iterator[tuple[EpochMs, Start]]:
        """The starts of the flow from one trigger time, inclusive, to another, exclusive."""
        starts = self._of_flow(flow_id)
        begin = bisect_left(starts, first, key=_TIME)
        return takewhile(lambda one: one[0] < end, islice(starts, begin, None))

    def _of_flow(self, flow_id: int | None) -> list[tuple[EpochMs, Start]]:
        """The starts of the flow in the order of their trigger times; sorted when first wanted."""
        if self._flows is None:
            self._flows = defaultdict(list)
            for (flow, _), starts in self._minutes.items():
                self._flows[flow] += starts
            for of_flow in self._flows.values():
                of_flow.sort(key=_TIME)
        return self._flows.get(flow_id, [])

    def claims_near(self, flow_id: int, time: EpochMs) -> list[tuple[events.Claim, RunId]]:
        """The claims that hold a run of the flow in that minute or one beside it, with the run."""
        minute = time // MINUTE_MS
        return [
            (claim, run)
            for near in (minute - 1, minute, minute + 1)
            for claim, run, flow in self._claims.get(near, ())
            if flow in {None, flow_id}
        ]
