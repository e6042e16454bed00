"""Files that are written like one before: the same text, but for simple scalars.

Nearly all manifests of a repository are. For such a file nobody has to find out anew what is a key,
what is nested in what, and where it stands: one regular expression takes its scalars out, and they
go where those of the file before went. `python -m benchmarks validate` says what that is worth.

Nothing may be read in another way than the strict reader has it. So what may differ is scarce:

- a value in a block mapping or list, never a key, nor anything in brackets: on its line nothing but
  blanks and a comment can stand behind it, so that nothing else moves to another place;
- of characters that mean nothing to YAML where they stand: as plain text it begins with a letter or
  digit, and `:` stands before such a character only; in quotes it has no escape. It is ASCII, and
  has no `#`, since that would need a look at what stands before it;
- and it means what `core_value`, which the strict reader asks as well, makes of it.

All else must be the very same text. A parser that has read that text before and meets such a scalar
goes on in the state in which it went on then. A file with anything else in it, or about which there
is anything to say, is read by the strict reader, which alone knows problems and their places.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.manifest.build import Rule, Verbatim, core_value, rule_of_document
from reconciler.manifest.document import Document
from reconciler.manifest.text import UnreadableError, decode, line_start
from reconciler.manifest.yaml import read_events
from reconciler.model import Place, Places, Problem, Source
from reconciler.schema import Finding, Where
from reconciler.schema.paths import Path

_LETTERS = "[0-9A-Za-z_./+=@,;()-]"
_PATTERNS: Mapping[str, str] = {  # by the style that libyaml gives a scalar
    "": rf"([0-9A-Za-z_]{_LETTERS}*+(?:[ :]{_LETTERS}++)*+)",
    '"': r'"([ !$-\[\]-~]*+)"',
    "'": r"'([ !\"$-&(-~]*+)'",
}
_BEFORE = re.compile(r"[^\r\n]*[:-] +")  # on its line
# Which kind it is decides what all else means, so it is never another than in the file before.
_FIXED: frozenset[Path] = frozenset({("apiVersion",), ("kind",)})

_LONGEST = 16_384  # characters of a file of which a blueprint is made
_MOST_SCALARS = 200
_FIRST_LEARNED = 10  # files that are read before one is learned: to learn takes as long as ten
_MOST_KNOWN = 16
_WORTH = 50  # files that must have been like others for each blueprint that is learned
_FREE = 4  # blueprints that are learned in any case

_Event = Any  # of libyaml's, which always has marks; the stubs doubt it
_Made = list[Any]  # scalars first, then mappings and lists, the inner ones before the outer


class Blueprint(Struct, kw_only=True):
    """What files have in common that are written alike; `learned` is the first of them."""

    learned: Document
    pattern: re.Pattern[str]
    plain: Sequence[int]  # which of the scalars are not text
    fixed: Sequence[Any]  # the scalars that never differ
    plan: Sequence[Callable[[_Made], Any]]  # each makes a mapping or a list of what was made
    layouts: dict[Any, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    places: dict[tuple[Path, Where], Place] = field(default_factory=dict)  # in the learned file

    def read(self, text: str, file: str) -> "Likeness | None":
        """The document; None where the text is another one, or needs a closer look."""
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
    """A document of a known blueprint."""

    file: str
    value: Any
    blueprint: Blueprint

    def place(self, path: Path, where: Where = "value") -> Place:
        """Where the key or value stands: where it stands in the file that was learned."""
        places = self.blueprint.places
        place = places.get((path, where))
        if place is None:
            place = places[path, where] = self.blueprint.learned.place(path, where)
        return Place(file=self.file, line=place.line, column=place.column)

    def places(self, paths: Callable[[Any], Mapping[str, Path]]) -> Places:
        """The places of paths, which depend on nothing but keys and the lengths of lists."""
        marks = self.blueprint.layouts.get(paths)
        if marks is None:
            marks = self.blueprint.layouts[paths] = self.blueprint.learned.places(paths).marks
        return Places(self.file, marks)

    def problem(self, finding: Finding) -> Problem:
        """The finding at its place."""
        place = self.place(finding.path, finding.where)
        return replace(self.blueprint.learned.problem(finding), place=place)


class Blueprints(Struct, kw_only=True):
    """What was learned so far. It is bounded, and changes only how long reading takes."""

    verbatim: Verbatim
    known: list[Blueprint] = field(default_factory=list)  # the one that was last of use first
    strictly: int = 0  # sound files that were not like one before
    alike: int = 0  # files that were
    learned: int = 0

    def read(self, source: Source) -> Likeness | None:
        """The only document of a file that is written like one before."""
        if not self.known:
            return None
        try:
            text = decode(source.content, source.path)
        except UnreadableError:
            return None
        for blueprint in self.known:
            found = blueprint.read(text, source.path)
            if found is not None:
                self.alike += 1
                if blueprint is not self.known[0]:
                    self.known.remove(blueprint)
                    self.known.insert(0, blueprint)
                return found
        return None

    def learn(self, source: Source, document: Document) -> None:
        """Learn how a file is written that holds this document alone, and no problem."""
        self.strictly += 1
        if self.strictly < _FIRST_LEARNED or self.learned >= _FREE + self.alike // _WORTH:
            return
        self.learned += 1
        blueprint = blueprint_of(source, document, rule_of_document(self.verbatim))
        if blueprint is not None:
            self.known = [blueprint, *self.known[: _MOST_KNOWN - 1]]


def blueprint_of(source: Source, document: Document, rule: Rule | None) -> Blueprint | None:
    """The blueprint of a file that holds this document, about which nothing is said.

    None where it holds others besides, an anchor, or no scalar that may differ.
    """
    text = decode(source.content, source.path)
    found = list(read_events(source.content, source.path))
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
    """A scalar that may differ: where it stands in the text, and how it is read."""

    start: int
    end: int
    style: str
    is_text: bool


class _Survey(Struct, kw_only=True):
    """Goes through a document's events beside its value, which has nothing repeated or missing."""

    text: str
    nodes: Iterator[Any]
    scalars: list[_Scalar] = field(default_factory=list)
    fixed: list[Any] = field(default_factory=list)
    nested: list[tuple[Sequence[str] | None, list["_Number"]]] = field(default_factory=list)
    flows: int = 0

    def value(self, event: _Event, value: Any, rule: Rule | None, path: Path) -> "_Number":
        """The number of the value that begins with the event."""
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
            and _BEFORE.fullmatch(text, line_start(text, start), start) is not None
        )

    def blueprint(self, document: Document) -> Blueprint:
        """What was found, as a blueprint."""
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
    """One of those that are made: which kind of it, and which of these."""

    kind: Literal["scalar", "fixed", "nested"]
    number: int


def _mapping(keys: Sequence[str], of: Sequence[int]) -> Callable[[_Made], Any]:
    taken = itemgetter(*of, 0, 0)  # at least two, so that it gives a tuple; `zip` leaves them out
    return lambda made: dict(zip(keys, taken(made), strict=False))


def _list(of: Sequence[int]) -> Callable[[_Made], Any]:
    return lambda made: [made[number] for number in of]
