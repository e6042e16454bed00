"""JSON documents, as every `--format json` prints them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, overload

import msgspec

from reconciler.model import Parameters, wire_parameters
from reconciler.render.safe import without_harm


def environments_document(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document of one environment as it is; those of several under `environments`."""
    return found[0] if len(found) == 1 else {"version": 1, "environments": list(found)}


@lru_cache(maxsize=16_384)
def wire_form(parameters: Parameters) -> Sequence[dict[str, str]]:
    """Like `wire_parameters`, but runs with equal parameters, as many have, share one value."""
    return wire_parameters(parameters)


class MadeRows(Sequence[Any]):
    """A long list in a document, whose values are made only when they are written, and not kept."""

    def __init__(self, of: Sequence[Any], value: Callable[[Any], Any]) -> None:
        self._of = of
        self._value = value  # makes what is written for one item

    def __len__(self) -> int:
        return len(self._of)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self._value(one) for one in self._of[index]]
        return self._value(self._of[index])

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    __hash__ = None  # type: ignore[assignment] # as of a list


def json_document(value: Any) -> str:
    """The value as indented JSON, ended by a line feed; harmful characters are escaped.

    JSON allows those characters unescaped, but terminals obey them, or no encoding can write them.
    """
    return "".join(json_pieces(value))


def json_pieces(value: Any) -> Iterator[str]:
    """The same document in pieces of whole lines, so that `MadeRows` are never all in memory.

    `MadeRows` may be values of the outer object, or of an object in a list such as `environments`.
    """
    rest = ""
    for piece in chain(_pieces(value), ("\n",)):
        text = rest + piece
        end = text.rfind("\n") + 1
        if end:
            yield without_harm(text[:end])
        rest = text[end:]


_AT_ONCE = 500  # rows
_STEP = "  "


def _pieces(value: Any, depth: int = 0) -> Iterator[str]:
    margin, inside = "\n" + _STEP * depth, "\n" + _STEP * (depth + 1)
    if isinstance(value, MadeRows) and value:
        parts = (value[at : at + _AT_ONCE] for at in range(0, len(value), _AT_ONCE))
        # Without the brackets of each part, which are on lines of their own.
        texts = (_format_value(part, depth)[1 : -len(margin) - 1] for part in parts)
        yield from _join_members("[", texts, margin + "]")
    elif isinstance(value, dict) and any(map(_is_long, value.values())):
        members = (
            chain((inside + _format_value(key) + ": ",), _pieces(one, depth + 1))
            for key, one in value.items()
        )
        yield from _join_members("{", members, margin + "}")
    elif isinstance(value, list) and any(map(_is_long, value)):
        members = (chain((inside,), _pieces(one, depth + 1)) for one in value)
        yield from _join_members("[", members, margin + "]")
    else:
        yield _format_value([] if isinstance(value, MadeRows) else value, depth)


def _join_members(begin: str, members: Iterable[Iterable[str]], end: str) -> Iterator[str]:
    yield begin
    for number, member in enumerate(members):
        if number:
            yield ","
        yield from (member,) if isinstance(member, str) else member
    yield end


def _is_long(value: Any) -> bool:
    """Whether the value holds `MadeRows`."""
    if isinstance(value, Mapping):
        return any(isinstance(one, MadeRows) for one in value.values())
    return isinstance(value, MadeRows) or (isinstance(value, list) and any(map(_is_long, value)))


def _format_value(value: Any, depth: int = 0) -> str:
    """The value as JSON with all lines but the first indented by so many steps.

    It is formatted inside as many lists, which takes less time than to indent each line.
    """
    for _ in range(depth):
        value = [value]
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=len(_STEP)).decode()
    except UnicodeEncodeError:  # lone surrogates, as in a file name; Python's slow encoder can
        text = json.dumps(value, ensure_ascii=False, indent=len(_STEP))
    # Each list adds its bracket and a line feed at both ends, and what they and the value are
    # indented by.
    begin, end = depth * (depth + 3), depth * (depth + 1)
    return text[begin : len(text) - end]
