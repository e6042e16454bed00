"""What the service shows of flows, instances, instants and parameters.

Values may differ from what the service was sent: the options cut, retype or hide them.
"""

import json
import math
import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, assert_never

from msgspec import Struct

from reconciler.model import EpochMs
from reconciler.sandbox.behaviour import (
    FlowOptions,
    ParametersShown,
    SandboxOptions,
    SettableClock,
    StampLayout,
    Status,
)
from reconciler.sandbox.flows import FlowInstance, InstancePhase, Instances
from reconciler.sandbox.wire import RefusalError, SearchBody, Sorter, unusable_error
from reconciler.times import business_date, parse_zone, zoned_time

_VARIABLE = re.compile(r"\$\{[^}]*\}")
_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_LONGEST_INTEGER = 1_000  # digits; Python reads 4300
_HALVES_MS = {"roundedSecond": ("second", 500), "roundedMinute": ("minute", 30_000)}
_LAYOUTS: dict[StampLayout, str] = {
    "plain": "%Y-%m-%d %H:%M:%S",
    "iso": "%Y-%m-%dT%H:%M:%S",
    "letterZ": "%Y-%m-%dT%H:%M:%SZ",
    "noSeconds": "%Y-%m-%dT%H:%M",
    "date": "%Y-%m-%d",
}
_UNDOCUMENTED = 100  # a status plus this is none of the reference's

_SORTER_FIELDS = ("triggerTime", "start_time")  # the reference's samples have both


class Shown(Struct, frozen=True, kw_only=True):
    """How one service shows things: by its options, in its zone, by its clock."""

    options: SandboxOptions
    zone: tzinfo
    clock: SettableClock

    def moment(self, instant: EpochMs | None) -> str | int | None:
        """When something happened by the service's clock, cut to the second."""
        return (
            None if instant is None else self._stamp(self.clock.shown_time(instant), "second", None)
        )

    def creation_stamp(self, instance: FlowInstance) -> str | int:
        """The creation stamp, which may be behind the service's clock or ahead of it."""
        lag = round(self.options.created_lag_seconds * 1000)
        said = EpochMs(self.clock.shown_time(instance.created) - lag)
        return self._stamp(said, self.options.created_cut, self.options.created_zone)

    def trigger_time(self, instance: FlowInstance) -> str | int:
        """The trigger time, cut or rounded, or the creation stamp or 1970 in its place."""
        how = self.options.trigger_time_shown
        if how == "created":
            return self.creation_stamp(instance)
        if how == "epoch":
            return self._stamp(EpochMs(0), "second", None)
        unit, half = _HALVES_MS.get(how, (how, 0))
        return self._stamp(
            EpochMs(instance.trigger_time + half), unit, self.options.trigger_time_zone
        )

    def status(self, status: Status) -> int | str | None:
        """The status: the reference's number, or another form that a service may write."""
        how = self.options.status_shown
        match how:
            case "number":
                return status.value
            case "text":
                return str(status.value)
            case "word":
                return status.name
            case "undocumented":
                return status.value + _UNDOCUMENTED
            case "blank":
                return None
            case _:
                assert_never(how)

    def parameters(self, instance: FlowInstance) -> dict[str, str | None]:
        """The field with the parameters as JSON text; null or left out where options hide it."""
        how = self.options.parameters_shown
        if how.hidden is not None:
            return {} if how.hidden == "absent" else {"parameters": None}
        flow = self.options.flow(instance.flow_id)
        pairs = shown_pairs(instance, how, flow, self.zone)
        content: Any = [{"key": key, "value": value} for key, value in pairs]
        if how.as_map:
            content = dict(pairs)
        return {"parameters": json.dumps(content, ensure_ascii=False)}

    def _stamp(self, instant: EpochMs, unit: str, zone: str | None) -> str | int:
        """The instant as the service writes it: by default in its own zone, without an offset."""
        at = _cut(zoned_time(instant, self.zone if zone is None else parse_zone(zone)), unit)
        layout = self.options.stamp_layout
        if layout == "offset":
            return at.isoformat()
        if layout in {"milliseconds", "millisecondsText"}:
            since = round(at.timestamp() * 1000)
            return since if layout == "milliseconds" else str(since)
        return at.strftime(_LAYOUTS[layout])


def _cut(at: datetime, unit: str) -> datetime:
    return at.replace(
        hour=0 if unit == "day" else at.hour,
        minute=0 if unit in {"day", "hour"} else at.minute,
        second=at.second if unit == "second" else 0,
        microsecond=0,
    )


def shown_pairs(
    instance: FlowInstance, how: ParametersShown, flow: FlowOptions, zone: tzinfo
) -> list[tuple[str, Any]]:
    """The instance's parameters, changed as `how` says."""
    pairs = list(instance.parameters)
    if how.merged:
        sent = {key for key, _ in pairs}
        pairs = [(key, value) for key, value in flow.defaults.items() if key not in sent] + pairs
    day = business_date(instance.trigger_time, zone).isoformat()
    shown = [(key, _value(value, how, day)) for key, value in pairs]
    return shown[::-1] if how.reordered else shown


def _value(value: str, how: ParametersShown, day: str) -> str | int | float:
    if how.filled:
        value = _VARIABLE.sub(day, value)
    if how.case is not None:
        value = value.upper() if how.case == "upper" else value.lower()
    value = value[: how.cut]
    return _retype(value) if how.retyped else value


def _retype(value: str) -> str | int | float:
    """The text as a JSON number, or the text itself if it is none or too large for one."""
    match = _JSON_NUMBER.fullmatch(value)
    if match is None:
        return value
    if match[2] is None and match[3] is None and len(value) < _LONGEST_INTEGER:
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else value


class FoundPage(Struct, frozen=True, kw_only=True):
    """One page of what a search found, and the count that the search states."""

    page: Sequence[FlowInstance]
    count: int | str | None


def list_instances(
    instances: Instances, wanted: SearchBody, user: str, options: SandboxOptions, now: EpochMs
) -> FoundPage:
    """List Flow Instances. Raises RefusalError for an invalid sorter, status or page."""
    statuses = _statuses(wanted.status)
    found = [
        one
        for one in instances.list_instances(now)
        if wanted.type == one.type
        and instances.sees(user, one)
        and (options.windows_ignored or _is_in_window(one, wanted))
        and (wanted.expression in one.id or wanted.expression in _flow_name(one.flow_id, options))
        and (not wanted.owner or wanted.owner in one.owner.split(";"))
        and (not statuses or instances.phase(one, now).status in statuses)
        and not instances.forgotten(one, now)
    ]
    for sorter in reversed(wanted.pagination.sorters):
        _sort(found, sorter, instances, now)
    page = _page(found, wanted, options)
    return FoundPage(page=page, count=_count(len(found), len(page), options))


def describe_instance(instance: FlowInstance, phase: InstancePhase, shown: Shown) -> dict[str, Any]:
    """The instance in the form of the reference's FlowInstance."""
    flow_id = instance.flow_id
    return {
        "instanceId": instance.id,
        "flowId": _flow_id(flow_id, shown.options),
        "flowName": _flow_name(flow_id, shown.options),
        **shown.parameters(instance),
        "status": shown.status(phase.status),
        "statusDesc": "" if shown.options.status_shown == "blank" else phase.status.name,
        "triggerTime": shown.trigger_time(instance),
        "startTime": shown.moment(phase.started),
        "endTime": shown.moment(phase.ended),
        "timestamp": shown.creation_stamp(instance),
        "owner": instance.owner,
        "calDt": business_date(instance.trigger_time, shown.zone).isoformat(),
    }


def _is_in_window(one: FlowInstance, wanted: SearchBody) -> bool:
    start, end = wanted.from_trigger_time, wanted.to_trigger_time
    return (start is None or start <= one.trigger_time) and (end is None or one.trigger_time < end)


def _flow_id(flow_id: int, options: SandboxOptions) -> int | str | None:
    shown = {"own": flow_id, "zero": 0, "negative": -1, "null": None}[options.flow_id_shown]
    return str(shown) if options.flow_id_as_string and shown is not None else shown


def describe_flow(flow_id: int, flow: FlowOptions, user: str) -> dict[str, Any]:
    """The flow in the form of the reference's Flow, as that user sees it."""
    owner = flow.owner or user
    pairs = None
    if flow.parameters is not None:
        values = [(name, flow.defaults.get(name, "")) for name in flow.parameters]
        pairs = [{"key": name, "value": value} for name, value in values]
    return {
        "flowId": flow_id,
        "flowName": flow.name or f"flow-{flow_id}",
        "type": 0,
        "owner": owner,
        "locked": flow.locked,
        "isUserLocked": flow.user_locked,
        "hasEditPri": flow.privilege and user in owner.split(";"),
        "graph": {"tasks": [{"taskId": n, "name": f"task-{n}"} for n in range(1, flow.tasks + 1)]},
        **({} if pairs is None else {"parameters": pairs}),
    }


def _statuses(text: str) -> frozenset[int]:
    try:
        return frozenset(int(code) for code in text.split(",") if text)
    except ValueError:
        raise unusable_error(f"status is no list of codes: {text}") from None


def _sort(found: list[FlowInstance], sorter: Sorter, instances: Instances, now: EpochMs) -> None:
    if sorter.field not in _SORTER_FIELDS:
        raise RefusalError(f"invalid sorter field: {sorter.field}", code=62102)

    def key(one: FlowInstance) -> int:
        if sorter.field == "triggerTime":
            return one.trigger_time
        started = instances.phase(one, now).started
        return one.ready if started is None else started

    found.sort(key=key, reverse=sorter.order == "desc")


def _page(
    found: list[FlowInstance], wanted: SearchBody, options: SandboxOptions
) -> list[FlowInstance]:
    size, index = wanted.pagination.page_size, _page_index(wanted, options)
    last = max(len(found) - 1, 0) // size
    if index > last and options.past_end != "empty":
        index = last if options.past_end == "last" else 0
    return found[index * size : (index + 1) * size]


def _count(total: int, shown: int, options: SandboxOptions) -> int | str | None:
    """The count that a search states, which need not be the true one."""
    match options.count_shown:
        case "all":
            return total
        case "page":
            return shown
        case "none":
            return None
        case "more":
            return total + 1
        case "text":
            return str(total)
        case _:
            assert_never(options.count_shown)


def _page_index(wanted: SearchBody, options: SandboxOptions) -> int:
    number = wanted.pagination.page_no
    if number is None:
        return 0
    if number < 0:
        raise unusable_error("pageNo is negative")
    return max(number - options.page_base, 0)  # where the first page is 1, page 0 is the first too


def _flow_name(flow_id: int, options: SandboxOptions) -> str:
    return options.flow(flow_id).name or f"flow-{flow_id}"
