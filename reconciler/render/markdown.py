"""Pieces of GitHub's Markdown in which foreign text stays text.

GitHub looks for mentions, issue numbers, commit hashes, emoji and addresses in everything but code,
whatever was escaped. So everything but plain words is shown as code.
"""

import re
from itertools import groupby

from reconciler.render.safe import shortened

MOST_CHARACTERS = 300  # of one piece of code
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


def prose(text: str, limit: int = 2 * MOST_CHARACTERS) -> str:
    """The text with its plain words as they are and everything else as code."""
    words = shortened(text, limit).split()
    parts = []
    for plain, group in groupby(words, key=lambda word: _PLAIN.fullmatch(word) is not None):
        together = " ".join(group)
        parts.append(together if plain else _code_before_punctuation(together, limit))
    return " ".join(parts)


def _code_before_punctuation(text: str, limit: int) -> str:
    content = text.rstrip(",;:")
    return f"{code(content, limit)}{text[len(content) :]}" if content else code(text, limit)


def cell(markdown: str) -> str:
    """A table cell's content. GFM 4.10: a pipe is escaped with a backslash, in code as well."""
    return markdown.replace("|", "\\|")
