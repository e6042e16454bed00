"""Paths to values, and what is wrong with the values, in forms that are safe to report."""

from typing import Literal

from msgspec import Struct

from reconciler.escapes import escape_character

Path = tuple[str | int, ...]  # keys and list indexes, from the document's root

_LONGEST_SHOWN = 60  # characters of a key or value that a message quotes
_LONGEST_MESSAGE = 300


def pointer(path: Path) -> str:
    """The path as an RFC 6901 JSON Pointer; "" is the whole document."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def dotted_path(path: Path) -> str:
    """The path as at the start of messages: `spec.parameters.SITE`, `labels[0]`, `the document`."""
    if not path:
        return "the document"
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = quotable_text(part) or '""'
            text += f".{key}" if text else key
    return text


def message(path: Path, words: str) -> str:
    """The path and then the words, on one line."""
    return printable_text(f"{dotted_path(path)}: {words}", _LONGEST_MESSAGE)


def quotable_text(text: str) -> str:
    """The text on one line, cut to the length that a message may quote."""
    return printable_text(text, _LONGEST_SHOWN)


def printable_text(text: str, longest: int) -> str:
    """The text, cut, with escapes for characters that a terminal would not show, or would obey."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else escape_character(c) for c in text)


Where = Literal["key", "value", "parent"]  # which part of a path a report points at


class Finding(Struct, frozen=True, kw_only=True):
    """One thing wrong. `code` is stable; `words` is a predicate with the path as its subject."""

    path: Path
    code: str
    words: str
    where: Where = "value"  # "parent": the path leads to a field that is missing

    @property
    def pointer(self) -> str:
        """The path as an RFC 6901 JSON Pointer."""
        return pointer(self.path)

    @property
    def message(self) -> str:
        """The path and then the words, on one line."""
        return message(self.path, self.words)
