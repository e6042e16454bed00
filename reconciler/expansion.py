"""From a valid manifest to the run that it declares."""

from collections.abc import Mapping
from datetime import date, time, tzinfo
from sys import intern
from typing import Any, Protocol

from reconciler.model import EpochMs, Place, Problem, Run, run_digest
from reconciler.schema import Finding, Where
from reconciler.schema.paths import Path, pointer
from reconciler.times import business_date_instant, parse_instant

# Where the rules point at: a place is kept for each that the manifest has.
_NAME: Path = ("metadata", "name")
_FLOW: Path = ("spec", "flowId")
_TRIGGER_TIME: Path = ("spec", "triggerTime")
_BUSINESS_DATE: Path = ("spec", "businessDate")
_REVISION: Path = ("spec", "revision")
_DUPLICATE_OF: Path = ("spec", "duplicateOf")
_PLACED = tuple(
    (path, pointer(path))
    for path in (_NAME, _FLOW, _TRIGGER_TIME, _BUSINESS_DATE, _REVISION, _DUPLICATE_OF)
)

# A day less than the calendar has, so that every zone can show the instant.
_LAST = EpochMs(253402214399999)  # 9999-12-30T23:59:59.999Z


class Manifest(Protocol):
    """A manifest that conforms to its schema, with the places of its values."""

    @property
    def file(self) -> str:
        """Its file, relative to the repository's root."""

    @property
    def value(self) -> Any:
        """Its plain value."""

    def place(self, path: Path, where: Where = "value") -> Place:
        """Where a value stands."""

    def problem(self, finding: Finding) -> Problem:
        """The finding at its place."""


def expand(manifest: Manifest, zone: tzinfo) -> Run | tuple[Problem, ...]:
    """The run, with its trigger time and digest worked out; or why it cannot be worked out.

    `zone` is the gateway's, in which business dates are meant.
    """
    metadata, spec = manifest.value["metadata"], manifest.value["spec"]
    try:
        trigger_time = _trigger_time(spec, zone)
        not_after = _instant(spec["notAfter"], ("spec", "notAfter")) if "notAfter" in spec else None
    except _OutOfRangeError as error:
        return (manifest.problem(error.finding),)
    flow_id = int(spec["flowId"])  # 3377.0 is an integer to JSON Schema
    parameters = tuple((intern(key), value) for key, value in spec["parameters"].items())
    return Run(
        name=metadata["name"],
        revision=int(spec.get("revision", 1)),
        flow_id=flow_id,
        trigger_time=trigger_time,
        parameters=parameters,
        digest=run_digest(flow_id, trigger_time, parameters),
        place=manifest.place(()),
        places=_places(manifest, metadata, spec),
        labels={intern(key): intern(value) for key, value in metadata.get("labels", {}).items()},
        description=metadata.get("description", ""),
        suspend=spec.get("suspend", False),
        not_after=not_after,
        duplicate_of=spec.get("duplicateOf"),
    )


class _OutOfRangeError(Exception):
    def __init__(self, path: Path) -> None:
        words = "must lie between 1970-01-01 and 9999-12-30, UTC"
        self.finding = Finding(path=path, code="range", words=words)


def _trigger_time(spec: Mapping[str, Any], zone: tzinfo) -> EpochMs:
    if "triggerTime" in spec:
        return _instant(spec["triggerTime"], _TRIGGER_TIME)
    day, at = date.fromisoformat(spec["businessDate"]), time.fromisoformat(spec.get("at", "00:00"))
    try:
        instant = business_date_instant(day, at, zone)
    except (OverflowError, ValueError):  # the next day, or its time in UTC, has no date
        raise _OutOfRangeError(_BUSINESS_DATE) from None
    return _in_range(instant, _BUSINESS_DATE)


def _instant(value: str | float, path: Path) -> EpochMs:
    instant = parse_instant(value) if isinstance(value, str) else EpochMs(int(value))
    return _in_range(instant, path)


def _in_range(instant: EpochMs, path: Path) -> EpochMs:
    if not 0 <= instant <= _LAST:
        raise _OutOfRangeError(path)
    return instant


def _places(
    manifest: Manifest, metadata: Mapping[str, Any], spec: Mapping[str, Any]
) -> dict[str, Place]:
    sections = {"metadata": metadata, "spec": spec}
    places = {
        pointer_: manifest.place(path)
        for path, pointer_ in _PLACED
        if path[1] in sections[str(path[0])]
    }
    if "triggerTime" not in spec:
        places[pointer(_TRIGGER_TIME)] = places[pointer(_BUSINESS_DATE)]
    return places
