r"""libyaml's events of a file, document by document, with every alias resolved to its anchor.

Nothing here recurses, so no nesting and no number of brackets can exhaust the stack.

A file in JSON, written by any library, is read into the same events by JSON's own rules: see
`json_text`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, field
from yaml import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MarkedYAMLError,
    ScalarEvent,
    YAMLError,
)
from yaml.cyaml import CParser  # type: ignore[attr-defined] # its stub forgets to export it

from reconciler.manifest.strict import GLUED_COMMENT, first_flaw, is_peculiar
from reconciler.manifest.text import (
    TextMark,
    UnreadableError,
    check_characters,
    check_conflicts,
    decode_text,
    place_after,
    place_of,
)
from reconciler.model import Place, Problem

MOST_NESTING = 100
MOST_ALIASES = 1_000  # in a file
MOST_EVENTS = 200_000  # in a document; a manifest has about thirty
MOST_EVENTS_TOGETHER = 1_000_000  # in a file
MOST_DOCUMENTS = 10_000  # in a file

_GLUED_TO_DIRECTIVE = re.compile(r"^%[^\r\n#]*[^ \t\r\n#]#", re.MULTILINE)
_Placed = Any  # an event of libyaml, which always has marks, although the stubs do not say so
_TOO_DEEP = "exceeded maximum nesting depth"  # libyaml's own limit, which it may reach first


class DocumentEvents(Struct, kw_only=True):
    """One document: the events of its nodes in order, and the targets of its aliases."""

    file: str
    nodes: list[Event] = field(default_factory=list)
    targets: dict[int, int] = field(default_factory=dict)  # index of the anchored node, by alias's
    broken: dict[int, str] = field(default_factory=dict)  # why there is none, by the alias's index

    @property
    def is_empty(self) -> bool:
        """Whether the document holds nothing but comments."""
        root = self.nodes[0]
        return (
            isinstance(root, ScalarEvent)
            and not (root.value or root.style)
            and root.anchor is None
            and root.tag is None
        )


def read_document_events(content: bytes, file: str) -> Iterator[DocumentEvents]:
    """The documents of a file, one after another.

    Raises UnreadableError at the first place that cannot be read, after the documents before it.
    """
    text = decode_text(content, file)
    if text.lstrip(" \t\r\n").startswith(("{", "[")):
        from reconciler.manifest.json_text import is_json, json_events

        if is_json(text):
            yield _Reading(source=iter(json_events(text)), file=file, text=text).document(None)
            return
    check_conflicts(text, file)
    check_characters(text, file)
    parser = CParser(text)
    reading = _Reading(source=iter(parser.get_event, None), file=file, text=text)
    try:
        for event in reading.source:
            if isinstance(event, DocumentStartEvent):
                reading.check_start(event)
                yield reading.document(event.start_mark)
    except MarkedYAMLError as error:
        if error.problem == _TOO_DEEP:
            raise too_deep_error(error.problem_mark, file) from None
        from reconciler.manifest.syntax import explain

        raise UnreadableError(explain(error, text, file)) from None
    except YAMLError as error:
        message = " ".join(str(error).split())
        problem = Problem(place=Place(file=file), code="yaml-syntax", message=message)
        raise UnreadableError(problem) from None


def too_deep_error(mark: TextMark | None, file: str) -> UnreadableError:
    """The error for nesting that no manifest needs."""
    return _unreadable_error(
        "yaml-nesting", f"more than {MOST_NESTING} levels of nesting", mark, file
    )


def _unreadable_error(code: str, message: str, mark: TextMark | None, file: str) -> UnreadableError:
    return UnreadableError(Problem(place=place_of(mark, file), code=code, message=message))


class _Reading(Struct, kw_only=True):
    source: Iterator[Event]
    file: str
    text: str
    aliases: int = 0
    is_ended: bool = True  # whether `...` ended the document before; True before the first
    documents: int = 0
    events: int = 0  # in the documents before

    def check_start(self, event: _Placed) -> None:
        """Refuse `%YAML` and `%TAG` after a document without `...`: they may be its text."""
        if not self.is_ended and (event.version or event.tags):
            message = "a line that begins with % needs a line `...` before it, or quotes"
            raise _unreadable_error("yaml-syntax", message, event.start_mark, self.file)
        head = event.start_mark.index, event.end_mark.index
        glued = _GLUED_TO_DIRECTIVE.search(self.text, *head)
        if glued:
            place = place_after(self.text[: glued.end() - 1], self.file)
            raise UnreadableError(Problem(place=place, code="yaml-syntax", message=GLUED_COMMENT))

    def document(self, mark: TextMark | None) -> DocumentEvents:
        """The events of the document that begins at the mark."""
        self.documents += 1
        if self.documents > MOST_DOCUMENTS:
            message = f"more than {MOST_DOCUMENTS} documents in one file: divide it"
            raise _unreadable_error("yaml-size", message, mark, self.file)
        document = self._events()
        self.events += len(document.nodes)
        return document

    def _events(self) -> DocumentEvents:
        document = DocumentEvents(file=self.file)
        nodes = document.nodes
        anchors: dict[str, int] = {}
        opened: list[int] = []  # indexes of the enclosing collections
        most = min(MOST_EVENTS, MOST_EVENTS_TOGETHER - self.events)
        peculiar = False  # whether there is anything that may have a flaw; mostly, there is not
        for event in self.source:
            if isinstance(event, ScalarEvent):
                if event.anchor is not None:
                    anchors[event.anchor] = len(nodes)
                peculiar = peculiar or (bool(event.style) and is_peculiar(event))
            elif isinstance(event, CollectionStartEvent):
                if event.anchor is not None:
                    anchors[event.anchor] = len(nodes)
                peculiar = peculiar or bool(event.flow_style)
                opened.append(len(nodes))
                if len(opened) > MOST_NESTING:
                    raise too_deep_error(event.start_mark, self.file)
            elif isinstance(event, CollectionEndEvent):
                opened.pop()
            elif isinstance(event, AliasEvent):
                self._resolve(event, document, anchors.get(event.anchor or ""), opened)
            else:
                self._check_end(event, nodes, is_plain=not (peculiar or anchors or self.aliases))
                break
            nodes.append(event)
            if len(nodes) > most:
                raise self._too_many_error(event)
        return document

    def _too_many_error(self, event: _Placed) -> UnreadableError:
        """The error for a document, or a file, with more events than any needs."""
        message = f"the document holds more than {MOST_EVENTS} values"
        if MOST_EVENTS_TOGETHER - self.events < MOST_EVENTS:
            message = f"the file holds more than {MOST_EVENTS_TOGETHER} values: divide it"
        return _unreadable_error("yaml-size", message, event.start_mark, self.file)

    def _check_end(self, event: _Placed, nodes: Sequence[Event], *, is_plain: bool) -> None:
        """Refuse what libyaml accepts and YAML 1.2 does not."""
        self.is_ended = isinstance(event, DocumentEndEvent) and bool(event.explicit)
        flaw = first_flaw(self.text, nodes, event.start_mark.index, is_plain=is_plain)
        if flaw is not None:
            place = place_after(self.text[: flaw.start], self.file)
            raise UnreadableError(Problem(place=place, code="yaml-syntax", message=flaw.words))

    def _resolve(
        self, event: AliasEvent, document: DocumentEvents, target: int | None, opened: list[int]
    ) -> None:
        """Note the alias's target, by the anchors known at this point of the document."""
        self.aliases += 1
        if self.aliases > MOST_ALIASES:
            message = f"more than {MOST_ALIASES} aliases in one file: write the values out"
            raise _unreadable_error("yaml-alias", message, event.start_mark, self.file)
        name, index = event.anchor, len(document.nodes)
        if target is None:
            document.broken[index] = f"*{name} has no anchor &{name} before it in this document"
        elif target in opened:
            document.broken[index] = f"*{name} stands inside its own anchor &{name}"
        else:
            document.targets[index] = target
