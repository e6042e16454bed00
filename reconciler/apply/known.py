"""What the ledgers say of all claims and instances, sorted by what a look at the service needs.

How a service makes its instance ids, as far as ids show it.

In the documented samples an id holds the flow and the trigger time, cut to the minute. A service
may cut it to more, leave the flow out, or write either in a way that nobody recognises. Then runs
of several minutes or flows share an id, and of these it may list the newest only. So an id counts
as made of a long time and of no flow, unless ids show otherwise by what they spell out.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from itertools import islice, takewhile
from operator import itemgetter

from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.records import UNSETTLED, Start
from reconciler.model import ClaimId, EpochMs, InstanceId, RunId
from reconciler.times import MINUTE_MS, in_zone, parse_instant

# To what a service may cut the times that it makes ids of, besides the minute.
UNITS_MS = tuple(count * MINUTE_MS for count in (5, 10, 15, 30, 60, 12 * 60, 24 * 60))
OWN_PART = 8  # characters of an id that no other one has, to be more than the number of a machine

Span = tuple[EpochMs, EpochMs]  # from inclusive, to exclusive

_TIME = itemgetter(0)  # of a trigger time and its start

Minute = tuple[int | None, int]  # flow, and the minute of a trigger time since the epoch


def names_flow(id_: InstanceId, flow_id: int | None) -> bool:
    """Whether the id begins with the flow, as in the documented samples."""
    return re.match(rf"{flow_id}(?!\d)", id_) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An id, and what it was given for."""

    instance: InstanceId
    flow_id: int | None
    times: tuple[EpochMs, ...]  # the trigger time as it was sent; if not known, what it may be

    def spelled(self, zone: tzinfo) -> list[int]:
        """The milliseconds of the day of its minute, in the zone or UTC, where the id spells it."""
        shown = [in_zone(time, clock) for time in self.times for clock in (zone, UTC)]
        return [
            (one.hour * 60 + one.minute) * MINUTE_MS
            for one in shown
            if f"{one:%Y%m%d%H%M}" in self.instance
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What ids show of how the service makes them."""

    seen: bool = False  # any id at all
    cut: bool = False  # some id does not spell out its minute
    excluded: frozenset[int] = frozenset()  # units of which ids that spell their minute are not
    flowless: bool = False  # some id does not begin with its flow
    of_each: bool = False  # each start has its own

    def having_seen(self, sightings: Iterable[Sighting], zone: tzinfo) -> "Making":
        """The same, with what these ids show besides."""
        seen = [(one, one.spelled(zone)) for one in sightings]
        excluded = {
            unit
            for unit in UNITS_MS
            for _, spelled in seen
            if spelled and all(minute % unit for minute in spelled)
        }
        return Making(
            seen=self.seen or bool(seen),
            cut=self.cut or not all(spelled for _, spelled in seen),
            excluded=self.excluded | excluded,
            flowless=self.flowless
            or not all(names_flow(one.instance, one.flow_id) for one, _ in seen),
            of_each=self.of_each,
        )

    @property
    def units(self) -> tuple[int, ...]:
        """The times besides the minute that an id may be that of, as far as anybody can tell.

        Where all ids spell their minutes, those of less than an hour are left out: that every start
        so far was at a full five minutes, on such a service, is too rare to leave doubts for it.
        """
        units = UNITS_MS if self.cut or not self.seen else UNITS_MS[-3:]
        return tuple(unit for unit in units if self.cut or unit not in self.excluded)

    @property
    def may_lack_flow(self) -> bool:
        """Whether runs of several flows may share an id, as far as anybody can tell."""
        return self.flowless or not self.seen


def spans_around(time: EpochMs, zone: tzinfo, units: Iterable[int]) -> list[Span]:
    """The spans of so many milliseconds that the time lies in, by clocks in the zone and UTC."""
    offset = in_zone(time, zone).utcoffset() or timedelta()
    shifts = {0, int(offset.total_seconds() * 1000)}
    firsts = {((time + by) // unit * unit - by, unit) for by in shifts for unit in units}
    return [(EpochMs(first), EpochMs(first + unit)) for first, unit in sorted(firsts)]


def gives_each_its_own(ids: Mapping[tuple[int | None, EpochMs], list[InstanceId]]) -> bool:
    """Whether each start has an id of its own; `ids` are those of starts of one flow and time.

    Two ids there do not show it yet: a service may add which of its machines took the request. What
    only one of two such ids holds must be long, and stand in no other id.
    """
    everything = [one for of_time in ids.values() for one in of_time]
    if len(set(everything)) < len(everything):
        return False
    parts = {
        one: set(re.findall(rf"[0-9a-z]{{{OWN_PART},}}", one.casefold())) for one in everything
    }
    number = Counter(part for its in parts.values() for part in its)
    own = {one: {part for part in its if number[part] == 1} for one, its in parts.items()}
    return any(len(of_time) > 1 and all(map(own.get, of_time)) for of_time in ids.values())


def minute_of(flow_id: int | None, time: EpochMs) -> Minute:
    """What two runs must share for the service to be able to give them one instance id."""
    return flow_id, time // MINUTE_MS


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

    def spans_of_id(
        self, instance: InstanceId, flow_id: int | None, time: EpochMs, zone: tzinfo
    ) -> list[tuple[EpochMs, EpochMs]]:
        """The spans around a time that may have one id, from inclusive, to exclusive.

        Only those in which no other id is known of the flow: else ids are not given by them.
        """
        spans = spans_around(time, zone, UNITS_MS)
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
        """Whether the recorded ids show that; not those that a person or a search gave."""
        ids: dict[tuple[int | None, EpochMs], list[InstanceId]] = defaultdict(list)
        for one in self._everything:
            if one.start is not None and one.start.claim is not None and not one.start.inferred:
                ids[one.flow_id, one.time].append(one.start.instance)
        return gives_each_its_own(ids)

    def may_hide(
        self,
        flow_id: int,
        time: EpochMs,
        since: EpochMs,
        zone: tzinfo,
        making: Making,
        unlisted: Collection[RunId] = (),
    ) -> tuple[Record, Start | None] | None:
        """A run whose start, after `since`, may have been given the id of a start of that time.

        A service that makes ids of more than the minute, or without the flow, may list only the
        newest of an id, and so not the one that is looked for. `making` says what ids show of that.
        A run of which nobody knows whether it was started counts as one that was, but for those
        that are `unlisted`: what is not listed itself hides nothing. Two ids within a span show
        that it is not one id's.
        """
        for its in self._spans_of_one_id(flow_id, time, zone, making):
            for one in its:
                elsewhere = minute_of(one.flow_id, one.time) != minute_of(flow_id, time)
                recent = one.start.instant >= since if one.start else one.record.run not in unlisted
                if elsewhere and recent:
                    return one.record, one.start
        return None

    def _spans_of_one_id(
        self, flow_id: int, time: EpochMs, zone: tzinfo, making: Making
    ) -> Iterator[list[_Sent]]:
        """What was sent, or may have been, in each span around the time that may have one id.

        Of the flow, and of all where ids may be without it.
        """
        self.making(zone)  # puts everything in its order
        for first, end in spans_around(time, zone, (MINUTE_MS, *making.units)):
            begin, beyond = (
                bisect_left(self._everything, at, key=lambda one: one.time) for at in (first, end)
            )
            everybodys = self._everything[begin:beyond]
            of_flow = [one for one in everybodys if one.flow_id == flow_id]
            for its in (of_flow, everybodys) if making.may_lack_flow else (of_flow,):
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
