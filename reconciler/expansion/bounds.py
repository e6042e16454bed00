"""What may be declared: how many runs, found out before memory is spent on them, and at what times.

Years that no run is about, and seconds where milliseconds stand, cannot be meant.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from msgspec import Struct

from reconciler.expansion.common import LAST, NotExpandedError, instant
from reconciler.expansion.matrix import count, longest
from reconciler.expansion.slots import Slot, Timetable
from reconciler.model import EpochMs
from reconciler.numerous import Numerous
from reconciler.schema import Finding
from reconciler.schema.formats import parse_date
from reconciler.schema.paths import Path
from reconciler.times import format_instant, parse_instant

FIRST_YEAR = 1990  # unless limits.firstYear says otherwise
YEARS_AHEAD = 5  # unless limits.yearsAhead says otherwise

# Seconds have ten digits until the year 2286; milliseconds had as few until April 1970.
_MOST_SECONDS = 10**10
_LONGEST_YEAR = timedelta(days=366)
_MILLISECOND = timedelta(milliseconds=1)


class Window(Struct, frozen=True, kw_only=True):
    """Between which instants the times of manifests may lie, both included.

    It only widens as time goes on, so a manifest that was accepted stays so.
    """

    since: EpochMs
    until: EpochMs

    @classmethod
    def of(
        cls, now: EpochMs, first_year: int = FIRST_YEAR, years_ahead: int = YEARS_AHEAD
    ) -> "Window":
        """From the beginning of the first year, UTC, to so many years after now."""
        ahead = years_ahead * _LONGEST_YEAR // _MILLISECOND
        return cls(
            since=parse_instant(f"{first_year:04d}-01-01T00:00:00Z"),
            until=EpochMs(min(now + ahead, LAST)),
        )

    def findings(self, spec: Mapping[str, Any]) -> Iterator[Finding]:
        """The times of a spec that lie outside, wherever they stand, except what is no time."""
        for path, value in _times(spec):
            words = self._wrong(value)
            if words is not None:
                yield Finding(path=path, code="range", words=words)

    def _wrong(self, value: object) -> str | None:
        try:
            found = _instant(value)
        except (ValueError, OverflowError):
            return None  # that has a finding of its own
        is_short = not isinstance(value, str) and 0 < found < _MOST_SECONDS
        # As milliseconds it is of early 1970: never accepted, or it would become seconds of a time
        # that the window holds as soon as that has widened so far.
        if is_short and (self._holds(found * 1000) or self._holds(found)):
            meant = EpochMs(found * 1000)
            return (
                f"{found} is in seconds: write milliseconds, {meant} ({format_instant(meant)}), or "
                "a date and time"
            )
        if self._holds(found):
            return None
        side, field = ("earlier", "firstYear") if found < self.since else ("later", "yearsAhead")
        limit = format_instant(self.since if found < self.since else self.until)[:10]
        shown = value if isinstance(value, str) else f"{found}, {format_instant(found)},"
        return (
            f"{shown} is {side} than {limit}, so it is hardly meant: correct it, or widen "
            f"limits.{field} in reconciler.yaml"
        )

    def _holds(self, found: int) -> bool:
        return self.since <= found <= self.until


def _instant(value: Any) -> EpochMs:
    """The time, or the midnight, UTC, with which the date begins."""
    if isinstance(value, str) and "T" not in value.upper():
        return parse_instant(f"{parse_date(value)}T00:00:00Z")
    found = instant(value)
    if not isinstance(value, str):
        format_instant(found)  # an instant that no calendar has
    return found


def _times(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name in ("triggerTime", "businessDate", "notAfter"):
        if name in spec:
            yield ("spec", name), spec[name]
    for name in ("triggerTimes", "businessDates"):
        for end in ("from", "to"):
            if name in spec:
                yield ("spec", name, end), spec[name][end]
    for index, entry in enumerate(spec.get("exclude", ())):
        for name in ("triggerTime", "businessDate"):
            if name in entry:
                yield ("spec", "exclude", index, name), entry[name]


MOST_RUNS = 10_000  # of one backfill, unless limits.maxRunsPerBackfill says otherwise
MOST_DECLARED = 200_000  # of all manifests together, unless limits.maxRuns says otherwise
MOST_CHARACTERS = 1 << 20  # of the parameters of one run; gateways take less
MOST_CHARACTERS_TOGETHER = 1 << 26  # of those of all runs of one backfill
LONGEST_NAME = 1_024  # of a run, as the schema allows references to it

_MATRIX: Path = ("spec", "matrix")
_PARAMETERS: Path = ("spec", "parameters")
_MOST_WRITTEN = 10**12


class Bounds(Numerous, frozen=True, kw_only=True, gc=False):
    """What a manifest may declare. Runs are counted with those that `exclude` takes away."""

    backfill: int = MOST_RUNS  # where it is a backfill
    left: int = MOST_DECLARED  # of what all manifests together may make
    window: Window | None = None  # in which times must lie; None: in any year
    sensitive: tuple[str, ...] = ()  # patterns of the names of parameters that are not shown


class NoRoomError(Exception):
    """The manifests together make more runs than they may; the last one at least `runs`."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self.runs = runs


def bounded_slots(spec: Mapping[str, Any], table: Timetable, bounds: Bounds) -> list[Slot]:
    """The times of a backfill.

    Raises NotExpandedError if it has too many, or too many combinations, and NoRoomError.
    """
    combinations = count(spec.get("matrix", {}))
    if combinations > bounds.backfill:
        raise _too_many(_MATRIX, combinations, bounds.backfill)
    most = min(bounds.backfill, bounds.left) // combinations
    slots = list(islice(table.slots(), most + 1))
    runs = len(slots) * combinations
    if runs > bounds.backfill:
        raise _too_many(table.path, runs, bounds.backfill, counted=runs)
    if runs > bounds.left:
        raise NoRoomError(runs)
    return sorted(slots, key=lambda slot: slot.base)


def check_names(name: str, spec: Mapping[str, Any], slots: list[Slot]) -> None:
    """Raise NotExpandedError if runs would have names that nobody could refer to."""
    label = max(len(slot.label) for slot in slots)
    length = len(f"{name}/") + label + longest(spec.get("matrix", {}))
    if length > LONGEST_NAME:
        words = (
            f"makes names of {length} characters for runs, more than {LONGEST_NAME}: use fewer "
            "keys, or shorter values"
        )
        raise NotExpandedError([Finding(path=_MATRIX, code="range", words=words)])


def check_text(spec: Mapping[str, Any], runs: int = 1) -> None:
    """Raise NotExpandedError if so many runs have more text in parameters than can be meant."""
    parameters = spec.get("parameters", {})
    own = sum(map(len, parameters)) + sum(map(len, parameters.values()))
    varied = longest(spec["matrix"]) if "matrix" in spec else 0
    if (own + varied) * runs <= MOST_CHARACTERS:  # as nearly always
        return
    for size, most, of_all in (
        (own + varied, MOST_CHARACTERS, "a run"),
        ((own + varied) * runs, MOST_CHARACTERS_TOGETHER, f"all {runs} runs"),
    ):
        if size > most:
            words = f"the parameters of {of_all} hold {size} characters, more than {most}"
            path = _PARAMETERS if own else _MATRIX
            raise NotExpandedError([Finding(path=path, code="range", words=words)])


def _too_many(path: Path, runs: int, max_runs: int, counted: int = 0) -> NotExpandedError:
    words = (
        f"makes at least {_written(runs)} runs, more than the {max_runs} that "
        "limits.maxRunsPerBackfill allows: narrow it, or raise the limit"
    )
    return NotExpandedError([Finding(path=path, code="range", words=words)], made=counted)


def _written(number: int) -> str:
    if number < _MOST_WRITTEN:
        return str(number)
    return f"10^{(number.bit_length() - 1) * 30102 // 100_000}"  # log10(2), cut
