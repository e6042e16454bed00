"""Backfills as plain values, without YAML around them, and the zones that make them hard."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from msgspec import Struct

from reconciler.expansion import MOST_RUNS, Bounds, Expanded, expand
from reconciler.model import EpochMs, Marks, Place, Problem, Run
from reconciler.schema import Finding, Where, validate
from reconciler.schema.paths import Path, pointer
from reconciler.times import parse_zone, zoned_time

MINUTE = 60_000
DAY = timedelta(days=1)
NAME = "wind-march"

# A zone, and a date on whose clocks something happens.
CHANGES = [
    ("America/New_York", date(2024, 3, 10)),  # 02:00 becomes 03:00
    ("America/New_York", date(2024, 11, 3)),  # 02:00 becomes 01:00
    ("Europe/London", date(2024, 3, 31)),
    ("Europe/London", date(2024, 10, 27)),
    ("Australia/Lord_Howe", date(2024, 4, 7)),  # half an hour back
    ("Australia/Lord_Howe", date(2024, 10, 6)),
    ("America/Sao_Paulo", date(2018, 11, 4)),  # there is no midnight
    ("America/Sao_Paulo", date(2018, 2, 17)),  # the last hour comes twice
    ("America/Havana", date(2024, 11, 3)),  # midnight comes twice
    ("America/Nuuk", date(2024, 3, 30)),  # there is no 23:00
    ("America/St_Johns", date(2010, 11, 6)),  # 00:01 of the next day becomes 23:01
    ("Antarctica/Casey", date(2010, 3, 5)),  # three hours back, over midnight
    ("Pacific/Apia", date(2011, 12, 30)),  # this date never was
    ("Pacific/Kwajalein", date(1993, 8, 21)),  # nor this one
    ("GMT+8", date(2024, 2, 29)),
]


class Stub(Struct, frozen=True, kw_only=True):
    """A manifest that knows the place of everything: the line is what its pointer says in bytes."""

    value: Any
    file: str = "wind.yaml"

    def place(self, path: Path, where: Where = "value") -> Place:
        return Place(file=self.file, line=_line_of(pointer(path)), column=len(where))

    def marks(self, paths: Callable[[Any], Mapping[str, Path]]) -> Marks:
        found = {name: self.place(path) for name, path in paths(self.value).items()}
        return {name: (at.line, at.column) for name, at in found.items()}

    def problem(self, finding: Finding) -> Problem:
        return Problem(
            place=self.place(finding.path, finding.where),
            code=finding.code,
            pointer=finding.pointer,
            message=finding.message,
        )


def _line_of(pointed: str) -> int:
    return int.from_bytes(pointed.encode())


def backfill(spec: Mapping[str, Any], *, name: str = NAME) -> Stub:
    """A backfill that conforms to the schema."""
    value = {
        "apiVersion": "reconciler/v1",
        "kind": "Backfill",
        "metadata": {"name": name},
        "spec": {"flowId": 3377, **spec},
    }
    assert not validate("trigger", value)
    return Stub(value=value)


def expanded(
    spec: Mapping[str, Any], zone: str = "GMT+8", *, max_runs: int = MOST_RUNS
) -> Expanded:
    return expand(backfill(spec), parse_zone(zone), Bounds(backfill=max_runs))


def runs(spec: Mapping[str, Any], zone: str = "GMT+8") -> tuple[Run, ...]:
    """The runs of a backfill in which nothing is wrong."""
    result = expanded(spec, zone)
    assert not result.problems
    return result.runs


def refused(
    spec: Mapping[str, Any], zone: str = "GMT+8", *, max_runs: int = MOST_RUNS
) -> list[str]:
    """The problems of a backfill that declares nothing, as codes and pointers."""
    result = expanded(spec, zone, max_runs=max_runs)
    assert not result.runs
    assert result.problems
    return [f"{problem.code} {problem.pointer}" for problem in result.problems]


def labels(found: tuple[Run, ...]) -> list[str]:
    """What stands between the manifest's name and the combination."""
    return [run.name.split("/")[1] for run in found]


def shown(found: tuple[Run, ...], zone: str) -> list[str]:
    """What clocks show when the runs start."""
    return [zoned_time(run.trigger_time, parse_zone(zone)).isoformat()[:16] for run in found]


class Clocks:
    """What clocks show, minute by minute, found without any arithmetic on times of day."""

    def __init__(self, zone: str, day: date, days: int = 4) -> None:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        middle = int(noon.timestamp() * 1000)
        span = range(middle - days * 24 * 60 * MINUTE, middle + days * 24 * 60 * MINUTE, MINUTE)
        self.zone = parse_zone(zone)
        self.shown = {EpochMs(at): zoned_time(EpochMs(at), self.zone) for at in span}
        self.instants: dict[datetime, list[EpochMs]] = defaultdict(list)
        for at, shown in self.shown.items():
            self.instants[shown.replace(tzinfo=None)].append(at)
        self.dates = {wall.date() for wall in self.instants}

    def first(self, wall: datetime) -> list[EpochMs]:
        """When they first show it, if ever."""
        return self.instants.get(wall, [])[:1]

    def both(self, wall: datetime) -> list[EpochMs]:
        """Every time that they show it."""
        return self.instants.get(wall, [])

    def moved_on(self, wall: datetime) -> list[EpochMs]:
        """When they first show it, or else as far past the gap as it lies in it, on its date.

        Where that is on another date, the last minute before the gap; nothing on a date that they
        do not show at all.
        """
        if wall in self.instants or wall.date() not in self.dates:
            return self.first(wall)
        last = max(shown for shown in self.instants if shown < wall)
        past = wall - last - timedelta(minutes=1)
        at = EpochMs(self.instants[last][-1] + MINUTE + past // timedelta(milliseconds=1))
        return [at if self.shown[at].date() == wall.date() else self.instants[last][-1]]


@cache
def clocks_around(change: tuple[str, date]) -> Clocks:
    """The clocks of a zone, some days around a date."""
    return Clocks(*change)
