"""From a file's bytes to text that YAML can hold, or a problem that says why it cannot."""

import re
from typing import Protocol

from reconciler.model import Place, Problem

# What YAML does not count as printable, and four characters more: U+0085, U+2028 and U+2029, which
# end a line for the parser but not for an editor, so later line numbers would be wrong; and a byte
# order mark inside the text, which nobody can see. Compiled only when needed: few files need it.
_NOT_ALLOWED = (
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_NOT_ALLOWED_IN_ASCII = re.compile("[^\t\n\r\x20-\x7e]")
LINE_END = re.compile("\r\n|\r|\n")
_HALF_PAIR = "[\ud800-\udfff]"
_UTF8_MARK = b"\xef\xbb\xbf"
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF16_LOOK = 4  # so many first bytes of UTF-16 text without a mark hold a zero byte

# The marks that git writes into a file that it cannot merge.
_CONFLICT = r"(?m)^(?:<{7}|\|{7}|={7}|>{7})(?=[ \r]|$)"
_CONFLICT_SIGNS = ("<" * 7, "|" * 7, "=" * 7, ">" * 7)


class TextMark(Protocol):
    """A position of libyaml's in the text; lines and columns are counted from 0."""

    @property
    def line(self) -> int:
        """The line."""

    @property
    def column(self) -> int:
        """The column, in characters."""


class UnreadableError(Exception):
    """The file cannot be read beyond the place of this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def decode_text(content: bytes, file: str) -> str:
    """The text of a file in UTF-8, without a byte order mark at its beginning.

    Raises UnreadableError for any other encoding.
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
    """Raise UnreadableError for a character that is not allowed."""
    found = (_NOT_ALLOWED_IN_ASCII if text.isascii() else re.compile(_NOT_ALLOWED)).search(text)
    if found:
        raise UnreadableError(
            Problem(
                place=place_after(text[: found.start()], file),
                code="yaml-character",
                message=_character_message(ord(found[0])),
            )
        )


def place_after(text: str, file: str) -> Place:
    """The place of the character after the text, with which the file begins."""
    lines = split_lines(text)
    return Place(file=file, line=len(lines), column=len(lines[-1]) + 1)


def place_of(mark: TextMark | None, file: str) -> Place:
    """The place of a mark; without a mark, the file as a whole."""
    if mark is None:
        return Place(file=file)
    return Place(file=file, line=mark.line + 1, column=mark.column + 1)


def line_start(text: str, index: int) -> int:
    """The index at which the line of the character begins."""
    return max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1


def is_half_pair(text: str) -> bool:
    """Whether the text holds half of a surrogate pair, which is no character."""
    return not text.isascii() and re.search(_HALF_PAIR, text) is not None


def split_lines(text: str) -> list[str]:
    """The lines without their ends; at least one, which may be empty."""
    return LINE_END.split(text)


def _character_message(code: int) -> str:
    escape = f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
    return (
        f"the invisible character U+{code:04X} is not allowed: remove it, or write it as "
        f'"{escape}" between double quotes'
    )


def check_conflicts(text: str, file: str) -> None:
    """Raise UnreadableError for the marks of a merge conflict that nobody has resolved."""
    found = any(sign in text for sign in _CONFLICT_SIGNS) and re.search(_CONFLICT, text)
    if found:
        message = (
            f"{found[0]} marks a merge conflict: keep one of the two sides, or what is right of "
            "both, and take the marks away"
        )
        place = place_after(text[: found.start()], file)
        raise UnreadableError(Problem(place=place, code="yaml-syntax", message=message))
