"""Flow instances and what becomes of them: computed from the time whenever somebody asks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo

from reconciler.model import EpochMs, InstanceId, Parameters
from reconciler.sandbox.lanes import FlowInstance, Lane
from reconciler.sandbox.options import SandboxOptions, Status
from reconciler.times import in_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """How an instance fares at some moment."""

    status: Status
    started: EpochMs | None = None
    ended: EpochMs | None = None


class Instances:
    """All instances that ever were. A flow runs one at a time."""

    def __init__(self, options: SandboxOptions, zone: tzinfo) -> None:
        self._options = options
        self._zone = zone
        self._all: dict[InstanceId, FlowInstance] = {}
        self._lanes: dict[int, Lane] = {}  # by flow
        self._taken: Counter[str] = Counter()

    def __iter__(self) -> Iterator[FlowInstance]:
        return iter(list(self._all.values()))

    def get(self, instance: str) -> FlowInstance | None:
        """The instance of that id, if there ever was one."""
        return self._all.get(InstanceId(instance))

    def known(self, instance: str, now: EpochMs) -> FlowInstance | None:
        """The same, if the service has not forgotten it by that moment."""
        found = self.get(instance)
        return None if found is None or self.forgotten(found, now) else found

    def forgotten(self, instance: FlowInstance, now: EpochMs) -> bool:
        """Whether the service no longer knows the instance at that moment."""
        kept = self._options.flow(instance.flow_id).forgets_after
        return kept is not None and now >= self._lane(instance).span(instance).end + kept * 1000

    def add(
        self,
        *,
        flow_id: int,
        trigger_time: EpochMs,
        parameters: Parameters,
        owner: str,
        now: EpochMs,
        list_after: float,
    ) -> FlowInstance:
        """A new instance, always. `list_after`: seconds until searches show it.

        Raises OverflowError for a trigger time that no calendar has.
        """
        lane = self._lanes.get(flow_id)
        if lane is None:
            lane = Lane(self._options.flow(flow_id), self._options.run_seconds)
            self._lanes[flow_id] = lane
        instance = FlowInstance(
            id=self._free_id(flow_id, trigger_time),
            number=len(self._all),
            flow_number=len(lane),
            flow_id=flow_id,
            trigger_time=trigger_time,
            parameters=parameters,
            owner=owner,
            created=now,
            listed_from=now + list_after * 1000,
        )
        self._all[instance.id] = instance
        lane.add(instance)
        return instance

    def cancel(self, instance: FlowInstance, now: EpochMs) -> bool:
        """Whether it could be cancelled: it has not ended yet."""
        if self.phase(instance, now).ended is not None:
            return False
        cancelled = replace(instance, cancelled=now)
        self._all[instance.id] = cancelled
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

    def _lane(self, instance: FlowInstance) -> Lane:
        return self._lanes[instance.flow_id]

    def _free_id(self, flow_id: int, trigger_time: EpochMs) -> InstanceId:
        """The flow and the trigger time's minute, as in all the reference's samples.

        What the service does when that is taken is not documented: here it gets a suffix.
        """
        stamp = in_zone(trigger_time, self._zone)
        base = f"{flow_id}-{stamp:%Y%m%d%H%M}00"
        self._taken[base] += 1
        taken = self._taken[base]
        return InstanceId(base if taken == 1 else f"{base}-{taken}")
