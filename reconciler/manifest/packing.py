"""What a file declares as bytes, from one process of this program to another.

Only what manifests of one run say can be packed: a backfill's runs share much in memory, and are
made as fast as they are unpacked.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from sys import intern
from typing import Any

from reconciler.manifest.read import FileResult
from reconciler.model import Match, Parameters, Place, Problem, Retry, Run

# Of a run that stands alone. What is not named here has its default in every such run.
_AS_THEY_ARE = (
    *("name", "revision", "flow_id", "trigger_time", "digest", "description", "suspend"),
    *("not_after", "duplicate_of", "cancel", "again"),
)
_plain = attrgetter(*_AS_THEY_ARE)
_Packed = Sequence[Any]  # what msgpack holds


def packed(result: FileResult) -> _Packed | None:
    """The result as values of msgpack; None for one that is better read anew."""
    if result.notes or any("/" in run.name for run in result.runs):  # of a backfill
        return None
    problems = [
        (one.place.file, one.place.line, one.place.column, one.code, one.pointer, one.message)
        for one in result.problems
    ]
    return result.file, result.made, [_packed_run(run) for run in result.runs], problems


def unpacked(values: _Packed) -> FileResult:
    """The result that was packed."""
    file, made, runs, problems = values
    return FileResult(
        file=file,
        runs=tuple(_run(file, *one) for one in runs),
        problems=tuple(_problem(*one) for one in problems),
        made=made,
    )


def _packed_run(run: Run) -> _Packed:
    return (
        _plain(run),
        run.parameters,
        (run.place.line, run.place.column),
        [(pointer, place.line, place.column) for pointer, place in run.places.items()],
        dict(run.labels),
        (run.depends_on, run.formerly, tuple(run.sensitive)),
        [(one.names, one.keys) for one in run.matching],
        run.retry and (run.retry.max, tuple(run.retry.on)),
    )


def _run(
    file: str,
    plain: _Packed,
    parameters: Iterable[_Packed],
    place: _Packed,
    places: Iterable[_Packed],
    labels: dict[str, str],
    names: Sequence[Sequence[str]],
    matching: Iterable[_Packed],
    retry: _Packed | None,
) -> Run:
    depends_on, formerly, sensitive = names
    return Run(
        **dict(zip(_AS_THEY_ARE, plain, strict=True)),
        parameters=_parameters(parameters),
        place=Place(file=file, line=place[0], column=place[1]),
        places={intern(of): Place(file=file, line=line, column=at) for of, line, at in places},
        labels={intern(key): intern(value) for key, value in labels.items()},
        depends_on=tuple(depends_on),
        formerly=tuple(formerly),
        sensitive=frozenset(sensitive),
        matching=tuple(Match(names=tuple(of), keys=tuple(keys)) for of, keys in matching),
        retry=Retry(max=retry[0], on=frozenset(retry[1])) if retry else None,
    )


def _parameters(pairs: Iterable[_Packed]) -> Parameters:
    return tuple((intern(key), value) for key, value in pairs)


def _problem(file: str, line: int, column: int, code: str, pointer: str, message: str) -> Problem:
    place = Place(file=file, line=line, column=column)
    return Problem(place=place, code=code, pointer=pointer, message=message)
