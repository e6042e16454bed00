"""The order in which a flow runs its instances, one at a time, and how each of them ends."""

from bisect import bisect_left
from dataclasses import dataclass

from reconciler.model import EpochMs, InstanceId, Parameters
from reconciler.sandbox.options import FlowOptions, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What somebody starts."""

    flow_id: int
    trigger_time: EpochMs | None  # None: when it is created
    parameters: Parameters
    owner: str
    user: str  # who starts it; several have `;` between them
    list_after: float = 0.0  # seconds until searches show it, if not later by the options
    type: int | None = None  # None: as the options say
    run_seconds: float | None = None  # None: as the flow's
    ends: Status | None = None  # None: in the flow's turn; others' instances have their own end


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowInstance:
    """One started instance, as it was created."""

    id: InstanceId  # may be shared
    number: int  # in the order in which they were added, from 0
    flow_number: int  # the same, among those of its flow that take their turn of its ends
    flow_id: int
    trigger_time: EpochMs
    parameters: Parameters
    owner: str
    user: str  # who started it
    type: int
    created: EpochMs
    ready: EpochMs  # when it may start: a trigger time that has passed means at once
    listed_from: float  # EpochMs, or infinite: when searches begin to show it
    run_ms: int | None = None  # None: as its flow
    ends: Status | None = None  # None: as its flow
    cancelled: EpochMs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When an instance runs, should nothing change any more."""

    start: EpochMs | None  # None: cancelled before it could start
    end: EpochMs
    status: Status  # at the end
    free: EpochMs  # when the next one may start


class Lane:
    """One flow's instances, in the order in which they became ready.

    Laid out when somebody asks, from the first one on that a change can have moved: asking after
    every start costs no more for a flow with ten thousand instances.
    """

    def __init__(self, flow: FlowOptions, run_seconds: float) -> None:
        """`run_seconds`: how long an instance runs where the flow does not say."""
        self._flow = flow
        self._run_ms = round(1000 * (run_seconds if flow.run_seconds is None else flow.run_seconds))
        self._queue: list[FlowInstance] = []
        self._spans: list[Span] = []  # of the first in the queue

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, instance: FlowInstance) -> None:
        """Put a new instance in its place."""
        place = self._place(instance)
        self._queue.insert(place, instance)
        del self._spans[place:]

    def replace(self, instance: FlowInstance) -> None:
        """Take the instance in place of what it was before."""
        place = self._place(instance)
        self._queue[place] = instance
        del self._spans[place:]

    def span(self, instance: FlowInstance) -> Span:
        """When the instance runs."""
        for one in self._queue[len(self._spans) :]:
            free = self._spans[-1].free if self._spans else one.ready
            self._spans.append(self._laid_out(one, free))
        return self._spans[self._place(instance)]

    def _place(self, instance: FlowInstance) -> int:
        return bisect_left(self._queue, _order(instance), key=_order)

    def _laid_out(self, one: FlowInstance, free: EpochMs) -> Span:
        start = max(one.ready, free)
        end = EpochMs(start + (self._run_ms if one.run_ms is None else one.run_ms))
        status = self._flow.ending(one.flow_number) if one.ends is None else one.ends
        if one.cancelled is not None and one.cancelled < start:
            return Span(start=None, end=one.cancelled, status=Status.CANCEL, free=free)
        if one.cancelled is not None:
            end, status = one.cancelled, Status.CANCEL
        return Span(start=start, end=end, status=status, free=end)


def _order(instance: FlowInstance) -> tuple[EpochMs, int]:
    return instance.ready, instance.number
