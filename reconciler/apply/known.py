"""What ledgers say of everybody's claims and instances, by what a look at the service needs."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, timedelta, tzinfo
from itertools import islice, takewhile
from operator import itemgetter

from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.records import UNSETTLED, Start
from reconciler.model import ClaimId, EpochMs, InstanceId, RunId
from reconciler.times import in_zone, parse_instant

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
_UNITS = (60 * MINUTE_MS, DAY_MS)
_QUARTER_MS = 15 * MINUTE_MS  # no zone is off by less
_TIME = itemgetter(0)  # of a trigger time and its start

Minute = tuple[int | None, int]  # flow, and the minute of a trigger time since the epoch


def minute_of(flow_id: int | None, time: EpochMs) -> Minute:
    """What two runs must share for the service to be able to give them one instance id."""
    return flow_id, time // MINUTE_MS


def _holds_date(instance: InstanceId, time: EpochMs, zone: tzinfo) -> bool:
    """Whether the id is made of the trigger time: one that is not is hardly given twice."""
    return any(f"{in_zone(time, clock):%Y%m%d}" in instance for clock in (zone, UTC))


def _is_cut(instance: InstanceId, time: EpochMs, zone: tzinfo) -> bool:
    """Whether the id is made of no more than the hour, or the day, of its trigger time.

    A full hour says nothing of its minute, nor midnight of its hour.
    """
    clocks = [in_zone(time, clock) for clock in (zone, UTC)]
    spelled = any(f"{shown:%Y%m%d%H%M}" in instance for shown in clocks)
    hour_spelled = any(f"{shown:%Y%m%d%H}" in instance for shown in clocks)
    lacks_minute = not spelled and all(shown.minute for shown in clocks)
    lacks_hour = not hour_spelled and all(shown.hour for shown in clocks)
    return _holds_date(instance, time, zone) and (lacks_minute or lacks_hour)


class Known:
    """What ledgers say of everybody's instances and claims, by what a search needs of it."""

    def __init__(self, ledgers: Iterable[Ledger]) -> None:
        self._owners: dict[InstanceId, list[tuple[Record, Start]]] = defaultdict(list)
        # By flow and minute: the exact time that was sent, and the start.
        self._minutes: dict[Minute, list[tuple[EpochMs, Start]]] = defaultdict(list)
        self._starts: dict[int, list[tuple[int | None, Start]]] = defaultdict(list)  # by the minute
        self._cut: bool | None = None  # see `_cuts_ids`
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
                for start in record.starts:
                    self._owners[start.instance].append((record, start))
                    self._minutes[minute].append((record.trigger_time, start))
                    self._starts[minute[1]].append((record.flow_id, start))
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
        offset = in_zone(time, zone).utcoffset() or timedelta()
        shifts = {0, int(offset.total_seconds() * 1000)}
        firsts = {((time + by) // unit * unit - by, unit) for by in shifts for unit in _UNITS}
        spans = [(EpochMs(first), EpochMs(first + unit)) for first, unit in firsts]
        return [span for span in spans if not self._has_other_ids(instance, flow_id, *span)]

    def may_be_hidden(
        self, instance: InstanceId, flow_id: int | None, time: EpochMs, zone: tzinfo
    ) -> bool:
        """Whether anybody's newer start may have the id of a start of that time: see `may_hide`."""
        return self._cuts_ids(zone) and bool(self.spans_of_id(instance, flow_id, time, zone))

    def _cuts_ids(self, zone: tzinfo) -> bool:
        """Whether some recorded id shows that ids are made of the hour or the day only."""
        if self._cut is None:
            self._cut = any(
                _is_cut(start.instance, time, zone)
                for starts in self._minutes.values()
                for time, start in starts
            )
        return self._cut

    def may_hide(
        self, flow_id: int, time: EpochMs, since: EpochMs, zone: tzinfo
    ) -> InstanceId | None:
        """The id of a start after `since` that a start of that time may have been given as well.

        A service that makes ids of the hour, of the day or without the flow may list only the
        newest of an id, and so not the one that is looked for. Such a service is known by an id
        that holds the date of its trigger time, and not its minute; two ids in a span show that
        they are not given by it.
        """
        around = (EpochMs(time - DAY_MS), EpochMs(time + DAY_MS))
        for its_time, start in self._between(flow_id, *around) if self._cuts_ids(zone) else ():
            if start.instant >= since and minute_of(0, its_time) != minute_of(0, time):
                spans = self.spans_of_id(start.instance, flow_id, time, zone)
                if any(first <= its_time < end for first, end in spans):
                    return start.instance
        return self._of_another_flow(flow_id, time, since, zone)

    def _of_another_flow(
        self, flow_id: int, time: EpochMs, since: EpochMs, zone: tzinfo
    ) -> InstanceId | None:
        """The same of a start of another flow in the very minute."""
        its = self._starts.get(minute_of(0, time)[1], ())
        if len({start.instance for _, start in its}) != 1:
            return None
        for flow, start in its:
            names_flow = start.instance.startswith(f"{flow}-")
            is_of_time = _holds_date(start.instance, time, zone) and not names_flow
            if flow != flow_id and start.instant >= since and is_of_time:
                return start.instance
        return None

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
