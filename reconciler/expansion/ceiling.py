"""How many runs may be declared, found out before memory is spent on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from reconciler.expansion.common import NotExpandedError
from reconciler.expansion.matrix import count, longest
from reconciler.expansion.slots import Slot, Timetable
from reconciler.expansion.window import Window
from reconciler.schema import Finding
from reconciler.schema.paths import Path

MOST_RUNS = 10_000  # of one backfill, unless limits.maxRunsPerBackfill says otherwise
MOST_DECLARED = 200_000  # of all manifests together, unless limits.maxRuns says otherwise
MOST_CHARACTERS = 1 << 20  # of the parameters of one run; gateways take less
MOST_CHARACTERS_TOGETHER = 1 << 26  # of those of all runs of one backfill
LONGEST_NAME = 1_024  # of a run, as the schema allows references to it

_MATRIX: Path = ("spec", "matrix")
_PARAMETERS: Path = ("spec", "parameters")
_MOST_WRITTEN = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
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
    own = sum(len(key) + len(value) for key, value in spec.get("parameters", {}).items())
    varied = longest(spec.get("matrix", {}))
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
