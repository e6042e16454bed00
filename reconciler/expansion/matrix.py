"""`matrix`: the combinations of its values, and how the names of runs show them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from sys import intern
from typing import Any

from msgspec import Struct

from reconciler.expansion.characters import alike_words, escape_for_name, visible_form
from reconciler.model import Parameters
from reconciler.schema import Finding
from reconciler.schema.paths import Path

RESERVED = ("businessDate", "triggerTime")  # in `exclude`, these keys mean times
_MATRIX: Path = ("spec", "matrix")


class Combination(Struct, frozen=True, kw_only=True):
    """One value of each key, sorted by key, so that the order in the file changes nothing."""

    parameters: Parameters  # the manifest's own, then the combination's
    segments: str  # of the runs' names, each after a slash: /MODE=full/SITE=cn-01


def matrix_findings(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the matrix of a spec that conforms to the schema."""
    for key, values in spec.get("matrix", {}).items():
        path = (*_MATRIX, key)
        if key in RESERVED:
            words = "means a time in exclude, so it cannot be a key of the matrix"
            yield Finding(path=path, code="reserved", words=words, where="key")
        if key in spec.get("parameters", {}):
            words = "stands in parameters as well: take it out of one of the two"
            yield Finding(path=path, code="exclusive", words=words, where="key")
        yield from _repeated_value_findings(path, values)


def _repeated_value_findings(path: Path, values: Sequence[str]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        before = first.setdefault(visible_form(value), index)
        if before == index:
            continue
        if value == values[before]:
            words = f"stands in the list already, at [{before}]: remove one of the two"
        else:
            words = alike_words(value, values[before], f"at [{before}]")
        yield Finding(path=(*path, index), code="exclusive", words=words)


def combinations(matrix: Mapping[str, Sequence[str]], own: Parameters) -> Iterator[Combination]:
    """Each combination of the values, after the parameters in `own`; one if there are no keys."""
    lists = [
        [
            ((intern(key), intern(value)), f"/{escape_for_name(key)}={escape_for_name(value, '=')}")
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
    """The number of combinations."""
    return prod(map(len, matrix.values()))


def max_segment_length(matrix: Mapping[str, Sequence[str]]) -> int:
    """The greatest length of the segments of a combination."""
    return sum(
        len(f"/{escape_for_name(key)}=") + max(len(escape_for_name(value, "=")) for value in values)
        for key, values in matrix.items()
    )
