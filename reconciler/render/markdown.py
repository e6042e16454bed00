"""Pieces of GitHub's Markdown in which foreign text stays text.

GitHub looks for mentions, issue numbers, commit hashes, emoji and addresses in everything but code,
even in escaped text. So everything but plain words, numbers, dates and times is shown as code.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby
from urllib.parse import quote

from reconciler.render.layout import join_lines
from reconciler.render.safe import escape_line, shorten_text

MOST_CHARACTERS = 300  # of one piece of code
_SHORTEST_LINE = 20
# Words of letters and hyphens; numbers up to six digits (seven may be a commit's id); dates; times.
_PLAIN = re.compile(
    r"\(|[,;:.)]+|\(?(?:[A-Za-z]+(?:-[A-Za-z]+)*(?:'s)?|\d{1,3}(?:,\d{3})+|\d{1,6}|\d{4}-\d\d-\d\d|\d\d:\d\d(?::\d\d)?)"
    r"[,;:.)]*",
    re.ASCII,
)
_COMMIT = re.compile(r"\b[0-9a-f]{7,}\b", re.IGNORECASE)
# Marks each place where something was left out, until `finished` removes it. Foreign text cannot
# contain it: `visible` shows it as an escape.
CUT = "\x00"
# One word or several between two backticks. Only an opening parenthesis may touch the first
# backtick, and only a closing one or punctuation the last.
_MEANT_AS_CODE = re.compile(r"(?:(?<!\S)|(?<=\s\())`([^`\s](?:[^`]*[^`\s])?)`(?=[,;:.)]*(?:\s|$))")
_BACKTICKS = re.compile("`+")


def fence_around(text: str, least: int = 1) -> str:
    """Backticks for around the text: more than stand in a row in it, and at least so many."""
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    return "`" * max(least, longest + 1)


def code(text: str, limit: int = MOST_CHARACTERS) -> str:
    """The text as a code span; empty for an empty text.

    CommonMark 6.1: a span ends at the next run of as many backticks as it began with, and loses
    one space at each end.
    """
    content = _cut(text, limit)
    if not content:
        return ""
    fence = fence_around(content)
    ends = content[0] + content[-1]
    pad = " " if "`" in ends or (ends == "  " and content.strip(" ")) else ""
    return f"{fence}{pad}{content}{pad}{fence}"


def html_code(text: str, limit: int = MOST_CHARACTERS) -> str:
    """The text as code within HTML, where no Markdown is read; empty for an empty text."""
    content = _cut(text, limit)
    return f"<code>{escape(content, quote=False)}</code>" if content else ""


def prose(
    text: str, limit: int = 2 * MOST_CHARACTERS, as_code: Callable[[str, int], str] = code
) -> str:
    """The text with its plain words unchanged and everything else as code.

    Text between two backticks becomes one piece of code. The result must not begin a line of
    Markdown: there, `1)` would begin a list.
    """
    shown = shorten_text(text, limit)
    pieces = [
        as_code(piece, limit) if number % 2 else _words(piece, limit, as_code)
        for number, piece in enumerate(_MEANT_AS_CODE.split(shown))
    ]
    return "".join(pieces).strip() + ("" if shown == escape_line(text) else CUT)


def _words(text: str, limit: int, as_code: Callable[[str, int], str]) -> str:
    parts = []
    for plain, group in groupby(text.split(), key=_is_plain):
        together = " ".join(group)
        parts.append(together if plain else _code_before_punctuation(together, limit, as_code))
    lead, tail = (" " if end.isspace() else "" for end in (text[:1], text[-1:]))
    return f"{lead}{' '.join(parts)}{tail}"


def _is_plain(word: str) -> bool:
    return _PLAIN.fullmatch(word) is not None and _COMMIT.search(word) is None


def _cut(text: str, limit: int) -> str:
    shown = shorten_text(text, limit)
    return shown if shown == escape_line(text) else shown + CUT


def _code_before_punctuation(text: str, limit: int, as_code: Callable[[str, int], str]) -> str:
    content = text.rstrip(",;:.")
    if not content:
        return as_code(text, limit)
    return f"{as_code(content, limit)}{text[len(content) :]}"


def marker(kind: str, environment: str) -> str:
    """The invisible comment by which a bot finds what it wrote before about the environment.

    It has no name where `environment` is empty, because the environment is not known.
    """
    name = quote(escape_line(environment), safe="").replace("--", "-%2D")
    return f"<!-- reconciler-{kind} {name} -->" if name else f"<!-- reconciler-{kind} -->"


def cell(markdown: str) -> str:
    """A table cell's content. GFM 4.10: a pipe is escaped with a backslash, in code as well.

    Some renderers read backslashes in pairs: a backslash that stands before the pipe already would
    pair with the added one, and the pipe would end the cell. So an odd backslash is doubled: code
    has no other form that all renderers understand.
    """
    return _PIPE.sub(lambda found: found[0][:-1] + "\\" * (1 + len(found[1]) % 2) + "|", markdown)


_PIPE = re.compile(r"(\\*)\|")


def table_row(cells: Iterable[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(map(cell, cells))} |"


def table_head(headings: Sequence[str]) -> list[str]:
    """The first two lines of a table."""
    return [table_row(headings), table_row(["---"] * len(headings))]


def fitting_lines(lines: Iterable[str], room: int) -> list[str]:
    """The lines that there is room for, in their order; a line that is too long is skipped."""
    found = []
    for line in lines:
        if room < _SHORTEST_LINE:
            break
        taken = length([line])
        if taken <= room:
            found.append(line)
            room -= taken
    return found


def length(lines: Iterable[str]) -> int:
    """How many bytes the lines take, each with its line feed."""
    return sum(len(line.encode()) + 1 for line in lines)


def is_cut(lines: Iterable[str]) -> bool:
    """Whether something was left out of the lines."""
    return any(CUT in line for line in lines)


def finish_text(lines: Sequence[str]) -> str:
    """The lines as text, without the marks for what was left out."""
    return join_lines([line.replace(CUT, "") for line in lines])
