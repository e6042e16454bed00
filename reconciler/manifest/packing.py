"""What files declare, packed into bytes that one process of this program sends to another.

Only manifests of one run are packed: the runs of a backfill share much memory, and expanding it is
as fast as unpacking its runs. What many manifests have in common, such as where their fields stand,
the names of their parameters and their terms, is sent once, and shared by the receiver.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from sys import intern
from types import GenericAlias
from typing import Annotated, Any

import msgspec

from reconciler.expansion.common import read_labels, read_pair
from reconciler.manifest.read import FileResult
from reconciler.model import Marks, Match, Place, Problem, Retry, Run, Terms

# Different for every run. Its other fields are of backfills, or set only after reading.
_usual = attrgetter("name", "flow_id", "trigger_time", "digest")
_MADE = ("labels", "sensitive", "matching", "retry")  # not just text, numbers and tuples of them
_NEVER = ("max_active", "stop_after", "times")  # of backfills
# A field that is new is packed as it is, and one that cannot be is a test's to find.
_PLAIN = {
    one.name: one.type for one in msgspec.structs.fields(Terms) if one.name not in {*_MADE, *_NEVER}
}
_plain = attrgetter(*_PLAIN)
_Packed = Sequence[Any]  # what msgpack holds

# The types of what msgpack holds, because a cache may have kept anything. A time has a date.
_Name = Annotated[str, msgspec.Meta(min_length=1)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
_Number = Annotated[int, msgspec.Meta(ge=1)]
_PlainRow: Any = GenericAlias(tuple, tuple(_PLAIN.values()))
_TermsRow = tuple[
    _PlainRow,
    tuple[tuple[str, str], ...],
    tuple[str, ...],
    tuple[tuple[tuple[str, ...], tuple[str, ...]], ...],
    tuple[_Number, tuple[str, ...]] | None,
]
_RunRow = tuple[int, int, tuple[_Name, _Number, _Time, str], list[str]]
_ProblemRow = tuple[str, _Number, _Number, str, str, str]
_HeadRow = tuple[tuple[tuple[str, tuple[_Number, _Number]], ...], tuple[str, ...]]
_FileRow = tuple[str, int, list[_RunRow], list[_ProblemRow]]
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
    tuple[list[_HeadRow], list[_TermsRow], list[_FileRow]]
)


class UnpackError(ValueError):
    """These bytes are not what `pack` has packed."""


def is_packable(result: FileResult) -> bool:
    """Whether the result can be packed: it has no note, and no run of a backfill."""
    return not (result.notes or any("/" in run.name for run in result.runs))


def pack(results: Iterable[FileResult]) -> bytes:
    """The results that can be packed, as bytes; the receiver must read the other files itself."""
    heads: dict[_Head, int] = {}
    terms: dict[int, tuple[int, Terms]] = {}  # by `id()`, which stays theirs while they are here
    packed = [
        (
            one.file,
            one.made,
            [_packed_run(run, heads, terms) for run in one.runs],
            [_packed_problem(problem) for problem in one.problems],
        )
        for one in results
        if is_packable(one)
    ]
    shared = [_packed_terms(one) for _, one in terms.values()]
    return msgspec.msgpack.encode((list(heads), shared, packed))


def unpack(body: bytes) -> Iterator[FileResult]:
    """The results that were packed. Raises UnpackError."""
    try:
        yield from _unpack_results(body)
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        raise UnpackError(str(error)) from error


def _unpack_results(body: bytes) -> Iterator[FileResult]:
    heads, packed_terms, packed = _decoder.decode(body)
    shared = [_head(*head) for head in heads]
    terms = [_terms(*one) for one in packed_terms]
    for file, made, runs, problems in packed:
        yield FileResult(
            file=file,
            runs=tuple([_run(file, shared[head], terms[own], *one) for head, own, *one in runs]),
            problems=tuple([_problem(*one) for one in problems]),
            made=made,
        )


_Head = tuple[tuple[tuple[str, tuple[int, int]], ...], tuple[str, ...]]


def _packed_run(run: Run, heads: dict[_Head, int], terms: dict[int, tuple[int, Terms]]) -> _Packed:
    head = tuple(run.marks.items()), tuple([key for key, _ in run.parameters])
    return (
        heads.setdefault(head, len(heads)),
        terms.setdefault(id(run.terms), (len(terms), run.terms))[0],
        _usual(run),
        [value for _, value in run.parameters],
    )


def _packed_terms(terms: Terms) -> _Packed:
    retry = terms.retry
    return (
        _plain(terms),
        tuple(terms.labels.items()),
        tuple(terms.sensitive),
        [(one.names, one.keys) for one in terms.matching],
        retry and (retry.max, tuple(retry.on)),
    )


def _packed_problem(problem: Problem) -> _Packed:
    place = problem.place
    return place.file, place.line, place.column, problem.code, problem.pointer, problem.message


def _head(marks: Iterable[_Packed], parameters: Iterable[str]) -> tuple[Marks, tuple[str, ...]]:
    places = {intern(pointer): (line, column) for pointer, (line, column) in marks}
    if "" not in places:
        raise ValueError("nobody knows where the document begins")
    return places, tuple(map(intern, parameters))


def _run(
    file: str,
    head: tuple[Marks, tuple[str, ...]],
    terms: Terms,
    usual: _Packed,
    values: Sequence[str],
) -> Run:
    name, flow_id, trigger_time, digest = usual
    # By these signs a run of a backfill, a revision or an attempt is told. (A pattern in the type
    # would take as long as all the decoding.)
    if "/" in name or "@" in name or "#" in name:
        raise ValueError(f"{name} is not the name of a manifest")
    marks, keys = head
    return Run(
        name=name,
        flow_id=flow_id,
        trigger_time=trigger_time,
        digest=digest,
        parameters=tuple(map(read_pair, keys, values)),
        file=file,
        marks=marks,
        terms=terms,
    )


@lru_cache(maxsize=4_096)  # of all that one process hands another in portions
def _terms(
    plain: _Packed,
    labels: tuple[tuple[str, str], ...],
    sensitive: Iterable[str],
    matching: Iterable[tuple[tuple[str, ...], tuple[str, ...]]],
    retry: tuple[int, tuple[str, ...]] | None,
) -> Terms:
    return Terms(
        **dict(zip(_PLAIN, plain, strict=True)),
        labels=read_labels(labels),
        sensitive=frozenset(sensitive),
        matching=tuple(Match(names=names, keys=keys) for names, keys in matching),
        retry=Retry(max=retry[0], on=frozenset(retry[1])) if retry else None,
    )


def _problem(file: str, line: int, column: int, code: str, pointer: str, message: str) -> Problem:
    place = Place(file=file, line=line, column=column)
    return Problem(place=place, code=code, pointer=pointer, message=message)
