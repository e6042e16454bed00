"""Flow instances and their states, which are computed from the time whenever somebody asks.

A flow runs its instances in order, one at a time.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model import EpochMs, InstanceId, Parameters
from reconciler.sandbox.behaviour import (
    FlowOptions,
    Ids,
    SandboxOptions,
    SettableClock,
    Status,
)
from reconciler.times import zoned_time

_TO_MINUTE = "%Y%m%d%H%M00"
_ID_TIMES: dict[Ids, str] = {
    "unique": _TO_MINUTE,
    "minute": _TO_MINUTE,
    "hour": "%Y%m%d%H0000",
    "day": "%Y%m%d000000",
}


class StartRequest(Struct, frozen=True, kw_only=True):
    """A request to start an instance."""

    flow_id: int
    trigger_time: EpochMs | None  # None: the time of its creation
    parameters: Parameters
    owner: str
    user: str  # who starts it; several are separated by `;`
    list_after: float = 0.0  # seconds until searches show it; the options may make it later
    type: int | None = None  # None: the options'
    run_seconds: float | None = None  # None: the flow's
    ends: Status | None = None  # None: the flow's next ending; a stranger has its own


class FlowInstance(Struct, frozen=True, kw_only=True):
    """One started instance, as it was created."""

    id: InstanceId  # may be shared
    number: int  # in the order in which they were added, from 0
    flow_number: int  # the same, among the instances that use up the flow's `ends`
    flow_id: int
    trigger_time: EpochMs
    parameters: Parameters
    owner: str
    user: str  # who started it
    type: int
    created: EpochMs
    ready: EpochMs  # when it may start: a trigger time that has passed means at once
    listed_from: float  # EpochMs, or infinite: when searches begin to show it
    run_ms: int | None = None  # None: the flow's
    ends: Status | None = None  # None: the flow's
    cancelled: EpochMs | None = None


class RunningSpan(Struct, frozen=True, kw_only=True):
    """When an instance runs, if nothing changes from now on."""

    start: EpochMs | None  # None: cancelled before it could start
    end: EpochMs
    status: Status  # at the end
    free: EpochMs  # when the flow's next instance may start


class Lane:
    """One flow's instances, in the order in which they became ready.

    Spans are computed when somebody asks, and only from the first instance that a change can have
    moved. Asking after every start costs no more for a flow with ten thousand instances.
    """

    def __init__(self, flow: FlowOptions, run_seconds: float) -> None:
        """`run_seconds`: how long an instance runs where the flow does not say."""
        self._flow = flow
        self._run_ms = round(1000 * (run_seconds if flow.run_seconds is None else flow.run_seconds))
        self._queue: list[FlowInstance] = []
        self._spans: list[RunningSpan] = []  # of the first instances in the queue

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, instance: FlowInstance) -> None:
        """Put a new instance in its place."""
        place = self._place(instance)
        self._queue.insert(place, instance)
        del self._spans[place:]

    def replace(self, instance: FlowInstance) -> None:
        """Put the changed instance in the place of the old one."""
        place = self._place(instance)
        self._queue[place] = instance
        del self._spans[place:]

    def span(self, instance: FlowInstance) -> RunningSpan:
        """When the instance runs."""
        for one in self._queue[len(self._spans) :]:
            free = self._spans[-1].free if self._spans else one.ready
            self._spans.append(self._lay_out(one, free))
        return self._spans[self._place(instance)]

    def _place(self, instance: FlowInstance) -> int:
        return bisect_left(self._queue, _order(instance), key=_order)

    def _lay_out(self, one: FlowInstance, free: EpochMs) -> RunningSpan:
        start = max(one.ready, free)
        end = EpochMs(start + (self._run_ms if one.run_ms is None else one.run_ms))
        status = self._flow.ending(one.flow_number) if one.ends is None else one.ends
        if one.cancelled is not None and one.cancelled < start:
            return RunningSpan(start=None, end=one.cancelled, status=Status.CANCEL, free=free)
        if one.cancelled is not None:
            end, status = one.cancelled, Status.CANCEL
        return RunningSpan(start=start, end=end, status=status, free=end)


def _order(instance: FlowInstance) -> tuple[EpochMs, int]:
    return instance.ready, instance.number


class InstancePhase(Struct, frozen=True, kw_only=True):
    """How an instance fares at some moment."""

    status: Status
    started: EpochMs | None = None
    ended: EpochMs | None = None


class Instances:
    """Every instance ever created. A flow runs one at a time.

    Moments are given in the time that passes; the service's own clock may show another.
    """

    def __init__(self, options: SandboxOptions, zone: tzinfo, clock: SettableClock) -> None:
        self._options = options
        self._zone = zone
        self._clock = clock
        self._all: list[FlowInstance] = []  # by number, because ids may be shared
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

    def find_instances(self, instance: str, user: str, now: EpochMs) -> list[FlowInstance]:
        """The instances of that id that the user is shown at that moment, the newest first."""
        named = (self._all[number] for number in reversed(self._numbers.get(instance, ())))
        return [one for one in named if self.sees(user, one) and not self.forgotten(one, now)]

    def sees(self, user: str, instance: FlowInstance) -> bool:
        """Whether the service shows the user the instance."""
        return self._options.sees == "all" or user in instance.user.split(";")

    def forgotten(self, instance: FlowInstance, now: EpochMs) -> bool:
        """Whether the service no longer knows the instance at that moment."""
        kept = self._options.flow(instance.flow_id).forgets_after
        return kept is not None and now >= self._lane(instance).span(instance).end + kept * 1000

    def list_instances(self, now: EpochMs) -> list[FlowInstance]:
        """The instances that a search may show at that moment, in the order of creation."""
        shown = [one for one in self._all if one.listed_from <= now]
        if self._options.lists == "all":
            return shown
        newest: dict[str, FlowInstance] = {}
        for one in shown:
            if one.id not in newest or _age(newest[one.id]) < _age(one):
                newest[one.id] = one
        return sorted(newest.values(), key=lambda one: one.number)

    def add(self, start: StartRequest, created: EpochMs) -> FlowInstance:
        """Add a new instance on every call. Raises OverflowError for an impossible trigger time."""
        said = self._clock.shown_time(created)
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
        """Cancel the instance. False if it has ended already."""
        if self.phase(instance, now).ended is not None:
            return False
        cancelled = replace(instance, cancelled=now)
        self._all[instance.number] = cancelled
        self._lane(instance).replace(cancelled)
        return True

    def phase(self, instance: FlowInstance, now: EpochMs) -> InstancePhase:
        """How the instance fares at that moment."""
        span = self._lane(instance).span(instance)
        if now >= span.end:
            return InstancePhase(status=span.status, started=span.start, ended=span.end)
        if now < instance.ready:
            return InstancePhase(status=Status.WAIT)
        if span.start is None or now < span.start:
            return InstancePhase(status=Status.READY)
        return InstancePhase(status=Status.RUNNING, started=span.start)

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
        """The flow and the trigger time's minute, as in all samples of the reference.

        The reference does not say what happens when that id is taken: the sandbox adds a suffix or
        lets instances share the id. Options also cut the time further and leave the flow out.
        """
        ids = self._options.ids
        stamp = zoned_time(trigger_time, self._zone)
        base = f"{stamp:{_ID_TIMES[ids]}}"
        if self._options.id_names_flow:
            base = f"{flow_id}-{base}"
        self._taken[base] += 1
        taken = self._taken[base] if ids == "unique" else 1
        return InstanceId(base if taken == 1 else f"{base}-{taken}")


def _age(instance: FlowInstance) -> tuple[EpochMs, int]:
    """The sort key, oldest first: a stranger may be older than instances added before it."""
    return instance.created, instance.number
