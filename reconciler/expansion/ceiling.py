"""How many runs one backfill may declare, found before memory is spent on them."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from reconciler.expansion.common import RefusedError
from reconciler.expansion.matrix import count, longest
from reconciler.expansion.slots import Slot, Timetable
from reconciler.schema import Finding
from reconciler.schema.paths import Path

LONGEST_NAME = 1_024  # of a run, as the schema allows references to it

_MATRIX: Path = ("spec", "matrix")
_MOST_WRITTEN = 10**12


def bounded_slots(spec: Mapping[str, Any], table: Timetable, max_runs: int) -> list[Slot]:
    """The times of a backfill. Raises RefusedError if it has too many, or too many combinations."""
    combinations = count(spec.get("matrix", {}))
    if combinations > max_runs:
        raise _too_many(_MATRIX, combinations, max_runs)
    most = max_runs // combinations
    slots = list(islice(table.slots(), most + 1))
    if len(slots) > most:
        raise _too_many(table.path, len(slots) * combinations, max_runs)
    return sorted(slots, key=lambda slot: slot.base)


def check_names(name: str, spec: Mapping[str, Any], slots: list[Slot]) -> None:
    """Raise RefusedError if runs would have names that nobody could refer to."""
    label = max(len(slot.label) for slot in slots)
    length = len(f"{name}/") + label + longest(spec.get("matrix", {}))
    if length > LONGEST_NAME:
        words = (
            f"makes names of {length} characters for runs, more than {LONGEST_NAME}: use fewer "
            "keys, or shorter values"
        )
        raise RefusedError([Finding(path=_MATRIX, code="range", words=words)])


def _too_many(path: Path, runs: int, max_runs: int) -> RefusedError:
    words = (
        f"makes at least {_written(runs)} runs, more than the {max_runs} that "
        "limits.maxRunsPerBackfill allows: narrow it, or raise the limit"
    )
    return RefusedError([Finding(path=path, code="range", words=words)])


def _written(number: int) -> str:
    if number < _MOST_WRITTEN:
        return str(number)
    return f"10^{(number.bit_length() - 1) * 30102 // 100_000}"  # log10(2), cut
