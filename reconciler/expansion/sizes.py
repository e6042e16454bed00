"""How many runs a backfill makes and how long their names are, before any of them takes memory."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from reconciler.expansion.bounds import Bounds, NoRoomError
from reconciler.expansion.common import NotExpandedError
from reconciler.expansion.matrix import count, max_segment_length
from reconciler.expansion.slots import Slot, Timetable
from reconciler.schema import Finding
from reconciler.schema.paths import Path

_LONGEST_NAME = 1_024  # of a run; the schema allows no longer reference

_MATRIX: Path = ("spec", "matrix")
_MOST_WRITTEN = 10**12


def bounded_slots(spec: Mapping[str, Any], table: Timetable, bounds: Bounds) -> list[Slot]:
    """The times of a backfill, ascending.

    Raises NotExpandedError for too many times or combinations, and NoRoomError.
    """
    combinations = count(spec.get("matrix", {}))
    if combinations > bounds.backfill:
        raise _too_many_error(_MATRIX, combinations, bounds.backfill)
    most = min(bounds.backfill, bounds.left) // combinations
    slots = list(islice(table.slots(), most + 1))
    runs = len(slots) * combinations
    if runs > bounds.backfill:
        raise _too_many_error(table.path, runs, bounds.backfill, counted=runs)
    if runs > bounds.left:
        raise NoRoomError(runs)
    return sorted(slots, key=lambda slot: slot.base)


def check_names(name: str, spec: Mapping[str, Any], slots: list[Slot]) -> None:
    """Raise NotExpandedError if runs would have names too long to refer to."""
    label = max(len(slot.label) for slot in slots)
    length = len(f"{name}/") + label + max_segment_length(spec.get("matrix", {}))
    if length > _LONGEST_NAME:
        words = (
            f"makes names of {length} characters for runs, more than {_LONGEST_NAME}: use fewer "
            "keys, or shorter values"
        )
        raise NotExpandedError([Finding(path=_MATRIX, code="range", words=words)])


def _too_many_error(path: Path, runs: int, max_runs: int, counted: int = 0) -> NotExpandedError:
    words = (
        f"makes at least {_number_text(runs)} runs, more than the {max_runs} that "
        "limits.maxRunsPerBackfill allows: narrow it, or raise the limit"
    )
    return NotExpandedError([Finding(path=path, code="range", words=words)], made=counted)


def _number_text(number: int) -> str:
    if number < _MOST_WRITTEN:
        return str(number)
    return f"10^{(number.bit_length() - 1) * 30102 // 100_000}"  # log10(2), rounded down
