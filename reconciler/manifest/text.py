"""From a file's bytes to text that YAML can hold, or the reason why not, with its place."""

import re
from typing import Protocol

from reconciler.model import Place, Problem

# YAML's printable characters, less three: U+0085, U+2028 and U+2029 end a line for the parser and
# not for an editor, so every line number after one would be wrong; and an inner byte order mark,
# which nobody can see.
_NOT_ALLOWED = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_NOT_ALLOWED_IN_ASCII = re.compile("[^\t\n\r\x20-\x7e]")
LINE_END = re.compile("\r\n|\r|\n")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_UTF8_MARK = b"\xef\xbb\xbf"
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF16_LOOK = 4  # that many bytes of UTF-16 text without a mark hold a zero byte


class Mark(Protocol):
    """Where libyaml stands in the text; it counts lines and columns from 0."""

    @property
    def line(self) -> int:
        """The line."""

    @property
    def column(self) -> int:
        """The column, in characters."""


class UnreadableError(Exception):
    """The file cannot be read beyond this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def decode(content: bytes, file: str) -> str:
    """The text of a file in UTF-8, without the byte order mark that it may begin with.

    Raises UnreadableError for another encoding.
    """
    if content.startswith(_BYTE_ORDER_MARKS) or b"\0" in content[:_UTF16_LOOK]:
        raise UnreadableError(
            Problem(
                place=Place(file=file),
                code="yaml-encoding",
                message="the file is in UTF-16 or UTF-32, or is no text: save it as UTF-8",
            )
        )
    content = content.removeprefix(_UTF8_MARK)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise UnreadableError(
            Problem(
                place=place_after(before, file),
                code="yaml-encoding",
                message=f"the byte 0x{content[error.start]:02X} is not UTF-8 here: save the file "
                "as UTF-8",
            )
        ) from None
    return text


def check_characters(text: str, file: str) -> None:
    """Raise UnreadableError for a character that YAML does not allow."""
    allowed = _NOT_ALLOWED_IN_ASCII if text.isascii() else _NOT_ALLOWED
    found = allowed.search(text)
    if found:
        raise UnreadableError(
            Problem(
                place=place_after(text[: found.start()], file),
                code="yaml-character",
                message=_wrong_character(ord(found[0])),
            )
        )


def place_after(text: str, file: str) -> Place:
    """The place of the character that follows the text, which begins the file."""
    lines = split_lines(text)
    return Place(file=file, line=len(lines), column=len(lines[-1]) + 1)


def place_of(mark: Mark | None, file: str) -> Place:
    """The place of a mark; without one, the file."""
    return (
        Place(file=file, line=mark.line + 1, column=mark.column + 1) if mark else Place(file=file)
    )


def line_start(text: str, index: int) -> int:
    """Where the line begins that holds the character."""
    return max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1


def is_half_pair(text: str) -> bool:
    """Whether the text holds half of a surrogate pair, which is no character."""
    return not text.isascii() and _HALF_PAIR.search(text) is not None


def split_lines(text: str) -> list[str]:
    """The lines without their ends; at least one, which may be empty."""
    return LINE_END.split(text)


def _wrong_character(code: int) -> str:
    escape = f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
    return (
        f"the invisible character U+{code:04X} is not allowed: remove it, or write it as "
        f'"{escape}" between double quotes'
    )
