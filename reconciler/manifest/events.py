"""libyaml's events of a file, document by document, with every alias resolved to its anchor.

Nothing here recurses, so no nesting and no number of brackets can exhaust the stack.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from yaml import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MarkedYAMLError,
    ScalarEvent,
    YAMLError,
)
from yaml.cyaml import CParser  # type: ignore[attr-defined] # its stub forgets to export it

from reconciler.manifest.syntax import explain
from reconciler.manifest.text import Mark, UnreadableError, decode, place_of
from reconciler.model import Place, Problem

MOST_NESTING = 100
MOST_ALIASES = 1_000  # in a file
MOST_EVENTS = 200_000  # in a document; a manifest has about thirty
MOST_EVENTS_TOGETHER = 1_000_000  # in a file
MOST_DOCUMENTS = 10_000  # in a file

_TOO_DEEP = "exceeded maximum nesting depth"  # libyaml's own limit, which it may reach first


@dataclass(slots=True, kw_only=True)
class DocumentEvents:
    """One document: its nodes' events in order, and where its aliases lead."""

    file: str
    nodes: list[Event] = field(default_factory=list)
    targets: dict[int, int] = field(default_factory=dict)  # index of an alias: of its anchor
    broken: dict[int, str] = field(default_factory=dict)  # index of an alias: why it leads nowhere

    @property
    def is_empty(self) -> bool:
        """Whether nothing but comments stands in the document."""
        root = self.nodes[0]
        return (
            isinstance(root, ScalarEvent)
            and not (root.value or root.style)
            and root.anchor is None
            and root.tag is None
        )


def read_events(content: bytes, file: str) -> Iterator[DocumentEvents]:
    """The documents of a file, one after another.

    Raises UnreadableError at the first place that cannot be read; documents before it were given.
    """
    text = decode(content, file)
    parser = CParser(text)
    reading = _Reading(parser=parser, file=file)
    try:
        while (event := parser.get_event()) is not None:
            if isinstance(event, DocumentStartEvent):
                yield reading.document(event.start_mark)
    except MarkedYAMLError as error:
        if error.problem == _TOO_DEEP:
            raise too_deep(error.problem_mark, file) from None
        raise UnreadableError(explain(error, text, file)) from None
    except YAMLError as error:
        message = " ".join(str(error).split())
        problem = Problem(place=Place(file=file), code="yaml-syntax", message=message)
        raise UnreadableError(problem) from None


def too_deep(mark: Mark | None, file: str) -> UnreadableError:
    """The error for nesting that no manifest needs."""
    return _unreadable("yaml-nesting", f"more than {MOST_NESTING} levels of nesting", mark, file)


def _unreadable(code: str, message: str, mark: Mark | None, file: str) -> UnreadableError:
    return UnreadableError(Problem(place=place_of(mark, file), code=code, message=message))


@dataclass(slots=True, kw_only=True)
class _Reading:
    parser: CParser
    file: str
    aliases: int = 0
    documents: int = 0
    events: int = 0  # of the documents before

    def document(self, mark: Mark | None) -> DocumentEvents:
        """The events up to the document's end; it begins at the mark."""
        self.documents += 1
        if self.documents > MOST_DOCUMENTS:
            message = f"more than {MOST_DOCUMENTS} documents in one file: divide it"
            raise _unreadable("yaml-size", message, mark, self.file)
        document = self._events()
        self.events += len(document.nodes)
        return document

    def _events(self) -> DocumentEvents:
        document = DocumentEvents(file=self.file)
        next_event, nodes = self.parser.get_event, document.nodes
        anchors: dict[str, int] = {}
        opened: list[int] = []  # indexes of the collections that enclose the event
        left = min(MOST_EVENTS, MOST_EVENTS_TOGETHER - self.events)
        while len(nodes) <= left:
            event = next_event()
            if isinstance(event, ScalarEvent):
                if event.anchor is not None:
                    anchors[event.anchor] = len(nodes)
            elif isinstance(event, CollectionStartEvent):
                if event.anchor is not None:
                    anchors[event.anchor] = len(nodes)
                opened.append(len(nodes))
                if len(opened) > MOST_NESTING:
                    raise too_deep(event.start_mark, self.file)
            elif isinstance(event, CollectionEndEvent):
                opened.pop()
            elif isinstance(event, AliasEvent):
                self._resolve(event, document, anchors.get(event.anchor or ""), opened)
            else:
                return document
            nodes.append(event)
        message = f"the document holds more than {MOST_EVENTS} values"
        if left < MOST_EVENTS:
            message = f"the file holds more than {MOST_EVENTS_TOGETHER} values: divide it"
        raise _unreadable("yaml-size", message, nodes[-1].start_mark, self.file)

    def _resolve(
        self, event: AliasEvent, document: DocumentEvents, target: int | None, opened: list[int]
    ) -> None:
        """Note where the alias leads, by the anchors as they are at this point of the document."""
        self.aliases += 1
        if self.aliases > MOST_ALIASES:
            message = f"more than {MOST_ALIASES} aliases in one file: write the values out"
            raise _unreadable("yaml-alias", message, event.start_mark, self.file)
        name, index = event.anchor, len(document.nodes)
        if target is None:
            document.broken[index] = f"*{name} has no anchor &{name} before it in this document"
        elif target in opened:
            document.broken[index] = f"*{name} stands inside its own anchor &{name}"
        else:
            document.targets[index] = target
