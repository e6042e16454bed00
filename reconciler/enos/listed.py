"""Instances and flows as the service writes them: read liberally, no guess taken as certain."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, tzinfo
from typing import Any, TypeGuard

from msgspec import Struct

from reconciler.apply.ports import Flow, Instance
from reconciler.enos.envelope import (
    LAST_INSTANT,
    read_instance_id,
    read_integer,
    read_json,
    read_milliseconds,
    read_name,
    read_verbatim_json,
)
from reconciler.enos.statuses import is_documented, status_code, status_name
from reconciler.model import EpochMs, InstanceId, Parameters
from reconciler.times import HOUR_MS, MINUTE_MS, SECOND_MS, parse_instant, zoned_time

NAMELESS = InstanceId("")  # in place of an id that cannot be read

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(Z?)", re.ASCII)
_HALF = re.compile(r"[\ud800-\udfff]")  # half of a surrogate pair, in UTF-16
_LONGEST_DAY_MS = 25 * HOUR_MS  # when clocks are set back
EARLIEST = 100_000_000_000  # 1973; read as seconds, this would be the year 5138
_QUARTER_HOUR_MS = 15 * MINUTE_MS  # all zones differ by multiples of it
_WIDEST_OFFSET_MS = 14 * HOUR_MS

StampSpan = tuple[EpochMs, EpochMs]
_FLAGS = {"true": True, "1": True, "false": False, "0": False}

# What is known about a flow that the user may not see.
WITHOUT_PRIVILEGE = Flow(
    locked=None, user_locked=None, editable=False, owners=None, tasks=None, parameters=None
)


class ListedWindow(Struct, frozen=True, kw_only=True):
    """The trigger times that were asked for: from inclusive, to exclusive."""

    from_time: EpochMs
    to_time: EpochMs

    def holds(self, instant: EpochMs) -> bool:
        """Whether the instant, which was cut to the second, may lie in the window."""
        return self.from_time - self.from_time % SECOND_MS <= instant < self.to_time

    def holds_nearly(self, instant: EpochMs) -> bool:
        """Whether the instant, cut or rounded to the minute at most, may lie in the window."""
        return self.touches((instant, instant))

    def touches(self, span: StampSpan) -> bool:
        """Whether an instant of the span, cut or rounded to the minute at most, may lie in it."""
        first, last = span
        return self.from_time - MINUTE_MS <= last and first <= self.to_time + MINUTE_MS

    def holds_shifted(self, instant: EpochMs) -> bool:
        """Whether `holds_nearly` would be true for the instant if it were read in another zone.

        Only a narrow window can tell; for a wide one this would be true of every time of day.
        """
        start, width = self.from_time - MINUTE_MS, self.to_time - self.from_time + 2 * MINUTE_MS
        distance = instant - start
        if width >= _QUARTER_HOUR_MS or not -_WIDEST_OFFSET_MS <= distance <= (
            width + _WIDEST_OFFSET_MS
        ):
            return False
        return distance % _QUARTER_HOUR_MS <= width


def read_instance(
    entry: Any, zone: tzinfo, *, now: EpochMs | None = None, window: ListedWindow | None = None
) -> Instance:
    """One FlowInstance. Raises ValueError if the entry is none, or has no readable id.

    `now` is the latest time that a stamp may show, if known: the service's time plus what stamps
    may be ahead of it. `window` holds the trigger times that were asked for.
    """
    if not isinstance(entry, dict):
        raise ValueError("an instance is not an object")  # noqa: TRY004 - a value of the wire, not of a caller
    one = read_entry(entry, zone, now=now, window=window)
    if one.id == NAMELESS:
        raise ValueError("an instance has no readable instanceId")
    return one


def read_entry(
    entry: Any, zone: tzinfo, *, now: EpochMs | None = None, window: ListedWindow | None = None
) -> Instance:
    """What can be read of a list's entry; its id is `NAMELESS` where that is unreadable."""
    fields: Mapping[str, Any] = entry if isinstance(entry, dict) else {"parameters": entry}
    created = readings(fields.get("timestamp"), zone)
    created_unit = cut_unit(fields.get("timestamp"), zone)
    triggered = _narrow_to_window(readings(fields.get("triggerTime"), zone), window)
    return Instance(
        id=InstanceId(read_instance_id(fields.get("instanceId")) or NAMELESS),
        flow_id=_flow_id(fields.get("flowId")),
        trigger_time=triggered[0] if triggered else None,
        created=created[0] if created else None,
        created_latest=_latest_reading(created, now, created_unit),
        parameters=read_parameters(fields.get("parameters")),
        status=_status(fields.get("status"), fields.get("statusDesc")),
        carried=_carried_text(fields.get("parameters")),
        created_times=created,
        created_unit=created_unit,
        trigger_times=triggered,
        trigger_unit=cut_unit(fields.get("triggerTime"), zone),
    )


def _status(status: object, described: object) -> int | None:
    """The status, from a number or its name; from its description only if there is none.

    A description that is no name of the reference, as in another language, says nothing. One that
    names another status proves that one of the two is wrong, so that neither counts.
    """
    by_name = status_code(described) if isinstance(described, str) else None
    if status is None:
        return by_name
    number = read_integer(status)
    if number is None and isinstance(status, str):
        number = status_code(status)
    known = number is not None and is_documented(status_name(number))
    return number if by_name in {None, number} or not known else None


def _flow_id(value: object) -> int | None:
    """The flow's id; None for 0 or less, which is a field that was never set."""
    number = read_integer(value)
    return number if number is not None and number > 0 else None


def readings(stamp: object, zone: tzinfo) -> tuple[EpochMs, ...]:
    """Every instant that a stamp may mean, the likeliest first; none if it is unreadable.

    The reference names no zone. In its sample of a FlowInstance, `triggerTime` is eight hours ahead
    of `startTime` and `timestamp`, so some stamps are in the server's zone and some in UTC. A time
    in the hour that a zone's clocks repeat means two instants as well. A `Z` means UTC, but often
    it is just a letter in the layout of a local time.
    """
    number = None if isinstance(stamp, str) else read_milliseconds(stamp)
    if number is not None:  # `_possible_times` drops seconds: as milliseconds they would look old
        return _possible_times(EpochMs(number))
    if not isinstance(stamp, str):
        return ()
    match = _STAMP.fullmatch(stamp.strip())
    try:
        if match is None:
            return _possible_times(parse_instant(stamp.strip()))
        local = datetime.fromisoformat(f"{match[1]} {match[2]}")
        in_utc = local.replace(tzinfo=UTC)
        in_zone = (local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1))
        moments = (in_utc, *in_zone) if match[3] else (*in_zone, in_utc)
        return _possible_times(*(EpochMs(int(one.timestamp()) * 1000) for one in moments))
    except (ValueError, OverflowError):
        return ()


def _possible_times(*instants: EpochMs) -> tuple[EpochMs, ...]:
    """The instants that may be real times, each once: 1970 is written where there is no time."""
    return tuple(one for one in dict.fromkeys(instants) if EARLIEST <= one <= LAST_INSTANT)


def read_parameters(value: object) -> Parameters | None:
    """The parameters, from a list of pairs, a mapping, or text that holds one; None if unreadable.

    Values that are not text are kept as JSON writes them. Blank text does not mean that there are
    no parameters: it may also stand for parameters that are not shown.
    """
    if isinstance(value, str):
        value = read_verbatim_json(value)
    if isinstance(value, dict):
        value = [{"key": name, "value": one} for name, one in value.items()]
    if not isinstance(value, list):
        return None
    pairs = [_pair(one) for one in value]
    readable = tuple(pair for pair in pairs if pair is not None)
    return readable if len(readable) == len(pairs) else None


def _carried_text(value: object) -> str:
    """The parameters as the service wrote them: the text may be cut, and so not be JSON."""
    if value is None or isinstance(value, str):
        text = value or ""
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def _pair(value: object) -> tuple[str, str] | None:
    if not isinstance(value, Mapping):
        return None
    name, content = value.get("key"), value.get("value")
    if isinstance(content, bool):
        content = "true" if content else "false"
    elif isinstance(content, int | float):
        content = str(content)
    return (name, content) if _is_text(name) and _is_text(content) else None


def _is_text(value: object) -> TypeGuard[str]:
    """Whether the value is text that UTF-8 can hold: JSON can escape half of a surrogate pair."""
    return isinstance(value, str) and not _HALF.search(value)


def _narrow_to_window(
    possible: tuple[EpochMs, ...], window: ListedWindow | None
) -> tuple[EpochMs, ...]:
    """The readings that lie in the window; if none does, those nearly in it; if none, all."""
    fitting = (window.holds, window.holds_nearly) if window is not None else ()
    for fits in fitting:
        possible = tuple(filter(fits, possible)) or possible
    return possible


def cut_unit(stamp: object, zone: tzinfo) -> int:
    """To how many milliseconds the stamp may have been cut, by the zeros at its end.

    It may have been cut in the server's zone or in UTC, and be shown in the other one: midnight in
    UTC is 08:00 at a server in GMT+8.
    """
    instants = readings(stamp, zone)
    clocks = [zoned_time(one, where).time() for one in instants for where in (zone, UTC)]
    return max((_cut_unit(one) for one in clocks), default=1)


def _cut_unit(clock: time) -> int:
    if clock.second or clock.microsecond:
        return 1
    if clock.minute:
        return MINUTE_MS
    return HOUR_MS if clock.hour else _LONGEST_DAY_MS


def _latest_reading(
    possible: tuple[EpochMs, ...], now: EpochMs | None, unit: int
) -> EpochMs | None:
    """The latest reading that does not lie in the future, plus what may have been cut off it.

    The latest, because an instance that was created before a run was claimed is ruled out as the
    run's: if its stamp were read as too early, the run would be started twice.
    """
    past = [one for one in possible if now is None or one <= now]
    latest = max(past or possible, default=None)
    return None if latest is None else EpochMs(latest + unit - 1)


def read_flow(content: Any, flow_id: int) -> Flow:
    """The flow with that id (EnOS reference, Get Flow). Raises ValueError for another, or none.

    An answer that does not say which flow it describes counts as about the flow asked for.
    """
    if not isinstance(content, Mapping):
        raise ValueError("no flow")  # noqa: TRY004 - a value of the wire, not of a caller
    described = read_integer(content.get("flowId"))
    if described is not None and described != flow_id:
        raise ValueError(f"another flow than {flow_id}")
    return Flow(
        locked=_flag(content.get("locked")),
        user_locked=_flag(content.get("isUserLocked")),
        editable=_flag(content.get("hasEditPri")),
        owners=_owners(content.get("owner")),
        tasks=_tasks(content.get("graph")),
        parameters=_parameters(content.get("parameters")),
        name=_flow_name(content),
    )


def _flow_name(content: Mapping[str, Any]) -> str | None:
    """The flow's name. The reference gives no field for it; `flowName` is as in instances."""
    name = content.get("flowName") or content.get("name")
    return name if isinstance(name, str) else None


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _FLAGS.get(str(value).strip().lower()) if isinstance(value, int | str) else None


def _owners(value: object) -> frozenset[str] | None:
    """The user ids, split at `;`. Every flow has an owner, so blank text says nothing: None."""
    if not isinstance(value, str):
        return None
    return frozenset(filter(None, map(str.strip, value.split(";")))) or None


def _tasks(graph: object) -> int | None:
    graph = _unpack_json(graph)
    tasks = _unpack_json(graph.get("tasks")) if isinstance(graph, Mapping) else None
    if isinstance(tasks, list | dict):
        return len(tasks)
    number = read_integer(tasks)
    return number if number is None or number >= 0 else None


def _parameters(value: object) -> frozenset[str] | None:
    """The names of the parameters, from a list, a mapping, or text that holds one of them."""
    value = _unpack_json(value)
    if isinstance(value, Mapping):
        value = list(value)
    if not isinstance(value, list):
        return None
    names = [_parameter(one) for one in value]
    readable = [name for name in names if name is not None]
    return frozenset(readable) if len(readable) == len(names) else None


def _parameter(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("key") or value.get("name")
    return value if isinstance(value, str) and read_name(value) is not None else None


def _unpack_json(value: object) -> Any:
    """The value that text holds as JSON; anything else as it is."""
    unpacked = read_json(value) if isinstance(value, str) else None
    return value if unpacked is None else unpacked
