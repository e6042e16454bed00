"""Readers of single YAML values: each returns the value, or says what it must be."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Self, TypeVar

from reconciler.model import EpochMs
from reconciler.times import parse_instant, parse_zone

_T = TypeVar("_T")
_K = TypeVar("_K")
Reader = Callable[[Any], _T]

_WORD = re.compile(r"[A-Za-z][0-9A-Za-z_-]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")

_LONGEST_SECONDS = 1e9
_LAST_INSTANT = 253_402_214_400_000  # milliseconds: a day before the end of the calendar


class UnreadableValueError(Exception):
    """Values that are not what they must be, each with its place."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self.problems = tuple(problems)  # the place within the value that was read, and the message

    @classmethod
    def from_words(cls, words: str) -> Self:
        """An error about the value itself, rather than a part of it."""
        return cls([("", words)])

    def under(self, name: str) -> list[tuple[str, str]]:
        """The problems, with places that start from the enclosing value."""
        return [(name + where, words) for where, words in self.problems]


def text(value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise UnreadableValueError.from_words(f"must be text, not {value!r}")
    return value


def raw_text(value: Any) -> str:
    """Text, which may be empty."""
    return value if value == "" else text(value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise UnreadableValueError.from_words(f"must be true or false, not {value!r}")
    return value


def number(low: int, high: int | None = None) -> Reader[int]:
    """A whole number within the limits."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UnreadableValueError.from_words(f"must be a whole number, not {value!r}")
        if value < low or (high is not None and value > high):
            limits = f"at least {low}" if high is None else f"from {low} to {high}"
            raise UnreadableValueError.from_words(f"must be {limits}, not {value}")
        return value

    return read


def seconds(value: Any) -> float:
    """A time span."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < _LONGEST_SECONDS
    ):
        raise UnreadableValueError.from_words(f"must be a number of seconds, not {value!r}")
    return float(value)


def signed_seconds(value: Any) -> float:
    """A time span that may be negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableValueError.from_words(f"must be a number of seconds, not {value!r}")
    if not abs(value) < _LONGEST_SECONDS:
        raise UnreadableValueError.from_words(f"must be fewer seconds than {value!r}")
    return float(value)


def instant(value: Any) -> EpochMs:
    """RFC 3339 with an offset, as text or already parsed by YAML; or Unix epoch milliseconds."""
    if isinstance(value, date):  # a datetime is a date too
        value = value.isoformat()
    if not isinstance(value, str):
        return EpochMs(number(0, _LAST_INSTANT)(value))
    try:
        return parse_instant(value)
    except ValueError as error:
        raise UnreadableValueError.from_words(f"{value!r} {error}") from None


def words(known: Iterable[str]) -> Reader[str]:
    """One of the words, unchanged."""
    return choice({word: word for word in known})


def choice(named: Mapping[str, _T], otherwise: Reader[_T] | None = None) -> Reader[_T]:
    """What one of the words stands for, or what the other reader makes of the value."""

    def read(value: Any) -> _T:
        if isinstance(value, str) and value in named:
            return named[value]
        words = ", ".join(named)
        if otherwise is None:
            raise UnreadableValueError.from_words(f"must be one of: {words}; not {value!r}")
        try:
            return otherwise(value)
        except UnreadableValueError as error:
            raise UnreadableValueError(
                (where, f"{problem}; or write {words}") for where, problem in error.problems
            ) from None

    return read


def zone(value: Any) -> str:
    """A time zone's name."""
    name = text(value)
    try:
        parse_zone(name)
    except ValueError as error:
        raise UnreadableValueError.from_words(str(error)) from None
    return name


def headers(value: Any) -> dict[str, str]:
    """HTTP headers; values may be written as numbers."""
    read = {}
    for name, content in mapping(value).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise UnreadableValueError.from_words(f"{name!r} is no name of a header")
        if isinstance(content, bool) or not _HEADER_VALUE.fullmatch(str(content)):
            raise UnreadableValueError([(f".{name}", f"must be printable ASCII, not {content!r}")])
        read[name] = str(content)
    return read


def mapping(value: Any) -> dict[Any, Any]:
    """A mapping with any content."""
    if not isinstance(value, dict):
        raise UnreadableValueError.from_words(f"must be a mapping, not {value!r}")
    return value


def items(read: Reader[_T]) -> Reader[tuple[_T, ...]]:
    """A list whose items the reader takes."""

    def read_all(value: Any) -> tuple[_T, ...]:
        if not isinstance(value, list):
            words = f"must be a list, not {value!r}{_suggest_list(read, value)}"
            raise UnreadableValueError.from_words(words)
        found, problems = [], []
        for index, one in enumerate(value):
            try:
                found.append(read(one))
            except UnreadableValueError as error:
                problems += error.under(f"[{index}]")
        if problems:
            raise UnreadableValueError(problems)
        return tuple(found)

    return read_all


def _suggest_list(read: Reader[_T], value: Any) -> str:
    """How the value is written as a list, where it is a word that may stand in one."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        return ""
    try:
        read(value)
    except UnreadableValueError:
        return ""
    return f": write [{value}]"


def one_or_more(read: Reader[_T]) -> Reader[_T | tuple[_T, ...]]:
    """One value that the reader takes, or a list of them that is not empty."""
    read_all = items(read)

    def read_either(value: Any) -> _T | tuple[_T, ...]:
        if not isinstance(value, list):
            return read(value)
        if not value:
            raise UnreadableValueError.from_words("must not be an empty list")
        return read_all(value)

    return read_either


def mapping_of(read_key: Reader[_K], read: Reader[_T]) -> Reader[dict[_K, _T]]:
    """A mapping whose keys and values the readers take."""

    def read_all(value: Any) -> dict[_K, _T]:
        found, problems = {}, []
        for key, one in mapping(value).items():
            try:
                found[read_key(key)] = read(one)
            except UnreadableValueError as error:
                problems += error.under(f".{key}")
        if problems:
            raise UnreadableValueError(problems)
        return found

    return read_all


def record(
    fields: Mapping[str, tuple[str, Reader[Any]]], *, needed: Iterable[str] = ()
) -> Reader[dict[str, Any]]:
    """A mapping with only these fields: a name in the file gives an attribute and its reader."""

    def read(value: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name, content in mapping(value).items():
            if name not in fields:
                known = ", ".join(fields)
                problems.append((f".{name}", f"there is no such field; there are: {known}"))
                continue
            attribute, reader = fields[name]
            try:
                found[attribute] = reader(content)
            except UnreadableValueError as error:
                problems += error.under(f".{name}")
        problems += [(f".{name}", "is missing") for name in needed if name not in value]
        if problems:
            raise UnreadableValueError(problems)
        return found

    return read
