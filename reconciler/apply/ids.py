"""How a service makes its instance ids, as far as the ids show it.

In the documented samples an id holds the flow and the trigger time, cut to the minute. A service
may cut the time to more than that, leave the flow out, or write either in a way that nobody
recognises. Then runs of several minutes or flows may share an id, and the service may list only the
newest of them. So an id is taken to stand for a long span and for no flow, unless ids show
otherwise by what they spell out.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, timedelta, tzinfo

from msgspec import Struct

from reconciler.model import EpochMs, InstanceId
from reconciler.times import DAY_MINUTES, HOUR_MINUTES, MINUTE_MS, zoned_time

# A service makes an id of the trigger time, cut to the minute or to one of these spans.
UNITS_MS = tuple(
    count * MINUTE_MS for count in (5, 10, 15, 30, HOUR_MINUTES, DAY_MINUTES // 2, DAY_MINUTES)
)
OWN_PART = 8  # characters that only one id has: fewer may be just the number of a machine
FEWEST_OWN = 4  # ids with such a part: fewer may come from as many machines with long names

Span = tuple[EpochMs, EpochMs]  # from inclusive, to exclusive


def names_flow(id_: InstanceId, flow_id: int | None) -> bool:
    """Whether the id begins with the flow, as in the documented samples."""
    return re.match(rf"{flow_id}(?!\d)", id_) is not None


class Sighting(Struct, frozen=True, kw_only=True):
    """An id, and what it was given for."""

    instance: InstanceId
    flow_id: int | None
    times: tuple[EpochMs, ...]  # the trigger time as it was sent; if not known, what it may be

    def spelled_minutes(self, zone: tzinfo) -> list[int]:
        """The minutes that the id spells out, in the zone or UTC, in milliseconds of the day."""
        shown = [zoned_time(time, clock) for time in self.times for clock in (zone, UTC)]
        return [
            (one.hour * HOUR_MINUTES + one.minute) * MINUTE_MS
            for one in shown
            if f"{one:%Y%m%d%H%M}" in self.instance
        ]


class IdScheme(Struct, frozen=True, kw_only=True):
    """What ids show of how the service makes them."""

    seen: bool = False  # any id at all
    cut: bool = False  # some id does not spell out its minute
    excluded: frozenset[int] = frozenset()  # units to which some spelled minute was not cut
    flowless: bool = False  # some id does not begin with its flow
    of_each: bool = False  # each start has an id of its own
    of_flows: bool = False  # two flows have two ids, though they do not begin with the flow

    def with_sightings(self, sightings: Iterable[Sighting], zone: tzinfo) -> "IdScheme":
        """The same, with what these ids show in addition."""
        seen = [(one, one.spelled_minutes(zone)) for one in sightings]
        excluded = {
            unit
            for unit in UNITS_MS
            for _, spelled in seen
            if spelled and all(minute % unit for minute in spelled)
        }
        return IdScheme(
            seen=self.seen or bool(seen),
            cut=self.cut or not all(spelled for _, spelled in seen),
            excluded=self.excluded | excluded,
            flowless=self.flowless
            or not all(names_flow(one.instance, one.flow_id) for one, _ in seen),
            of_each=self.of_each,
            of_flows=self.of_flows,
        )

    @property
    def units(self) -> tuple[int, ...]:
        """The spans, besides the minute, that one id may stand for, as far as anybody can tell.

        If all ids spell out their minutes, spans of less than an hour are left out. They would mean
        that every start so far was at a full five minutes: too rare to leave runs in doubt for it.
        """
        units = UNITS_MS if self.cut or not self.seen else UNITS_MS[-3:]
        return tuple(unit for unit in units if self.cut or unit not in self.excluded)

    @property
    def may_lack_flow(self) -> bool:
        """Whether runs of several flows may share an id, as far as anybody can tell."""
        return (self.flowless and not self.of_flows) or not self.seen


def spans_around(time: EpochMs, zone: tzinfo, units: Iterable[int]) -> list[Span]:
    """The spans of each unit (milliseconds) that hold the time, by clocks in the zone and UTC."""
    offset = zoned_time(time, zone).utcoffset() or timedelta()
    shifts = {0, int(offset.total_seconds() * 1000)}
    firsts = {((time + by) // unit * unit - by, unit) for by in shifts for unit in units}
    return [(EpochMs(first), EpochMs(first + unit)) for first, unit in sorted(firsts)]


Answered = Mapping[tuple[int | None, EpochMs], list[InstanceId]]  # by flow and trigger time


def gives_each_its_own(ids: Answered) -> bool:
    """Whether each start has an id of its own.

    Two ids for two starts of one flow and time are not enough: a service may add the name of the
    machine that took the request. Each of these ids must also have a long part that no other id
    has.
    """
    everything = [one for of_time in ids.values() for one in of_time]
    if len(set(everything)) < len(everything):
        return False
    own = _ids_with_own_part(everything)
    return any(len(of_time) > 1 and own.issuperset(of_time) for of_time in ids.values())


def gives_flows_their_own(ids: Answered) -> bool:
    """Whether runs of two flows never share an id, although ids do not begin with the flow.

    That two flows have two ids at one time does not show it yet: see `gives_each_its_own`. Each id
    that is known, at that time and any other, must have a long part that begins as nothing in
    another id does. A service that makes ids of the time alone gives both flows the same, but for a
    machine; and the more ids there are, the likelier some machine has made two of them.
    """
    flows: dict[EpochMs, set[int]] = defaultdict(set)
    for flow_id, time in ids:
        if flow_id is not None:
            flows[time].add(flow_id)
    everything = [one for of_time in ids.values() for one in of_time]
    shared = any(len(its) > 1 for its in flows.values())
    if not shared or len(everything) < FEWEST_OWN or len(set(everything)) < len(everything):
        return False
    return len(_ids_with_own_part(everything, OWN_PART)) == len(everything)


def _ids_with_own_part(ids: Collection[InstanceId], most: int | None = None) -> set[InstanceId]:
    """Those of the ids with a long part of which no other has the first `most` characters."""
    parts = {
        one: {part[:most] for part in re.findall(rf"[0-9a-z]{{{OWN_PART},}}", one.casefold())}
        for one in ids
    }
    number = Counter(part for its in parts.values() for part in its)
    return {one for one, its in parts.items() if any(number[part] == 1 for part in its)}
