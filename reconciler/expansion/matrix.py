"""`matrix`: the combinations of its values, and how they stand in the names of runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from sys import intern
from typing import Any

from reconciler.model import Parameters
from reconciler.schema import Finding
from reconciler.schema.paths import Path

RESERVED = ("businessDate", "triggerTime")  # in an exclusion they mean times
_MATRIX: Path = ("spec", "matrix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One value of each key; sorted by key, so that their order in the file changes nothing."""

    parameters: Parameters  # the manifest's own, and then these
    segments: str  # of its runs' names, each with a slash before it: /MODE=full/SITE=cn-01


def matrix_findings(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the matrix, of a spec that conforms."""
    for key, values in spec.get("matrix", {}).items():
        path = (*_MATRIX, key)
        if key in RESERVED:
            words = "means a time in exclude, so it cannot be a key of the matrix"
            yield Finding(path=path, code="reserved", words=words, where="key")
        if key in spec.get("parameters", {}):
            words = "stands in parameters as well: take it out of one of the two"
            yield Finding(path=path, code="exclusive", words=words, where="key")
        yield from _repeated(path, values)


def _repeated(path: Path, values: Sequence[str]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if first.setdefault(value, index) != index:
            words = f"stands in the list already, at [{first[value]}]: remove one of the two"
            yield Finding(path=(*path, index), code="exclusive", words=words)


def combinations(matrix: Mapping[str, Sequence[str]], own: Parameters) -> Iterator[Combination]:
    """Each combination of the values, after the manifest's own parameters; one without any keys."""
    lists = [
        [
            ((intern(key), intern(value)), f"/{_written(key, '=')}={_written(value)}")
            for value in values
        ]
        for key, values in sorted(matrix.items())
    ]
    for chosen in product(*lists):
        yield Combination(
            parameters=(*own, *(pair for pair, _ in chosen)),
            segments="".join(segment for _, segment in chosen),
        )


def count(matrix: Mapping[str, Sequence[str]]) -> int:
    """How many combinations there are."""
    return prod(map(len, matrix.values()))


def longest(matrix: Mapping[str, Sequence[str]]) -> int:
    """How long the segments of a combination can become."""
    return sum(
        len(f"/{_written(key, '=')}=") + max(len(_written(value)) for value in values)
        for key, values in matrix.items()
    )


def _written(text: str, also: str = "") -> str:
    """The text as it stands in a name, with an escape wherever it could be read otherwise.

    A character that Python's Unicode does not know yet has an escape, too.
    """
    return "".join(
        character
        if character.isprintable() and character not in " %/@#" + also
        else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    """Percent-encoded (RFC 3986, 2.1), in UTF-8."""
    return "".join(f"%{byte:02X}" for byte in character.encode())
