"""An instance as the service lists it: what it truly is, and what a list makes of that."""

import json
from datetime import UTC, datetime, timedelta, timezone

from reconciler.apply import ports
from reconciler.enos.listed import cut_unit
from reconciler.model import EpochMs, Parameters, wire_parameters
from tests.simulation.clock import DAY_MS
from tests.simulation.instances import Started
from tests.simulation.oddities import CORRELATION_PARAMETER, HOUR_MS, ZONE_MS, Oddities

_ZONE = timezone(timedelta(milliseconds=ZONE_MS))
DECLARED = ("SITE", "DAY", "N")  # the names of the parameters that the flows declare
_DEFAULTS = (("MODE", "full"), (CORRELATION_PARAMETER, "none"), ("SITE", "all"), ("N", "0"))


def listed(
    one: Started, oddities: Oddities, *, created: EpochMs, now: float, readable: bool
) -> ports.Instance:
    """The instance as a list shows it now, and as the real reader reads that."""
    parameters = listed_parameters(one.run.parameters, oddities)
    shift = 0 if oddities.created_cut_in_utc else ZONE_MS
    stamp = _cut(created + oddities.created_ahead + shift, oddities.created_unit) - shift
    unit = cut_unit(_clock_text(stamp + (0 if oddities.created_in_utc else ZONE_MS)), _ZONE)
    # reconciler/enos/listed.py: the latest reading, and all that may have been cut to it.
    in_zone = stamp - ZONE_MS if oddities.created_in_utc else stamp
    shown = created if oddities.trigger_unset else listed_time(one.run.trigger_time, oddities)
    return ports.Instance(
        id=one.instance,
        flow_id=None if oddities.flow_unset else one.run.flow_id,
        trigger_time=shown,
        trigger_unit=max(unit for unit in (1, HOUR_MS, DAY_MS) if shown % unit == 0),
        created=EpochMs(in_zone),
        created_latest=EpochMs(stamp + unit - 1),
        created_times=(EpochMs(in_zone), EpochMs(in_zone + ZONE_MS)),
        created_unit=unit,
        parameters=parameters,
        status=one.status_at(now) if readable else None,
        carried="" if parameters is None else json.dumps(wire_parameters(parameters)),
    )


def _clock_text(milliseconds: int) -> str:
    """What a clock shows, as the reference writes a stamp; `milliseconds`: as if it were in UTC."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def listed_time(time: EpochMs, oddities: Oddities) -> EpochMs:
    """A trigger time as a list shows it."""
    unit = oddities.trigger_unit
    return EpochMs(_cut(time + unit // 2 if oddities.trigger_rounded else time, unit))


def listed_parameters(sent: Parameters, oddities: Oddities) -> Parameters | None:
    """Parameters as a list shows them; None where it does not."""
    what = oddities.parameters
    if "hidden" in what:
        return None
    pairs = list(sent)
    if "declared only" in what:
        pairs = [(name, value) for name, value in pairs if name in DECLARED]
    if "merged" in what:
        given = {name for name, _ in pairs}
        pairs += [(name, value) for name, value in _DEFAULTS if name not in given]
    if "reordered" in what:
        pairs.reverse()
    return tuple((name, _listed_value(value, oddities)) for name, value in pairs)


def _listed_value(value: str, oddities: Oddities) -> str:
    what = oddities.parameters
    if "filled" in what:
        value = value.replace("${cal_dt}", "2024-03-01")
    if "retyped" in what and value.isdigit():
        value = str(int(value))
    if "case" in what:
        value = value.upper()
    for width in (20, 40):
        if f"cut {width}" in what:
            value = value[:width]
    return value


def _cut(instant: int, unit: int) -> int:
    return instant // unit * unit
