"""A faster way to read files that have the same text as an earlier one, but for simple scalars.

Nearly all manifests of a repository are such files. There is no need to find out again what is a
key, how things are nested, and where they are: one regular expression extracts the scalars, and
they go where those of the earlier file went. `python -m benchmarks validate` measures the gain.

The result must never differ from that of the strict reader. So only such a scalar may differ:

- a value in a block mapping or list, never a key, and nothing in brackets. After it, its line can
  hold only blanks and a comment, so nothing else moves to another place;
- whose characters mean nothing special to YAML there. As plain text it begins with a letter, a
  digit or `_`, and `:` occurs only before a character of `_LETTERS`; in quotes it has no escape. It
  is ASCII, and has no `#`, which would need a look at the character before it;
- which means what `core_value` makes of it, the function that the strict reader uses as well.

Everything else must be exactly the same text. A parser that meets such a scalar in the same text
goes on in the same state as before. A file with any other difference, or with any finding, is read
by the strict reader, because only that knows problems and their places.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.manifest.document import Document
from reconciler.manifest.scalars import Rule, core_value
from reconciler.manifest.text import decode_text, line_start
from reconciler.manifest.yaml import read_document_events
from reconciler.model import Marks, Place, Problem, Source
from reconciler.schema import Finding, Where
from reconciler.schema.paths import Path

_LETTERS = "[0-9A-Za-z_./+=@,;()-]"
_PATTERNS: Mapping[str, str] = {  # by the style that libyaml gives a scalar
    "": rf"([0-9A-Za-z_]{_LETTERS}*+(?:[ :]{_LETTERS}++)*+)",
    '"': r'"([ !$-\[\]-~]*+)"',
    "'": r"'([ !\"$-&(-~]*+)'",
}
_BEFORE = r"[^\r\n]*[:-] +"  # what comes before such a scalar on its line
# The kind decides what everything else means, so it must be the same as in the earlier file.
_FIXED: frozenset[Path] = frozenset({("apiVersion",), ("kind",)})

_LONGEST = 16_384  # characters of a file of which a blueprint is made
_MOST_SCALARS = 200

_Event = Any  # an event of libyaml, which always has marks, although the stubs do not say so
_Made = list[Any]  # the scalars, then the mappings and lists, inner ones before outer ones


class Blueprint(Struct, kw_only=True):
    """What files that are written alike have in common; `learned` is the first of them."""

    learned: Document
    pattern: re.Pattern[str]
    plain: Sequence[int]  # indexes of the scalars that `core_value` reads
    fixed: Sequence[Any]  # the scalars that never differ
    plan: Sequence[Callable[[_Made], Any]]  # each makes one mapping or list of values made before
    layouts: dict[Any, Marks] = field(default_factory=dict)
    places: dict[tuple[Path, Where], Place] = field(default_factory=dict)  # in the learned file

    def read(self, text: str, file: str) -> "Likeness | None":
        """The document; None where the text does not fit, or needs the strict reader."""
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        made: _Made = [*found.groups(), *self.fixed]
        try:
            for index in self.plain:
                made[index] = core_value(made[index])
        except ValueError:
            return None
        for make in self.plan:
            made.append(make(made))
        return Likeness(file=file, value=made[-1], blueprint=self)


class Likeness(Struct, kw_only=True):
    """A document that a blueprint has read."""

    file: str
    value: Any
    blueprint: Blueprint

    def place(self, path: Path, where: Where = "value") -> Place:
        """The place of the key or value, which is as in the learned file."""
        places = self.blueprint.places
        place = places.get((path, where))
        if place is None:
            place = places[path, where] = self.blueprint.learned.place(path, where)
        return Place(file=self.file, line=place.line, column=place.column)

    def marks(self, paths: Callable[[Any], Mapping[str, Path]]) -> Marks:
        """Where the paths stand, which depends only on keys and the lengths of lists."""
        marks = self.blueprint.layouts.get(paths)
        if marks is None:
            marks = self.blueprint.layouts[paths] = self.blueprint.learned.marks(paths)
        return marks

    def problem(self, finding: Finding) -> Problem:
        """The finding at its place."""
        place = self.place(finding.path, finding.where)
        return replace(self.blueprint.learned.problem(finding), place=place)


def blueprint_of(source: Source, document: Document, rule: Rule | None) -> Blueprint | None:
    """The blueprint of a file that holds this document, without any problem or note.

    None if the file holds other documents, an anchor, or no scalar that may differ, or is too long.
    """
    text = decode_text(source.content, source.path)
    found = list(read_document_events(source.content, source.path))
    nodes = found[0].nodes
    is_one = len(found) == 1 and isinstance(document.value, dict)
    if not is_one or len(text) > _LONGEST or any(getattr(one, "anchor", None) for one in nodes):
        return None
    walk = _Survey(text=text, nodes=iter(nodes))
    walk.value(next(walk.nodes), document.value, rule, ())
    if not 0 < len(walk.scalars) <= _MOST_SCALARS:
        return None
    blueprint = walk.blueprint(document)
    again = blueprint.read(text, source.path)
    return blueprint if again is not None and again.value == document.value else None


class _Scalar(NamedTuple):
    """A scalar that may differ: where it is in the text, and how to read it."""

    start: int
    end: int
    style: str
    is_text: bool


class _Survey(Struct, kw_only=True):
    """Walks a document's events beside its value, which has nothing repeated or missing."""

    text: str
    nodes: Iterator[Any]
    scalars: list[_Scalar] = field(default_factory=list)
    fixed: list[Any] = field(default_factory=list)
    nested: list[tuple[Sequence[str] | None, list["_Number"]]] = field(default_factory=list)
    flows: int = 0

    def value(self, event: _Event, value: Any, rule: Rule | None, path: Path) -> "_Number":
        """The number under which the value that begins with the event will be made."""
        if not isinstance(value, dict | list):
            return self._scalar(event, value, rule, path)
        keys = list(value) if isinstance(value, dict) else None
        held = []
        self.flows += bool(event.flow_style)
        for key in range(len(value)) if keys is None else keys:
            if keys is not None:
                next(self.nodes)  # the key's own event
            below = rule and rule.below.get(key, rule.elsewhere)
            held.append(self.value(next(self.nodes), value[key], below, (*path, key)))
        self.flows -= bool(event.flow_style)
        next(self.nodes)  # the end
        self.nested.append((keys, held))
        return _Number("nested", len(self.nested) - 1)

    def _scalar(self, event: _Event, value: Any, rule: Rule | None, path: Path) -> "_Number":
        scalar = _Scalar(
            start=event.start_mark.index,
            end=event.end_mark.index,
            style=event.style or "",
            is_text=rule is not None and rule.as_text,
        )
        if path in _FIXED or self.flows or not self._may_differ(scalar):
            self.fixed.append(value)
            return _Number("fixed", len(self.fixed) - 1)
        self.scalars.append(scalar)
        return _Number("scalar", len(self.scalars) - 1)

    def _may_differ(self, scalar: _Scalar) -> bool:
        text, start, end = self.text, scalar.start, scalar.end
        return (
            scalar.style in _PATTERNS
            and re.fullmatch(_PATTERNS[scalar.style], text[start:end]) is not None
            and re.compile(_BEFORE).fullmatch(text, line_start(text, start), start) is not None
        )

    def blueprint(self, document: Document) -> Blueprint:
        """The blueprint from what the walk has found."""
        first = {"scalar": 0, "fixed": len(self.scalars)}
        first["nested"] = first["fixed"] + len(self.fixed)
        at = 0
        pattern = ""
        for one in self.scalars:
            pattern += re.escape(self.text[at : one.start]) + _PATTERNS[one.style]
            at = one.end
        plan = [
            (_list if keys is None else partial(_mapping, keys))(
                [first[one.kind] + one.number for one in held]
            )
            for keys, held in self.nested
        ]
        return Blueprint(
            learned=document,
            pattern=re.compile(pattern + re.escape(self.text[at:])),
            plain=[
                number for number, one in enumerate(self.scalars) if not (one.style or one.is_text)
            ],
            fixed=self.fixed,
            plan=plan,
        )


class _Number(NamedTuple):
    """A value among those that a blueprint makes: its kind, and its number within the kind."""

    kind: Literal["scalar", "fixed", "nested"]
    number: int


def _mapping(keys: Sequence[str], of: Sequence[int]) -> Callable[[_Made], Any]:
    taken = itemgetter(*of, 0, 0)  # two extra indexes, so the result is a tuple; `zip` drops them
    return lambda made: dict(zip(keys, taken(made), strict=False))


def _list(of: Sequence[int]) -> Callable[[_Made], Any]:
    return lambda made: [made[number] for number in of]
