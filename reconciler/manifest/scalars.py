"""What an unquoted YAML scalar means, by the core schema of YAML 1.2 (section 10.3.2)."""

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST_OF_NUMBER = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE_OR_NAN = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MOST_DIGITS = 400  # Python refuses to convert very long ones; no number of 64 bits needs them
_BITS = 64


def core_value(text: str) -> Scalar:
    """The value of a plain scalar. Dates, `yes`, `1_000` and `08:00` are text.

    Raises ValueError for a number that JSON or 64 bits cannot hold; its words go on from the text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBER:
        return text
    return _number_or_text(text)


def _number_or_text(text: str) -> Scalar:
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _OCTAL_OR_HEX.fullmatch(text):
        return _integer(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ValueError("is too large a number")
        return number
    if _INFINITE_OR_NAN.fullmatch(text):
        raise ValueError("is no number that JSON knows")
    return text


def _integer(digits: str, base: int) -> int:
    number = int(digits, base) if len(digits) <= _MOST_DIGITS else 1 << _BITS
    if not -(1 << _BITS - 1) <= number < 1 << _BITS - 1:
        raise ValueError("does not fit into 64 bits")
    return number
