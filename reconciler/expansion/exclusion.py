"""`exclude`: which runs of a backfill are left out."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any

from msgspec import Struct

from reconciler.expansion.common import read_instant
from reconciler.expansion.matrix import RESERVED, Combination
from reconciler.model import EpochMs
from reconciler.schema import Finding
from reconciler.schema.formats import parse_date
from reconciler.schema.paths import Path, quotable_text

_EXCLUDE: Path = ("spec", "exclude")
_BUSINESS_DATE, _TRIGGER_TIME = RESERVED
_MOST_NAMED = 10  # keys or values that a message lists

# The times that an entry leaves out: those of a date, and at an instant; None: any.
_Times = tuple[date | None, EpochMs | None]
_Values = tuple[str, ...]


def exclusion_findings(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the entries of a spec that conforms to the schema."""
    # The values as dictionaries: looking one up in a list of ten thousand takes too long.
    matrix = {key: dict.fromkeys(values) for key, values in spec.get("matrix", {}).items()}
    for index, entry in enumerate(spec.get("exclude", ())):
        for key, value in entry.items():
            yield from _item_findings((*_EXCLUDE, index, key), key, value, matrix)


def _item_findings(
    path: Path, key: str, value: Any, matrix: Mapping[str, Collection[str]]
) -> Iterator[Finding]:
    if key in RESERVED:
        return  # the schema has judged the time
    if key not in matrix:
        words = f"is not a known field; known are {_join_names([*matrix, *RESERVED])}"
        yield Finding(path=path, code="unknown-field", words=words, where="key")
    elif value not in matrix[key]:
        words = f'is "{quotable_text(value)}", which the matrix does not list; it lists '
        yield Finding(path=path, code="enum", words=words + _join_names(matrix[key]))


def _join_names(names: Collection[str]) -> str:
    more = len(names) - _MOST_NAMED
    listed = ", ".join(map(quotable_text, islice(names, _MOST_NAMED)))
    return f"{listed} and {more} more" if more > 0 else listed


def read_time(key: str, value: Any) -> date | EpochMs:
    """The date or the instant that an entry names. Raises ValueError with words for a person."""
    return parse_date(value) if key == _BUSINESS_DATE else read_instant(value)


class Exclusion(Struct, frozen=True, kw_only=True):
    """The entries, by the matrix keys that each names, and then by their values."""

    entries: Mapping[tuple[str, ...], Mapping[_Values, frozenset[_Times]]]

    def of(self, combination: Combination) -> frozenset[_Times]:
        """The times at which the combination is left out."""
        values = dict(combination.parameters)
        found: set[_Times] = set()
        for keys, entries in self.entries.items():
            found |= entries.get(tuple(values[key] for key in keys), frozenset())
        return frozenset(found)


def read_exclusion(spec: Mapping[str, Any]) -> Exclusion:
    """The entries of a spec without `exclusion_findings`."""
    entries: dict[tuple[str, ...], dict[_Values, set[_Times]]] = defaultdict(
        lambda: defaultdict(set)
    )
    for entry in spec.get("exclude", ()):
        keys = tuple(sorted(key for key in entry if key not in RESERVED))
        day = parse_date(entry[_BUSINESS_DATE]) if _BUSINESS_DATE in entry else None
        moment = read_instant(entry[_TRIGGER_TIME]) if _TRIGGER_TIME in entry else None
        entries[keys][tuple(entry[key] for key in keys)].add((day, moment))
    return Exclusion(
        entries={
            keys: {values: frozenset(times) for values, times in of_keys.items()}
            for keys, of_keys in entries.items()
        }
    )


def leaves_out(times: frozenset[_Times], business_date: date, trigger_time: EpochMs) -> bool:
    """Whether the date or the instant is among the times at which a combination is left out."""
    return bool(times) and not times.isdisjoint(
        ((None, None), (business_date, None), (None, trigger_time), (business_date, trigger_time))
    )
