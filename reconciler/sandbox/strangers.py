"""Instances that others start: at once, or some time after a flow's first trigger."""

from collections.abc import Iterable

from msgspec import Struct

from reconciler.model import EpochMs
from reconciler.sandbox.behaviour import Stranger
from reconciler.sandbox.flows import FlowInstance, Instances, StartRequest


class _Due(Struct, frozen=True, kw_only=True):
    """A stranger whose time of creation is known."""

    at: EpochMs
    trigger_time: EpochMs
    stranger: Stranger


class Strangers:
    """The strangers that are still to come; each joins the instances when its time comes."""

    def __init__(self, strangers: Iterable[Stranger], instances: Instances, now: EpochMs) -> None:
        """Strangers that wait for no trigger are added now."""
        self._instances = instances
        self._awaiting: list[Stranger] = []
        self._due: list[_Due] = []
        for one in strangers:
            if one.after_trigger is None:
                self.add(one, now)
            else:
                self._awaiting.append(one)

    def add(self, stranger: Stranger, now: EpochMs) -> FlowInstance:
        """Add the stranger's instance, as old at that moment as the stranger says."""
        created = EpochMs(now - round(stranger.created_seconds_ago * 1000))
        return self._instances.add(_start(stranger, stranger.trigger_time), created)

    def await_from(self, triggered: FlowInstance) -> None:
        """Fix the times of strangers that wait for the flow's first trigger, which came now."""
        for one in [it for it in self._awaiting if it.flow_id == triggered.flow_id]:
            self._awaiting.remove(one)
            at = EpochMs(triggered.created + round((one.after_trigger or 0) * 1000))
            time = triggered.trigger_time if one.trigger_time is None else one.trigger_time
            self._due.append(_Due(at=at, trigger_time=time, stranger=one))
        self._due.sort(key=lambda due: due.at)

    def arrive(self, now: EpochMs) -> None:
        """Add the strangers whose time has come by that moment."""
        while self._due and self._due[0].at <= now:
            due = self._due.pop(0)
            self._instances.add(_start(due.stranger, due.trigger_time), due.at)


def _start(stranger: Stranger, trigger_time: EpochMs | None) -> StartRequest:
    return StartRequest(
        flow_id=stranger.flow_id,
        trigger_time=trigger_time,
        parameters=stranger.parameters,
        owner=stranger.owner,
        user=stranger.owner,
        type=stranger.type,
        run_seconds=stranger.run_seconds,
        ends=stranger.ends,
    )
