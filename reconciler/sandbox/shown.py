"""What the service shows of instants and parameters, which need not be what it was sent."""

import json
import math
import re
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, assert_never

from reconciler.model import EpochMs
from reconciler.sandbox.clock import ServiceClock
from reconciler.sandbox.lanes import FlowInstance
from reconciler.sandbox.options import FlowOptions, ParametersShown, SandboxOptions
from reconciler.times import business_date, in_zone

_VARIABLE = re.compile(r"\$\{[^}]*\}")
_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_LONGEST_INTEGER = 1_000  # digits; Python reads 4300
_HALF_SECOND_MS, _HALF_MINUTE_MS = 500, 30_000
_TO_SECOND, _TO_MINUTE = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How one service shows things: by its options, in its zone, by its clock."""

    options: SandboxOptions
    zone: tzinfo
    clock: ServiceClock

    def moment(self, instant: EpochMs | None) -> str | None:
        """When something happened, as the service's clock had it; cut to the second."""
        return None if instant is None else self._stamp(self.clock.said(instant), _TO_SECOND)

    def created(self, instance: FlowInstance) -> str:
        """The creation stamp, which comes from another clock."""
        lag = round(self.options.created_lag_seconds * 1000)
        cut = _TO_SECOND if self.options.created_cut == "second" else _TO_MINUTE
        return self._stamp(EpochMs(self.clock.said(instance.created) - lag), cut)

    def trigger_time(self, instance: FlowInstance) -> str:
        """The trigger time, cut or rounded."""
        true, how = instance.trigger_time, self.options.trigger_time_shown
        match how:
            case "second":
                return self._stamp(true, _TO_SECOND)
            case "minute":
                return self._stamp(true, _TO_MINUTE)
            case "roundedSecond":
                return self._stamp(EpochMs(true + _HALF_SECOND_MS), _TO_SECOND)
            case "roundedMinute":
                return self._stamp(EpochMs(true + _HALF_MINUTE_MS), _TO_MINUTE)
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

    def _stamp(self, instant: EpochMs, layout: str) -> str:
        """As the service writes instants: in its zone, without saying so."""
        return in_zone(instant, self.zone).strftime(layout)


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
