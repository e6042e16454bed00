r"""libyaml's errors in words for somebody who has never read its source: what to write instead.

It is loaded only for a file that has such an error.
"""

import re

from yaml import MarkedYAMLError

from reconciler.manifest.strict import GLUED_COMMENT
from reconciler.manifest.text import TextMark, place_of, split_lines
from reconciler.model import Problem

_SURROGATE = r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_TAG_WORDS = "tags (`!…`) are not allowed: write the plain value, in quotes if it begins with `!`"
_DIRECTIVE_WORDS = (
    "no line may begin with % here, but for `%YAML 1.2` above a line `---`: begin a comment with "
    "#, and put text that begins with % in quotes"
)
_NAME_WORDS = (
    "`{sign}` begins {what}, whose name has only letters, digits, - and _: put text that begins "
    "with `{sign}` in quotes"
)
_SYNTAX_WORDS = {
    "mapping values are not allowed in this context": "a value cannot begin here: check the "
    'indentation, and put text that holds ": " in quotes',
    "did not find expected key": "a key is expected here: check that the keys of one mapping "
    "begin in the same column, and that text is closed by the quote that opened it",
    "did not find expected '-' indicator": "a list's next item, `- …`, is expected here: check "
    "the indentation",
    "did not find expected ',' or '}'": "`,` or `}` is expected here",
    "did not find expected ',' or ']'": "`,` or `]` is expected here",
    "could not find expected ':'": "a key's `:`, or the space after it, is missing before this",
    "did not find expected node content": "a value is expected here",
    "found undefined tag handle": "tags (`!…`) are not allowed: write the plain value",
    "found incompatible YAML document": "only YAML 1.1 and 1.2 are read: take the %YAML line away",
    "found unknown escape character": "this escape is not known: double the backslash, or use "
    "single quotes",
    "block sequence entries are not allowed in this context": "a list's item cannot begin here: "
    "put it on a line of its own, or text that begins with `-` in quotes",
    "mapping keys are not allowed in this context": "`?` cannot begin a value here: put text that "
    "begins with `?` in quotes",
    "did not find expected hexdecimal number": "`\\x` needs two hexadecimal digits after it, `\\u` "
    "four and `\\U` eight: write them, or double the backslash, or use single quotes",
    "found invalid Unicode character escape code": "this escape is of no character that exists: "
    "correct it, or double the backslash, or use single quotes",
    "found an indentation indicator equal to 0": "the digit after `|` or `>` says by how many "
    "spaces the text is indented: write 1 to 9, or leave it out",
    "found unexpected ':'": "text that begins with `:`, or holds it before a bracket or a comma, "
    "goes into quotes here",
    "found duplicate %YAML directive": "%YAML is given a second time: take this line away",
    "found a tab character where an indentation space is expected": "a tab stands where the "
    "indentation is: use spaces",
}
_SYNTAX_WORDS |= dict.fromkeys(
    (
        *("found duplicate %TAG directive", "did not find expected tag URI"),
        *("did not find the expected '>'", "did not find expected '!'"),
        *("did not find expected whitespace or line break", "did not find URI escaped octet"),
        *("found an incorrect leading UTF-8 octet", "found an incorrect trailing UTF-8 octet"),
    ),
    _TAG_WORDS,
)
_SYNTAX_WORDS |= dict.fromkeys(
    (
        *("found unknown directive name", "could not find expected directive name"),
        *("found unexpected non-alphabetical character", "did not find expected whitespace"),
        *("did not find expected digit or '.' character", "found extremely long version number"),
        "did not find expected version number",
    ),
    _DIRECTIVE_WORDS,
)


def explain(error: MarkedYAMLError, text: str, file: str) -> Problem:
    """The problem for an error of libyaml's, at the place that the error gives."""
    mark = error.problem_mark or error.context_mark
    found = _character(text, mark)
    problem = error.problem or "cannot be read"
    if problem == "found a tab character that violates indentation" or found == "\t":
        message = _tab_message(text, mark)
    elif problem == "found invalid Unicode character escape code" and _is_surrogate(text, mark):
        message = (
            "half of a surrogate pair is no character: outside of JSON files write the whole "
            'character, or its one escape, such as "\\U0001F600"'
        )
    elif problem == "found character that cannot start any token":
        message = f"a value cannot begin with {found!r}: put it in quotes"
    elif problem == "found unexpected end of stream" and "quoted scalar" in str(error.context):
        mark, message = error.context_mark or mark, "the quote that opens here is never closed"
    elif problem == "found unexpected document indicator":
        line = f" before line {mark.line + 1}, which divides documents" if mark else ""
        mark, message = error.context_mark or mark, f"the quote that opens here is not closed{line}"
    elif problem == "did not find expected alphabetic or numeric character":
        mark = error.context_mark or mark
        sign, what = ("*", "an alias") if _character(text, mark) == "*" else ("&", "an anchor")
        message = _NAME_WORDS.format(sign=sign, what=what)
    elif problem == "did not find expected comment or line break":
        message = _rest_message(text, mark, error.context_mark)
    elif problem == "did not find expected <document start>":
        message = _second_value_message(text, mark)
    else:
        message = _SYNTAX_WORDS.get(problem, problem)
    return Problem(
        place=place_of(mark, file),
        code="yaml-syntax",
        message=message + _beginning(mark, error.context_mark),
    )


def _tab_message(text: str, mark: TextMark | None) -> str:
    before = split_lines(text)[mark.line][: mark.column].strip() if mark else ""
    if not before:
        return "a tab stands where the indentation is: use spaces"
    return f"a tab stands after `{before[-1]}`: use a space"


def _is_surrogate(text: str, mark: TextMark | None) -> bool:
    if mark is None:
        return False
    line = split_lines(text)[mark.line]
    return any(
        found.start() <= mark.column <= found.end() for found in re.finditer(_SURROGATE, line)
    )


def _character(text: str, mark: TextMark | None) -> str:
    lines = split_lines(text)
    if mark is None or mark.line >= len(lines):
        return ""
    return lines[mark.line][mark.column : mark.column + 1]


def _beginning(mark: TextMark | None, began: TextMark | None) -> str:
    """The line on which the malformed part began, in words, if it is another line."""
    if mark is None or began is None or mark.line == began.line:
        return ""
    return f" (in what begins on line {began.line + 1})"


def _rest_message(text: str, mark: TextMark | None, began: TextMark | None) -> str:
    """What is wrong with what follows on a line that nothing but a comment may follow on."""
    sign = _character(text, began)
    if sign not in {"|", ">"}:
        return _DIRECTIVE_WORDS
    if _character(text, mark) == "#":
        return GLUED_COMMENT
    return (
        f"text after `{sign}` begins on the next line, indented: move it there, or put what begins "
        f"with `{sign}` in quotes"
    )


def _second_value_message(text: str, mark: TextMark | None) -> str:
    before = split_lines(text)[: mark.line] if mark else []
    written = [line for line in before if line.strip() and not line.lstrip().startswith("#")]
    if written and written[-1].startswith("%"):
        return "a line `---` is missing between the lines that begin with % and this"
    return (
        "the document ended before this: write a line `---` before the next one, or, if this "
        "belongs to it, write all of it in one form, with or without brackets"
    )
