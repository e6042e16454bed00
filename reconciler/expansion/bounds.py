"""What may be declared: how many runs, counted before they take memory, and at what times.

Times in implausible years, and seconds in place of milliseconds, are refused as mistakes.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct

from reconciler.expansion.common import LAST, NotExpandedError, read_instant
from reconciler.model import EpochMs
from reconciler.numerous import Numerous
from reconciler.schema import Finding
from reconciler.schema.formats import parse_date
from reconciler.schema.paths import Path
from reconciler.times import format_instant, parse_instant

FIRST_YEAR = 1990  # unless limits.firstYear says otherwise
YEARS_AHEAD = 5  # unless limits.yearsAhead says otherwise

# Times in seconds have ten digits until the year 2286. In milliseconds, they had until April 1970.
_MOST_SECONDS = 10**10
_LONGEST_YEAR = timedelta(days=366)
_MILLISECOND = timedelta(milliseconds=1)


class Window(Struct, frozen=True, kw_only=True):
    """The earliest and the latest instant that a manifest may name, both included.

    The window only widens as time goes on, so an accepted manifest stays accepted.
    """

    since: EpochMs
    until: EpochMs

    @classmethod
    def of(
        cls, now: EpochMs, first_year: int = FIRST_YEAR, years_ahead: int = YEARS_AHEAD
    ) -> "Window":
        """The window from the beginning of the first year, UTC, to that many years after now."""
        ahead = years_ahead * _LONGEST_YEAR // _MILLISECOND
        return cls(
            since=parse_instant(f"{first_year:04d}-01-01T00:00:00Z"),
            until=EpochMs(min(now + ahead, LAST)),
        )

    def findings(self, spec: Mapping[str, Any]) -> Iterator[Finding]:
        """A finding for each time in the spec that lies outside; malformed times are skipped."""
        for path, value in _times(spec):
            words = self._range_words(value)
            if words is not None:
                yield Finding(path=path, code="range", words=words)

    def _range_words(self, value: object) -> str | None:
        try:
            found = _instant_of(value)
        except (ValueError, OverflowError):
            return None  # a malformed time has a finding of its own
        is_short = not isinstance(value, str) and 0 < found < _MOST_SECONDS
        # As milliseconds, the number is a time in early 1970. Never accept it: otherwise it would
        # be refused later, once the window has widened to the time that it means in seconds.
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


def _instant_of(value: Any) -> EpochMs:
    """The instant of a time, or of the midnight, UTC, that begins a date. Raises ValueError."""
    if isinstance(value, str) and "T" not in value.upper():
        return parse_instant(f"{parse_date(value)}T00:00:00Z")
    found = read_instant(value)
    if not isinstance(value, str):
        format_instant(found)  # raises for an instant that no calendar has
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

_MATRIX: Path = ("spec", "matrix")
_PARAMETERS: Path = ("spec", "parameters")


class Bounds(Numerous, frozen=True, kw_only=True, gc=False):
    """What a manifest may declare. Counts of runs include those that `exclude` leaves out."""

    backfill: int = MOST_RUNS  # runs of one backfill
    left: int = MOST_DECLARED  # runs left of those that all manifests together may make
    window: Window | None = None  # that times must lie in; None: any year
    sensitive: tuple[str, ...] = ()  # patterns of the names of parameters that are not shown


class NoRoomError(Exception):
    """All manifests together make too many runs; this one makes at least `runs` of them."""

    def __init__(self, runs: int) -> None:
        super().__init__()
        self.runs = runs


def check_text(spec: Mapping[str, Any], runs: int = 1, varied: int = 0) -> None:
    """Raise NotExpandedError if one run, or all together, have too much text in parameters.

    `varied`: characters that a run has of the matrix.
    """
    parameters = spec.get("parameters", {})
    own = sum(map(len, parameters)) + sum(map(len, parameters.values()))
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
