"""Flow instances and what becomes of them: computed from the time whenever somebody asks."""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo

from reconciler.model import EpochMs, InstanceId
from reconciler.sandbox.clock import ServiceClock
from reconciler.sandbox.lanes import FlowInstance, Lane, Start
from reconciler.sandbox.options import Ids, SandboxOptions, Status
from reconciler.times import in_zone

_TO_MINUTE = "%Y%m%d%H%M00"
_ID_TIMES: dict[Ids, str] = {
    "unique": _TO_MINUTE,
    "minute": _TO_MINUTE,
    "hour": "%Y%m%d%H0000",
    "day": "%Y%m%d000000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """How an instance fares at some moment."""

    status: Status
    started: EpochMs | None = None
    ended: EpochMs | None = None


class Instances:
    """All instances that ever were. A flow runs one at a time.

    Moments are of the time that passes, which the service's own clock may not show.
    """

    def __init__(self, options: SandboxOptions, zone: tzinfo, clock: ServiceClock) -> None:
        self._options = options
        self._zone = zone
        self._clock = clock
        self._all: list[FlowInstance] = []  # by number, for ids may be shared
        self._numbers: dict[str, list[int]] = {}  # by id, from the oldest to the newest
        self._lanes: dict[int, Lane] = {}  # by flow
        self._taken: Counter[str] = Counter()
        self._triggered: Counter[int] = Counter()  # by flow, without strangers

    def __iter__(self) -> Iterator[FlowInstance]:
        return iter(list(self._all))

    def get(self, instance: str) -> FlowInstance | None:
        """The newest instance of that id, if there ever was one."""
        numbers = self._numbers.get(instance)
        return self._all[numbers[-1]] if numbers else None

    def known(self, instance: str, user: str, now: EpochMs) -> list[FlowInstance]:
        """Those of that id that the service tells the user of at that moment, the newest first."""
        named = (self._all[number] for number in reversed(self._numbers.get(instance, ())))
        return [one for one in named if self.sees(user, one) and not self.forgotten(one, now)]

    def sees(self, user: str, instance: FlowInstance) -> bool:
        """Whether the service tells the user of the instance."""
        return self._options.sees == "all" or user in instance.user.split(";")

    def forgotten(self, instance: FlowInstance, now: EpochMs) -> bool:
        """Whether the service no longer knows the instance at that moment."""
        kept = self._options.flow(instance.flow_id).forgets_after
        return kept is not None and now >= self._lane(instance).span(instance).end + kept * 1000

    def listed(self, now: EpochMs) -> list[FlowInstance]:
        """Those that a search may show at that moment, in the order of creation."""
        shown = [one for one in self._all if one.listed_from <= now]
        if self._options.lists == "all":
            return shown
        newest: dict[str, FlowInstance] = {}
        for one in shown:
            if one.id not in newest or _age(newest[one.id]) < _age(one):
                newest[one.id] = one
        return sorted(newest.values(), key=lambda one: one.number)

    def add(self, start: Start, created: EpochMs) -> FlowInstance:
        """A new instance, always. Raises OverflowError for a trigger time that no calendar has."""
        said = self._clock.said(created)
        trigger_time = said if start.trigger_time is None else start.trigger_time
        late = max(start.list_after, self._options.list_after_seconds)
        run = start.run_seconds
        instance = FlowInstance(
            id=self._id(start.flow_id, trigger_time),
            number=len(self._all),
            flow_number=self._triggered[start.flow_id],
            flow_id=start.flow_id,
            trigger_time=trigger_time,
            parameters=start.parameters,
            owner=start.owner,
            user=start.user,
            type=self._options.instance_type if start.type is None else start.type,
            created=created,
            ready=EpochMs(created + max(trigger_time - said, 0)),
            listed_from=created + late * 1000,
            run_ms=None if run is None else round(run * 1000),
            ends=start.ends,
        )
        self._put(instance)
        if start.ends is None:
            self._triggered[start.flow_id] += 1
        return instance

    def cancel(self, instance: FlowInstance, now: EpochMs) -> bool:
        """Whether it could be cancelled: it has not ended yet."""
        if self.phase(instance, now).ended is not None:
            return False
        cancelled = replace(instance, cancelled=now)
        self._all[instance.number] = cancelled
        self._lane(instance).replace(cancelled)
        return True

    def phase(self, instance: FlowInstance, now: EpochMs) -> Phase:
        """How the instance fares at that moment."""
        span = self._lane(instance).span(instance)
        if now >= span.end:
            return Phase(status=span.status, started=span.start, ended=span.end)
        if now < instance.ready:
            return Phase(status=Status.WAIT)
        if span.start is None or now < span.start:
            return Phase(status=Status.READY)
        return Phase(status=Status.RUNNING, started=span.start)

    def _put(self, instance: FlowInstance) -> None:
        self._all.append(instance)
        numbers = self._numbers.setdefault(instance.id, [])
        insort(numbers, instance.number, key=lambda number: _age(self._all[number]))
        lane = self._lanes.get(instance.flow_id)
        if lane is None:
            lane = Lane(self._options.flow(instance.flow_id), self._options.run_seconds)
            self._lanes[instance.flow_id] = lane
        lane.add(instance)

    def _lane(self, instance: FlowInstance) -> Lane:
        return self._lanes[instance.flow_id]

    def _id(self, flow_id: int, trigger_time: EpochMs) -> InstanceId:
        """The flow and the trigger time's minute, as in all the reference's samples.

        What the service does when that is taken is not documented: here it gets a suffix, or is
        shared. A service may also cut the time further, and leave the flow out.
        """
        ids = self._options.ids
        stamp = in_zone(trigger_time, self._zone)
        base = f"{stamp:{_ID_TIMES[ids]}}"
        if self._options.id_names_flow:
            base = f"{flow_id}-{base}"
        self._taken[base] += 1
        taken = self._taken[base] if ids == "unique" else 1
        return InstanceId(base if taken == 1 else f"{base}-{taken}")


def _age(instance: FlowInstance) -> tuple[EpochMs, int]:
    """Sorts the oldest first: a stranger may be older than what was added before it."""
    return instance.created, instance.number
