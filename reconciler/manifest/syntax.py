"""libyaml's syntax errors in words for somebody who has never read its source."""

import re

from yaml import MarkedYAMLError

from reconciler.manifest.text import Mark, UnreadableError, place_after, place_of, split_lines
from reconciler.model import Problem

# What git writes into a file whose two sides it cannot merge.
_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?=[ \r]|$)", re.MULTILINE)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")

_WORDS = {
    "mapping values are not allowed in this context": "a value cannot begin here: check the "
    'indentation, and put text that holds ": " in quotes',
    "did not find expected key": "a key is expected here: check that the keys of one mapping "
    "begin in the same column, and that text is closed by the quote that opened it",
    "did not find expected '-' indicator": "a list's next item, `- …`, is expected here: check "
    "the indentation",
    "did not find expected ',' or '}'": "`,` or `}` is expected here",
    "did not find expected ',' or ']'": "`,` or `]` is expected here",
    "could not find expected ':'": "a key's `:` is missing before this",
    "did not find expected node content": "a value is expected here",
    "found undefined tag handle": "tags (`!…`) are not allowed: write the plain value",
    "found incompatible YAML document": "only YAML 1.1 and 1.2 are read: take the %YAML line away",
    "found unknown escape character": "this escape is not known: double the backslash, or use "
    "single quotes",
    "block sequence entries are not allowed in this context": "a list's item cannot begin here: "
    "put it on a line of its own, or text that begins with `-` in quotes",
}


def check_conflicts(text: str, file: str) -> None:
    """Raise UnreadableError for the marks of a merge that nobody has settled."""
    found = _CONFLICT.search(text)
    if found:
        message = (
            f"{found[0]} marks a merge conflict: keep one of the two sides, or what is right of "
            "both, and take the marks away"
        )
        place = place_after(text[: found.start()], file)
        raise UnreadableError(Problem(place=place, code="yaml-syntax", message=message))


def explain(error: MarkedYAMLError, text: str, file: str) -> Problem:
    """The problem that libyaml's error is, at the place that it gives."""
    mark = error.problem_mark or error.context_mark
    found = _character(text, mark)
    problem = error.problem or "cannot be read"
    if problem == "found a tab character that violates indentation" or found == "\t":
        message = _about_tab(text, mark)
    elif problem == "found invalid Unicode character escape code" and _is_surrogate(text, mark):
        message = (
            "half of a surrogate pair is no character: outside of JSON files write the whole "
            'character, or its one escape, such as "\\U0001F600"'
        )
    elif problem == "found character that cannot start any token":
        message = f"a value cannot begin with {found!r}: put it in quotes"
    elif problem == "found unexpected end of stream" and "quoted scalar" in str(error.context):
        mark, message = error.context_mark or mark, "the quote that opens here is never closed"
    else:
        message = _WORDS.get(problem, problem)
    return Problem(
        place=place_of(mark, file),
        code="yaml-syntax",
        message=message + _beginning(mark, error.context_mark),
    )


def _about_tab(text: str, mark: Mark | None) -> str:
    before = split_lines(text)[mark.line][: mark.column].strip() if mark else ""
    if not before:
        return "a tab stands where the indentation is: use spaces"
    return f"a tab stands after `{before[-1]}`: use a space"


def _is_surrogate(text: str, mark: Mark | None) -> bool:
    if mark is None:
        return False
    line = split_lines(text)[mark.line]
    return any(found.start() <= mark.column <= found.end() for found in _SURROGATE.finditer(line))


def _character(text: str, mark: Mark | None) -> str:
    lines = split_lines(text)
    if mark is None or mark.line >= len(lines):
        return ""
    return lines[mark.line][mark.column : mark.column + 1]


def _beginning(mark: Mark | None, began: Mark | None) -> str:
    """On which line the malformed part began, if that is another line."""
    if mark is None or began is None or mark.line == began.line:
        return ""
    return f" (in what begins on line {began.line + 1})"
