"""Pieces of GitHub's Markdown in which foreign text stays text.

GitHub looks for mentions, issue numbers, commit hashes, emoji and addresses in everything but code,
whatever was escaped. So everything but plain words is shown as code.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby

from reconciler.render.safe import shortened

MOST_CHARACTERS = 300  # of one piece of code
_SHORTEST_LINE = 20
_PLAIN = re.compile(r"\(?[A-Za-z]+[,;:)]*", re.ASCII)
_BACKTICKS = re.compile("`+")


def code(text: str, limit: int = MOST_CHARACTERS) -> str:
    """The text as a code span; nothing for an empty text.

    CommonMark 6.1: a span ends at the first run of as many backticks as it began with, and loses
    one space at both ends.
    """
    content = shortened(text, limit)
    if not content:
        return ""
    longest = max(map(len, _BACKTICKS.findall(content)), default=0)
    fence = "`" * (longest + 1)
    ends = content[0] + content[-1]
    pad = " " if "`" in ends or (ends == "  " and content.strip(" ")) else ""
    return f"{fence}{pad}{content}{pad}{fence}"


def html_code(text: str, limit: int = MOST_CHARACTERS) -> str:
    """The text as code within HTML, where no Markdown is read; nothing for an empty text."""
    content = shortened(text, limit)
    return f"<code>{escape(content, quote=False)}</code>" if content else ""


def prose(
    text: str, limit: int = 2 * MOST_CHARACTERS, as_code: Callable[[str, int], str] = code
) -> str:
    """The text with its plain words as they are and everything else as code."""
    words = shortened(text, limit).split()
    parts = []
    for plain, group in groupby(words, key=lambda word: _PLAIN.fullmatch(word) is not None):
        together = " ".join(group)
        parts.append(together if plain else _code_before_punctuation(together, limit, as_code))
    return " ".join(parts)


def _code_before_punctuation(text: str, limit: int, as_code: Callable[[str, int], str]) -> str:
    content = text.rstrip(",;:")
    if not content:
        return as_code(text, limit)
    return f"{as_code(content, limit)}{text[len(content) :]}"


def cell(markdown: str) -> str:
    """A table cell's content. GFM 4.10: a pipe is escaped with a backslash, in code as well."""
    return markdown.replace("|", "\\|")


def table_row(cells: Iterable[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(map(cell, cells))} |"


def table_head(headings: Sequence[str]) -> list[str]:
    """The two lines with which a table begins."""
    return [table_row(headings), table_row(["---"] * len(headings))]


def fitting(lines: Iterable[str], room: int) -> list[str]:
    """Those lines, in their order, that there is room for."""
    found = []
    for line in lines:
        if room < _SHORTEST_LINE:
            break
        if len(line) < room:
            found.append(line)
            room -= len(line) + 1
    return found


def length(lines: Iterable[str]) -> int:
    """How many characters the lines take, each with its line feed."""
    return sum(len(line) + 1 for line in lines)
