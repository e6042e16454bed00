"""What libyaml accepts although YAML 1.2 forbids it, or reads in another way than YAML 1.2.

libyaml is older than YAML 1.2 and forgiving. It takes `"012"#was 013` for a value and a comment,
and `&site:eu x` for the anchor `site` of the text `:eu x`. Its events say where everything begins
and ends, so the text between and around them shows such flaws.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, field
from yaml import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    ScalarEvent,
)

from reconciler.manifest.text import LINE_END, line_start, split_lines

_COMMENT = r"#[^\r\n]*"
_GLUED_COMMENT = re.compile(r"#(?<=[^ \t\r\n]#)")  # or a `#` within text
_PROPERTIES = r"(?:[&!]\S*|[ \t\r\n]+|#[^\r\n]*)*"
_HEADER = r"[|>][-+0-9]*"
_LINE = r"(?:^|(?<=\n)|(?<=\r)(?!\n))( *)([^\r\n]*)"
# A bracket that ends a list or mapping may be in the same column as the key. YAML 1.2 forbids that,
# but it is usual, every parser reads it, and it can mean only one thing.
_CLOSING = r"[\]}][\]}, \t]*(?:(?<=[ \t])#.*)?"
_BLANK = " \t\r\n"
_IN_FLOW = ",[]{}"
_BLOCK = ("|", ">")
_TOP = -1  # the column of what encloses the whole document

GLUED_COMMENT = "a comment needs a space before its #; text that holds # goes into quotes"
_INDENTED = (
    "this line goes on with what begins on line {line} and stands too far left: indent it by "
    "{spaces} or more"
)
_GLUED_QUESTION = "`?` right before a key is not text here: put the key in quotes"
_DASH = "`-` alone is no value in brackets: put it in quotes"
_NAME = (
    "the name of {what} cannot hold {character!r}: use letters, digits, - and _, and a space "
    "after it"
)
_LEFT = "this text belongs to the line above and stands too far left: indent it"
_LEADING = (
    "this empty line has more spaces than the first line of the text below it: take them away"
)
_LAST = "the text ends in a line of spaces that is not ended: take it away, or end the line"


_Event = Any  # an event of libyaml, which always has marks, although the stubs do not say so


class Flaw(Struct, frozen=True, order=True):
    """Where the text is not well-formed, and why, in words for its author."""

    start: int
    words: str


def first_flaw(text: str, nodes: Sequence[_Event], end: int, *, is_plain: bool) -> Flaw | None:
    """The first flaw of a document with these events; the document ends at `end` in the text.

    `is_plain`: it has no alias, no anchor, nothing in brackets and no scalar that is peculiar.
    """
    found = [] if is_plain else [*_Walk(text=text).flaws(nodes)]
    if _GLUED_COMMENT.search(text, nodes[0].start_mark.index, end):
        found += _glued_comment_flaws(text, nodes, end)
    return min(found, default=None)


def is_peculiar(scalar: _Event) -> bool:
    """Whether a quoted or block scalar is of a kind that may have a flaw."""
    return scalar.style in _BLOCK or bool(scalar.start_mark.line != scalar.end_mark.line)


class _Walk(Struct, kw_only=True):
    """Walks the events, and keeps the collections that enclose each event."""

    text: str
    columns: list[int] = field(default_factory=lambda: [_TOP])  # of the enclosing block collections
    flows: list[_Event] = field(default_factory=list)  # the enclosing flow collections
    opened: list[bool] = field(default_factory=list)  # for each enclosing one: whether it is a flow

    def flaws(self, nodes: Sequence[_Event]) -> Iterator[Flaw]:
        for event in nodes:
            if isinstance(event, ScalarEvent):
                if event.style or self.flows:
                    yield from self._scalar_flaws(event)
            elif isinstance(event, CollectionStartEvent):
                self._open(event)
            elif isinstance(event, CollectionEndEvent):
                yield from self._close(event)
            if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
                yield from self._name_flaws(event)
            if self.flows and not isinstance(event, CollectionEndEvent):
                yield from self._question_flaws(event)

    def _open(self, event: _Event) -> None:
        self.opened.append(bool(event.flow_style))
        if event.flow_style:
            self.flows.append(event)
        elif event.anchor is None and event.tag is None:
            self.columns.append(event.start_mark.column)
        else:
            self.columns.append(self._column(event, _content_start(self.text, event)))

    def _close(self, event: _Event) -> Iterator[Flaw]:
        if not self.opened.pop():
            self.columns.pop()
            return
        start = self.flows.pop()
        if not self.flows:
            yield from self._indentation_flaws(start, event, comments=True)

    def _scalar_flaws(self, event: _Event) -> Iterator[Flaw]:
        if event.style in _BLOCK:
            yield from self._block_flaws(event)
        elif event.style:
            yield from self._indentation_flaws(event, event, comments=False)
        elif event.value == "-" and self._character_at(event.end_mark.index) in _IN_FLOW:
            yield Flaw(event.start_mark.index, _DASH)

    def _indentation_flaws(self, first: _Event, last: _Event, *, comments: bool) -> Iterator[Flaw]:
        """The first line of a quoted text or flow collection indented too little, or by tabs."""
        if first.start_mark.line == last.end_mark.line:
            return
        needed = self.columns[-1] + 1
        start, end = first.start_mark.index, last.end_mark.index
        for line in re.compile(_LINE).finditer(self.text, start, end):
            spaces, rest = line.groups()
            is_comment = comments and rest.lstrip().startswith("#")
            if line.start() == start or not rest.strip() or is_comment or len(spaces) >= needed:
                continue
            if comments and len(spaces) + 1 == needed and re.fullmatch(_CLOSING, rest):
                continue
            wanted = "a space" if needed == 1 else f"{needed} spaces"
            words = _INDENTED.format(line=first.start_mark.line + 1, spaces=wanted)
            yield Flaw(line.start(2), words)
            return

    def _block_flaws(self, event: _Event) -> Iterator[Flaw]:
        start = _content_start(self.text, event)
        header = re.compile(_HEADER).match(self.text, start)
        end = header.end() if header else start
        if self._character_at(end) == "#":
            yield Flaw(end, GLUED_COMMENT)
        for begin in {event.start_mark.index, start}:
            column = self._column(event, begin)
            if column <= self.columns[-1] and not self.text[begin - column : begin].strip():
                yield Flaw(begin, _LEFT)
        if header and not any(character.isdigit() for character in header[0]):
            yield from self._leading_space_flaws(end)
        if not LINE_END.search(self.text, event.end_mark.index):
            last = line_start(self.text, len(self.text))
            if self.text[last:] and not self.text[last:].strip(" "):
                yield Flaw(last, _LAST)

    def _leading_space_flaws(self, header_end: int) -> Iterator[Flaw]:
        """An empty line before a block's text with more spaces than the text's first line."""
        widest = 0, header_end
        for line in re.compile(_LINE).finditer(self.text, header_end):
            spaces, rest = line.groups()
            if line.start() == header_end:
                continue
            if rest:
                if self.columns[-1] < len(spaces) < widest[0]:
                    yield Flaw(widest[1], _LEADING)
                return
            widest = max(widest, (len(spaces), line.start()))

    def _name_flaws(self, event: _Event) -> Iterator[Flaw]:
        what = "an alias" if isinstance(event, AliasEvent) else "an anchor"
        name = getattr(event, "anchor", "")
        sign = "*" if isinstance(event, AliasEvent) else "&"
        start = self.text.find(f"{sign}{name}", event.start_mark.index)
        end = start + 1 + len(name)
        character = self._character_at(end)
        if character not in _BLANK + (_IN_FLOW if self.flows else ""):
            yield Flaw(end, _NAME.format(what=what, character=character))

    def _question_flaws(self, event: _Event) -> Iterator[Flaw]:
        start = event.start_mark.index
        if start and self.text[start - 1] == "?" and event.end_mark.index > start:
            yield Flaw(start - 1, _GLUED_QUESTION)

    def _column(self, event: _Event, index: int) -> int:
        """The column of a character of the event, by the mark of where the event begins.

        To look for the line's beginning may lead through the whole file, for each event again.
        """
        begin = event.start_mark.index
        lines = split_lines(self.text[begin:index])
        return len(lines[-1]) + (event.start_mark.column if len(lines) == 1 else 0)

    def _character_at(self, index: int) -> str:
        """The character at the index; a line end where the text ends."""
        return self.text[index : index + 1] or "\n"


def _content_start(text: str, event: _Event) -> int:
    """Where a node's content begins, after any anchor and tag."""
    start = int(event.start_mark.index)
    found = re.compile(_PROPERTIES).match(text, start)
    return found.end() if found else start


def _glued_comment_flaws(text: str, nodes: Sequence[_Event], end: int) -> Iterator[Flaw]:
    """The first comment without a blank before its `#`."""
    before = nodes[0].start_mark.index
    for start, after in [
        *((one.start_mark.index, one.end_mark.index) for one in nodes),
        (end, end),
    ]:
        if before < start:
            comment = re.compile(_COMMENT).search(text, before, start)
            while comment:
                if text[comment.start() - 1] not in _BLANK:
                    yield Flaw(comment.start(), GLUED_COMMENT)
                    return
                comment = re.compile(_COMMENT).search(text, comment.end(), start)
        before = max(before, after)
