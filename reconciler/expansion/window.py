"""Times that cannot be meant: years that no run is about, and seconds where milliseconds stand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from reconciler.expansion.common import LAST, instant
from reconciler.model import EpochMs
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
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
        if not isinstance(value, str) and 0 < found < _MOST_SECONDS and self._holds(found * 1000):
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
