"""What files declare, packed into bytes that one process of this program sends to another.

Only manifests of one run are packed: the runs of a backfill share much memory, and expanding it is
as fast as unpacking its runs. What many manifests have in common, such as the places of their
fields and the names of their parameters, is sent once, and shared by the receiver.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from sys import intern
from types import GenericAlias
from typing import Annotated, Any

import msgspec

from reconciler.expansion.common import read_labels, read_pair
from reconciler.manifest.read import FileResult
from reconciler.model import Match, Place, Places, Problem, Retry, Run

_USUAL = ("name", "flow_id", "trigger_time", "digest")  # different for every run
_BY_ITSELF = ("parameters", "labels", "place", "places")  # each packed in its own way
_MADE = ("sensitive", "matching", "retry")  # not just text, numbers and tuples of them
_NEVER = (  # always the default in what is packed
    *("after", "max_active", "stop_after", "stagger", "sequence", "times"),  # of backfills
    *("delay", "attempt", "declared_as"),  # set only after reading
)
# A field that is new is packed as it is, and one that cannot be is a test's to find.
_PLAIN = {
    one.name: 1 if one.name == "revision" else one.default
    for one in msgspec.structs.fields(Run)
    if one.name not in {*_USUAL, *_BY_ITSELF, *_MADE, *_NEVER}
}
_RARE = (*_PLAIN, *_MADE)  # where one of these is not the default, all are packed
_usual, _rare = attrgetter(*_USUAL), attrgetter(*_RARE)
_DEFAULTS: tuple[object, ...] = (*_PLAIN.values(), frozenset(), (), None)
_Packed = Sequence[Any]  # what msgpack holds
_Marks = dict[str, tuple[int, int]]  # line and column, by JSON Pointer

# The types of what msgpack holds, because a cache may have kept anything. A time has a date.
_Name = Annotated[str, msgspec.Meta(min_length=1)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
_Number = Annotated[int, msgspec.Meta(ge=1)]
_PlainRow: Any = GenericAlias(
    tuple, tuple(one.type for one in msgspec.structs.fields(Run) if one.name in _PLAIN)
)
_RareRow = tuple[
    _PlainRow,
    tuple[str, ...],
    list[tuple[tuple[str, ...], tuple[str, ...]]],
    tuple[_Number, tuple[str, ...]] | None,
]
_RunRow = tuple[
    int,
    tuple[_Name, _Number, _Time, str],
    list[str],
    list[str],
    _Number,
    _Number,
    _RareRow | None,
]
_ProblemRow = tuple[str, _Number, _Number, str, str, str]
_HeadRow = tuple[tuple[tuple[str, tuple[_Number, _Number]], ...], tuple[str, ...], tuple[str, ...]]
_FileRow = tuple[str, int, list[_RunRow], list[_ProblemRow]]
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
    tuple[list[_HeadRow], list[_FileRow]]
)


class UnpackError(ValueError):
    """These bytes are not what `pack` has packed."""


def is_packable(result: FileResult) -> bool:
    """Whether the result can be packed: it has no note, and no run of a backfill."""
    return not (result.notes or any("/" in run.name for run in result.runs))


def pack(results: Iterable[FileResult]) -> bytes:
    """The results that can be packed, as bytes; the receiver must read the other files itself."""
    heads: dict[tuple[Any, ...], int] = {}
    packed = [
        (
            one.file,
            one.made,
            [_packed_run(run, heads) for run in one.runs],
            [_packed_problem(problem) for problem in one.problems],
        )
        for one in results
        if is_packable(one)
    ]
    return msgspec.msgpack.encode((list(heads), packed))


def unpack(body: bytes) -> Iterator[FileResult]:
    """The results that were packed. Raises UnpackError."""
    try:
        yield from _unpack_results(body)
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        raise UnpackError(str(error)) from error


def _unpack_results(body: bytes) -> Iterator[FileResult]:
    heads, packed = _decoder.decode(body)
    shared = [_head(*head) for head in heads]
    for file, made, runs, problems in packed:
        yield FileResult(
            file=file,
            runs=tuple([_run(file, shared[head], *one) for head, *one in runs]),
            problems=tuple([_problem(*one) for one in problems]),
            made=made,
        )


def _packed_run(run: Run, heads: dict[tuple[Any, ...], int]) -> _Packed:
    marks = tuple(_marks(run.places).items())
    head = marks, tuple([key for key, _ in run.parameters]), tuple(run.labels)
    rare = _rare(run)
    return (
        heads.setdefault(head, len(heads)),
        _usual(run),
        [value for _, value in run.parameters],
        list(run.labels.values()),
        run.place.line,
        run.place.column,
        None if rare == _DEFAULTS else _packed_rare_fields(rare),
    )


def _marks(places: Mapping[str, Place]) -> Mapping[str, tuple[int, int]]:
    if isinstance(places, Places):
        return places.marks
    return {pointer: (place.line, place.column) for pointer, place in places.items()}


def _packed_rare_fields(values: _Packed) -> _Packed:
    *plain, sensitive, matching, retry = values
    return (
        plain,
        tuple(sensitive),
        [(one.names, one.keys) for one in matching],
        retry and (retry.max, tuple(retry.on)),
    )


def _packed_problem(problem: Problem) -> _Packed:
    place = problem.place
    return place.file, place.line, place.column, problem.code, problem.pointer, problem.message


_Head = tuple[_Marks, tuple[str, ...], tuple[str, ...]]


def _head(marks: Iterable[_Packed], parameters: Iterable[str], labels: Iterable[str]) -> _Head:
    places = {intern(pointer): (line, column) for pointer, (line, column) in marks}
    return places, tuple(map(intern, parameters)), tuple(map(intern, labels))


def _run(
    file: str,
    head: _Head,
    usual: _Packed,
    values: Sequence[str],
    labels: Sequence[str],
    line: int,
    column: int,
    rare: _Packed | None,
) -> Run:
    name, flow_id, trigger_time, digest = usual
    # By these signs a run of a backfill, a revision or an attempt is told. (A pattern in the type
    # would take as long as all the decoding.)
    if "/" in name or "@" in name or "#" in name:
        raise ValueError(f"{name} is not the name of a manifest")
    marks, keys, label_keys = head
    run = Run(
        name=name,
        revision=1,
        flow_id=flow_id,
        trigger_time=trigger_time,
        digest=digest,
        parameters=tuple(map(read_pair, keys, values)),
        labels=read_labels(tuple(zip(label_keys, labels, strict=True))),
        place=Place(file=file, line=line, column=column),
        places=Places(file, marks),
    )
    return run.but(**_rare_fields(*rare)) if rare else run


def _rare_fields(
    plain: _Packed, sensitive: Iterable[str], matching: Iterable[_Packed], retry: _Packed | None
) -> Mapping[str, Any]:
    return dict(
        zip(
            _RARE,
            (
                *plain,
                frozenset(sensitive),
                tuple(Match(names=tuple(of), keys=tuple(keys)) for of, keys in matching),
                Retry(max=retry[0], on=frozenset(retry[1])) if retry else None,
            ),
            strict=True,
        )
    )


def _problem(file: str, line: int, column: int, code: str, pointer: str, message: str) -> Problem:
    place = Place(file=file, line=line, column=column)
    return Problem(place=place, code=code, pointer=pointer, message=message)
