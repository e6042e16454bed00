"""Flow instances and what becomes of them: computed from the time whenever somebody asks."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo

from reconciler.model import EpochMs, InstanceId, Parameters
from reconciler.sandbox.options import SandboxOptions, Status
from reconciler.times import in_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowInstance:
    """One started instance, as it was created."""

    id: InstanceId
    number: int  # in the order of creation, from 0
    flow_id: int
    trigger_time: EpochMs
    parameters: Parameters
    owner: str
    created: EpochMs
    listed_from: float  # EpochMs, or infinite: when searches begin to show it
    cancelled: EpochMs | None = None

    @property
    def ready(self) -> EpochMs:
        """When it may start: a trigger time that has passed means at once."""
        return max(self.created, self.trigger_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """How an instance fares at some moment."""

    status: Status
    started: EpochMs | None = None
    ended: EpochMs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    start: EpochMs | None  # None: cancelled before it could start
    end: EpochMs
    status: Status  # at the end


class Instances:
    """All instances. A flow runs one at a time, in the order in which they became ready."""

    def __init__(self, options: SandboxOptions, zone: tzinfo) -> None:
        self._options = options
        self._zone = zone
        self._all: dict[InstanceId, FlowInstance] = {}
        self._of_flow: defaultdict[int, list[InstanceId]] = defaultdict(list)
        self._taken: Counter[str] = Counter()
        self._spans: dict[int, dict[InstanceId, _Span]] = {}  # by flow; forgotten on a change

    def __iter__(self) -> Iterator[FlowInstance]:
        return iter(list(self._all.values()))

    def get(self, instance: str) -> FlowInstance | None:
        """The instance of that id, if there is one."""
        return self._all.get(InstanceId(instance))

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
        instance = FlowInstance(
            id=self._free_id(flow_id, trigger_time),
            number=len(self._all),
            flow_id=flow_id,
            trigger_time=trigger_time,
            parameters=parameters,
            owner=owner,
            created=now,
            listed_from=now + list_after * 1000,
        )
        self._all[instance.id] = instance
        self._of_flow[flow_id].append(instance.id)
        self._spans.pop(flow_id, None)
        return instance

    def cancel(self, instance: FlowInstance, now: EpochMs) -> bool:
        """Whether it could be cancelled: it has not ended yet."""
        if self.phase(instance, now).ended is not None:
            return False
        self._all[instance.id] = replace(instance, cancelled=now)
        self._spans.pop(instance.flow_id, None)
        return True

    def phase(self, instance: FlowInstance, now: EpochMs) -> Phase:
        """How the instance fares at that moment."""
        span = self._spans_of(instance.flow_id)[instance.id]
        if now >= span.end:
            return Phase(status=span.status, started=span.start, ended=span.end)
        if now < instance.ready:
            return Phase(status=Status.WAIT)
        if span.start is None or now < span.start:
            return Phase(status=Status.READY)
        return Phase(status=Status.RUNNING, started=span.start)

    def _free_id(self, flow_id: int, trigger_time: EpochMs) -> InstanceId:
        """The flow and the trigger time's minute, as in all the reference's samples.

        What the service does when that is taken is not documented: here it gets a suffix.
        """
        stamp = in_zone(trigger_time, self._zone)
        base = f"{flow_id}-{stamp:%Y%m%d%H%M}00"
        self._taken[base] += 1
        taken = self._taken[base]
        return InstanceId(base if taken == 1 else f"{base}-{taken}")

    def _spans_of(self, flow_id: int) -> dict[InstanceId, _Span]:
        spans = self._spans.get(flow_id)
        if spans is None:
            spans = self._spans[flow_id] = self._laid_out(flow_id)
        return spans

    def _laid_out(self, flow_id: int) -> dict[InstanceId, _Span]:
        flow = self._options.flow(flow_id)
        seconds = self._options.run_seconds if flow.run_seconds is None else flow.run_seconds
        queue = sorted(
            (self._all[one] for one in self._of_flow[flow_id]),
            key=lambda one: (one.ready, one.number),
        )
        spans: dict[InstanceId, _Span] = {}
        free = queue[0].ready
        for one in queue:
            start = max(one.ready, free)
            end, status = EpochMs(start + round(seconds * 1000)), flow.ends
            if one.cancelled is not None and one.cancelled < start:
                spans[one.id] = _Span(start=None, end=one.cancelled, status=Status.CANCEL)
                continue
            if one.cancelled is not None:
                end, status = one.cancelled, Status.CANCEL
            spans[one.id] = _Span(start=start, end=end, status=status)
            free = end
        return spans
