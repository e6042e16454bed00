"""What a scalar means, and where it means the text that its author wrote.

An unquoted scalar means what the core schema of YAML 1.2 says (section 10.3.2), except in places
where a value is the text that its author wrote, such as `012`, `no` or `12:30:00`.
"""

import math
import re
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from reconciler.schema.paths import Path

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST_OF_NUMBER = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_NUMBER = (
    r"(?P<octal_or_hex>0o[0-7]+|0x[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<infinite_or_nan>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_MOST_DIGITS = 400  # Python refuses to convert very long ones; no number of 64 bits needs them
_BITS = 64

ANY = "*"  # in a path of `Verbatim`: any key or index

AS_YAML = "!"  # at the end of a path of `Verbatim`: the value there is not text

Verbatim = frozenset[Path]  # the mappings and lists whose values are text


def core_value(text: str) -> Scalar:
    """The value of a plain scalar. Dates, `yes`, `1_000` and `08:00` are text.

    Raises ValueError for a number that JSON or 64 bits cannot hold; its message is a predicate with
    the text as its subject.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBER:
        return text
    return _number_or_text(text)


def _number_or_text(text: str) -> Scalar:
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    other = _other_number().fullmatch(text)
    if other is None:
        return text
    if other["octal_or_hex"]:
        return _integer(text[2:], 8 if text[1] == "o" else 16)
    if other["infinite_or_nan"]:
        raise ValueError("is no number that JSON knows; if it is meant as text, put it in quotes")
    number = float(text)
    if math.isinf(number):
        raise ValueError(
            "does not fit into 64 bits: the number is too large (text goes into quotes)"
        )
    return number


@cache
def _other_number() -> re.Pattern[str]:
    """Compiled when needed, as most numbers are whole and decimal, and kept for many files."""
    return re.compile(_OTHER_NUMBER)


def _integer(digits: str, base: int) -> int:
    number = int(digits, base) if len(digits) <= _MOST_DIGITS else 1 << _BITS
    if not -(1 << _BITS - 1) <= number < 1 << _BITS - 1:
        raise ValueError(
            "does not fit into 64 bits: the number is too large (text goes into quotes)"
        )
    return number


class Rule(Struct, frozen=True, kw_only=True):
    """How to read the value at a path. Without a rule, the whole value follows YAML's core schema.

    The reader finds rules as it descends into the value, so it need not put paths together.
    """

    as_text: bool  # a scalar is text
    below: Mapping[str | int, "Rule | None"]  # by key or index
    elsewhere: "Rule | None"  # of all other keys and indexes


@cache
def rule_of_document(verbatim: Verbatim) -> Rule | None:
    """The rule for a whole document."""
    is_text = (path if path[-1:] == (AS_YAML,) else (*path, ANY) for path in verbatim)
    return _rule(frozenset(is_text))


def _rule(paths: frozenset[Path]) -> Rule | None:
    """The rule for a value, from the paths that lead from it to values that are text."""
    if not paths or (AS_YAML,) in paths:
        return None

    def child_rule(*keys: str | int) -> Rule | None:
        return _rule(frozenset(path[1:] for path in paths if path and path[0] in keys))

    named = {path[0] for path in paths if path} - {ANY}
    rules = {key: child_rule(key, ANY) for key in named}
    return Rule(as_text=() in paths, below=rules, elsewhere=child_rule(ANY))
