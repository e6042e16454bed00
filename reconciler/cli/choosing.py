"""Which runs the options of `status` ask for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice

import click
from msgspec import Struct, field

from reconciler.errors import ReconcilerError
from reconciler.model import RunId, combination_of, run_name
from reconciler.render.status_text import StatusRow
from reconciler.schema.paths import quotable_text
from reconciler.selection import find_meant, unknown_word_error

_MOST_NAMED = 5  # values of a label or parameter, in a note


class Filter(Struct, frozen=True, kw_only=True):
    """Which runs the user asked for; empty means all."""

    runs: tuple[str, ...]
    states: frozenset[str]
    labels: Mapping[str, str]
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # patterns by parameter

    @classmethod
    def of(
        cls,
        *,
        runs: tuple[str, ...],
        states: tuple[str, ...],
        labels: tuple[str, ...],
        where: tuple[str, ...] = (),
    ) -> "Filter":
        """Read the options. Raises click.BadParameter for a label or parameter without a value."""
        patterns: dict[str, tuple[str, ...]] = {}
        for key, pattern in _pairs(where, "--where"):
            patterns[key] = (*patterns.get(key, ()), pattern)
        return cls(
            runs=runs,
            states=frozenset(states),
            labels=dict(_pairs(labels, "--label")),
            where=patterns,
        )

    @property
    def asks(self) -> bool:
        """Whether the user asked for anything; if not, all runs are meant."""
        return bool(self.runs or self.states or self.labels or self.where)

    @property
    def is_narrow(self) -> bool:
        """Whether only some runs are wanted; each then gets a line of its own."""
        return bool(self.runs or self.states or self.where)

    def find_meant_runs(self, runs: Collection[RunId]) -> list[frozenset[RunId]]:
        """The existing runs that each RUN means. Raises ReconcilerError if one means none."""
        found = [find_meant(word, runs) for word in self.runs]
        for word, those in zip(self.runs, found, strict=True):
            if not those:
                raise unknown_word_error(word)
        return found

    def unmet_notes(self, rows: Collection[StatusRow]) -> Iterator[str]:
        """A note about each label and parameter whose value no run has: it is probably misspelt."""
        for key, value in self.labels.items():
            values = {row.labels[key] for row in rows if key in row.labels}
            if value not in values:
                yield f"no run carries the label {key}={value}{_values_hint(key, values)}"
        given = [parameters_of(row) for row in rows] if self.where else []
        for key, patterns in self.where.items():
            values = {one[key] for one in given if key in one}
            for pattern in patterns:
                if not any(_matches(value, pattern) for value in values):
                    yield f"no run has the parameter {key}={pattern}{_values_hint(key, values)}"

    def check_keys(self, rows: Collection[StatusRow]) -> None:
        """Raise ReconcilerError for a label or parameter that no run has, where there are runs.

        Such a name is certainly a mistake, and an empty report would read as if all were well.
        """
        if not rows:
            return
        if self.labels:
            _check_known("label", self.labels, [row.labels for row in rows])
        if self.where:
            _check_known("parameter", self.where, list(map(parameters_of, rows)))

    def fits(self, row: StatusRow) -> bool:
        """Whether the row has one of the states, and the labels and parameters, asked for."""
        return (
            (not self.states or row.state in self.states)
            and all(row.labels.get(key) == value for key, value in self.labels.items())
            and self._fits_parameters(row)
        )

    def _fits_parameters(self, row: StatusRow) -> bool:
        if not self.where:
            return True
        given = parameters_of(row)
        return all(
            key in given and any(_matches(given[key], pattern) for pattern in patterns)
            for key, patterns in self.where.items()
        )


def parameters_of(row: StatusRow) -> Mapping[str, str]:
    """The run's parameters, as far as its manifest, or else its name, shows them."""
    if row.parameters is None:
        return combination_of(run_name(row.run))
    return dict(row.parameters)


def _check_known(what: str, wanted: Collection[str], given: Sequence[Mapping[str, str]]) -> None:
    known = {key for one in given for key in one} if wanted else set()
    for key in wanted:
        if key not in known:
            raise ReconcilerError(
                f"no run has the {what} {quotable_text(key)}", hint=_suggest_key(what, key, known)
            )


def _suggest_key(what: str, key: str, known: Collection[str]) -> str:
    """A hint: which of the known keys was perhaps meant, and which keys there are."""
    if not known:
        return f"There is no run with any {what}."
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    meant = f"Did you mean {quotable_text(near[0])}? " if near else ""
    are = ", ".join(map(quotable_text, sorted(known)[:_MOST_NAMED]))
    return f"{meant}The {what}s are {are}{', …' if len(known) > _MOST_NAMED else ''}."


def _pairs(given: Sequence[str], option: str) -> Iterator[tuple[str, str]]:
    for one in given:
        key, separator, value = one.partition("=")
        if not (key and separator):
            raise click.BadParameter(f"{one!r} is not KEY=VALUE", param_hint=option)
        yield key, value


def _matches(value: str, pattern: str) -> bool:
    """Whether the value is the pattern's text, with anything in place of each `*` in it."""
    if "*" not in pattern:
        return value == pattern
    first, *middle, last = pattern.split("*")
    if len(value) < len(first) + len(last) or not value.startswith(first):
        return False
    if not value.endswith(last):
        return False
    at, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _values_hint(key: str, values: Collection[str]) -> str:
    """`; SITE is cn-01, cn-02`; "" where there is no value."""
    if not values:
        return ""
    some = ", ".join(quotable_text(one) for one in islice(sorted(values), _MOST_NAMED))
    return f"; {key} is {some}{', …' if len(values) > _MOST_NAMED else ''}"
