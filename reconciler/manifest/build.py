"""From one document's events to a plain value and the place of everything in it.

What a scalar means is in `scalars`.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from yaml import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from reconciler.manifest.scalars import Rule, Verbatim, core_value, rule_of_document
from reconciler.manifest.text import TextMark, UnreadableError, is_half_pair, place_of
from reconciler.manifest.yaml import MOST_NESTING, DocumentEvents, too_deep_error
from reconciler.model import Problem
from reconciler.schema.paths import Path, message, pointer, quotable_text

MOST_EXPANDED_VALUES = 100_000  # that aliases may add to a document
MOST_EXPANDED_CHARACTERS = 1_000_000
LONGEST_KEY = 1_024  # YAML's own limit for a key that shares its line with the `:`

Marks = dict[str | int, tuple[TextMark | None, TextMark | None]]  # of a key and of its value

_YAML_TAGS = "tag:yaml.org,2002:"
_NOTHING: Mapping[str | int, Any] = {}


class Built(Struct, kw_only=True):
    """A document's value, and what else is known about it."""

    value: Any = None
    marks: dict[int, Marks] = field(default_factory=dict)  # by the `id()` of the mapping or list
    problems: dict[tuple[str, int], Problem] = field(default_factory=dict)  # by code and event
    doubtful: set[Path] = field(default_factory=set)  # values unknown because of a problem
    incomplete: set[Path] = field(default_factory=set)  # mappings that had a merge key


def build(document: DocumentEvents, verbatim: Verbatim) -> Built:
    """Build the value. Raises UnreadableError for aliases that would add too much."""
    return _Builder(document, rule_of_document(verbatim)).build()


class _Builder:
    """Descends through the events; their nesting is limited, and so is the recursion."""

    __slots__ = (
        "_alias",
        "_built",
        "_document",
        "_events",
        "_expanded_characters",
        "_expanded_values",
        "_index",
        "_path",
        "_rule",
    )

    def __init__(self, document: DocumentEvents, rule: Rule | None) -> None:
        self._document = document
        self._events = document.nodes
        self._rule = rule
        self._built = Built()
        self._index = 0
        self._path: list[str | int] = []
        self._alias: AliasEvent | None = None  # the outermost alias that is being expanded
        self._expanded_values = 0
        self._expanded_characters = 0

    def build(self) -> Built:
        self._built.value = self._value(self._take_event(), self._rule)
        return self._built

    def _take_event(self) -> Event:
        event = self._events[self._index]
        self._index += 1
        return event

    def _value(self, event: Event, rule: Rule | None) -> Any:
        if isinstance(event, ScalarEvent):
            return self._scalar(event, as_text=rule is not None and rule.as_text)
        if isinstance(event, AliasEvent):
            return self._expand(event, rule)
        if self._alias is not None:
            self._count(0)
        if len(self._path) >= MOST_NESTING:
            raise too_deep_error((self._alias or event).start_mark, self._document.file)
        if isinstance(event, CollectionStartEvent) and event.tag is not None:
            self._refuse_tag(event, event.tag)
        if isinstance(event, MappingStartEvent):
            return self._mapping(rule)
        return self._list(rule)

    def _scalar(self, event: ScalarEvent, *, as_text: bool) -> Any:
        text = event.value
        if self._alias is not None:
            self._count(len(text))
        if event.tag is not None:
            self._refuse_tag(event, event.tag)
        if not text.isascii() and is_half_pair(text):
            words = "holds half of a surrogate pair, which is no character: write both halves"
            self._report_unknown_value(event, "yaml-character", words)
            return None
        if event.style:
            return text
        if as_text:
            return text or None  # None: nothing was written, not even quotes
        try:
            return core_value(text)
        except ValueError as error:
            self._report_unknown_value(event, "yaml-number", f"{quotable_text(text)} {error}")
            return None

    def _list(self, rule: Rule | None) -> list[Any]:
        below, elsewhere = (rule.below, rule.elsewhere) if rule else (_NOTHING, None)
        value: list[Any] = []
        marks: Marks = {}
        while not isinstance(event := self._take_event(), CollectionEndEvent):
            index = len(value)
            self._path.append(index)
            value.append(self._value(event, below.get(index, elsewhere)))
            self._path.pop()
            marks[index] = event.start_mark, event.start_mark
        self._built.marks[id(value)] = marks
        return value

    def _mapping(self, rule: Rule | None) -> dict[str, Any]:
        below, elsewhere = (rule.below, rule.elsewhere) if rule else (_NOTHING, None)
        value: dict[str, Any] = {}
        marks: Marks = {}
        path = self._path
        while not isinstance(event := self._take_event(), CollectionEndEvent):
            key = self._key(event)
            path.append("?" if key is None else key)
            item_event = self._take_event()
            item = self._value(item_event, below.get(path[-1], elsewhere))
            if key is not None and key in value:
                self._report_repeated_key(event, marks[key][0])
            elif key is not None:
                value[key] = item
                marks[key] = event.start_mark, item_event.start_mark
            path.pop()
        self._built.marks[id(value)] = marks
        return value

    def _key(self, event: Event) -> str | None:
        """The key's text; None where a problem says why it has none."""
        if isinstance(event, ScalarEvent) and event.tag is None and self._alias is None:
            text = event.value
            if text.isidentifier() and text.isascii() and len(text) <= LONGEST_KEY:
                return text  # like nearly all keys
        named = event
        if isinstance(event, AliasEvent):
            target = self._document.targets.get(self._index - 1)
            if target is None:
                self._report(event, "yaml-alias", self._document.broken[self._index - 1])
                return None
            named = self._document.nodes[target]
        if isinstance(named, ScalarEvent):
            return self._key_text(event, named)
        self._report(event, "yaml-key", "a key must be plain text, not a mapping or a list")
        if named is event:
            self._path.append("?")
            self._value(event, None)
            self._path.pop()
        return None

    def _key_text(self, event: Event, named: ScalarEvent) -> str | None:
        text = named.value
        if self._alias is not None:
            self._count(len(text))
        if named.tag is not None:
            self._report(
                named, "yaml-tag", f"the tag {_short_tag(named.tag)} is not allowed: remove it"
            )
        if text == "<<" and not named.style:
            self._built.incomplete.add(tuple(self._path))
            words = "merge keys (<<) are not allowed: write the fields out"
            self._report(event, "yaml-merge-key", words)
        elif not (text or named.style):
            self._report(event, "yaml-key", "a key is missing before the colon")
        elif is_half_pair(text):
            words = "a key holds half of a surrogate pair, which is no character"
            self._report(event, "yaml-character", words)
        elif len(text) > LONGEST_KEY:
            self._report(event, "yaml-key", f"a key is longer than {LONGEST_KEY} characters")
        else:
            return text
        return None

    def _expand(self, event: AliasEvent, rule: Rule | None) -> Any:
        target = self._document.targets.get(self._index - 1)
        if target is None:
            self._report_unknown_value(event, "yaml-alias", self._document.broken[self._index - 1])
            return None
        after, outer = self._index, self._alias
        self._index, self._alias = target, outer or event
        value = self._value(self._take_event(), rule)
        self._index, self._alias = after, outer
        return value

    def _count(self, characters: int) -> None:
        self._expanded_values += 1
        self._expanded_characters += characters
        if self._expanded_values > MOST_EXPANDED_VALUES:
            much = f"{MOST_EXPANDED_VALUES} values"
        elif self._expanded_characters > MOST_EXPANDED_CHARACTERS:
            much = f"{MOST_EXPANDED_CHARACTERS} characters"
        else:
            return
        mark = self._alias.start_mark if self._alias else None
        place = place_of(mark, self._document.file)
        text = f"aliases bring more than {much} into this document: write out what is needed"
        raise UnreadableError(Problem(place=place, code="yaml-alias", message=text))

    def _report_repeated_key(self, event: Event, first: TextMark | None) -> None:
        line = first.line + 1 if first else 1
        words = f"is given on line {line} already: remove one of the two"
        self._report(event, "yaml-duplicate-key", words)

    def _refuse_tag(self, event: Event, tag: str) -> None:
        words = f"the tag {_short_tag(tag)} is not allowed: write the plain value"
        self._report_unknown_value(event, "yaml-tag", words)

    def _report_unknown_value(self, event: Event, code: str, words: str) -> None:
        """Report a problem that leaves the value at the current path unknown."""
        self._built.doubtful.add(tuple(self._path))
        self._report(event, code, words)

    def _report(self, event: Event, code: str, words: str) -> None:
        """Report a problem at the current path; only once if aliases repeat its cause."""
        path = tuple(self._path)
        mark = (self._alias or event).start_mark
        problem = Problem(
            place=place_of(mark, self._document.file),
            code=code,
            pointer=pointer(path),
            message=message(path, words),
        )
        self._built.problems.setdefault((code, id(event)), problem)


def _short_tag(tag: str) -> str:
    """The tag in the form in which people write it."""
    return quotable_text(f"!!{tag.removeprefix(_YAML_TAGS)}" if tag.startswith(_YAML_TAGS) else tag)
