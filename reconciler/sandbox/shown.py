"""What the service shows of instants and parameters, which need not be what it was sent."""

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, assert_never

from reconciler.model import EpochMs
from reconciler.sandbox.clock import ServiceClock
from reconciler.sandbox.lanes import FlowInstance
from reconciler.sandbox.options import (
    FlowOptions,
    ParametersShown,
    SandboxOptions,
    StampLayout,
    Status,
)
from reconciler.times import business_date, in_zone, parse_zone

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
_UNDOCUMENTED = 100  # added to a status, it is none of the reference's


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How one service shows things: by its options, in its zone, by its clock."""

    options: SandboxOptions
    zone: tzinfo
    clock: ServiceClock

    def moment(self, instant: EpochMs | None) -> str | int | None:
        """When something happened, as the service's clock had it; cut to the second."""
        return None if instant is None else self._stamp(self.clock.said(instant), "second", None)

    def created(self, instance: FlowInstance) -> str | int:
        """The creation stamp, which comes from another clock."""
        lag = round(self.options.created_lag_seconds * 1000)
        said = EpochMs(self.clock.said(instance.created) - lag)
        return self._stamp(said, self.options.created_cut, self.options.created_zone)

    def trigger_time(self, instance: FlowInstance) -> str | int:
        """The trigger time, cut or rounded."""
        how = self.options.trigger_time_shown
        unit, half = _HALVES_MS.get(how, (how, 0))
        return self._stamp(
            EpochMs(instance.trigger_time + half), unit, self.options.trigger_time_zone
        )

    def status(self, status: Status) -> int | str | None:
        """The status: the reference's number, or what else a service may write."""
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
        """The field that holds the parameters as JSON text, or nothing."""
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
        """As the service writes instants: in its zone, as a rule, and without saying so."""
        at = _cut(in_zone(instant, self.zone if zone is None else parse_zone(zone)), unit)
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
    """The instance's parameters after everything that is done to them."""
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
    return _retyped(value) if how.retyped else value


def _retyped(value: str) -> str | int | float:
    """The number that the text is in JSON; the text itself if it is none, or none that fits."""
    match = _JSON_NUMBER.fullmatch(value)
    if match is None:
        return value
    if match[2] is None and match[3] is None and len(value) < _LONGEST_INTEGER:
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else value
