"""One JSON document, as every `--format json` prints it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, overload

import msgspec

from reconciler.model import Parameters, wire_parameters
from reconciler.render.safe import without_harm


def one_or_several(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document of one environment as it is; those of several under `environments`."""
    return found[0] if len(found) == 1 else {"version": 1, "environments": list(found)}


@lru_cache(maxsize=16_384)
def wire_form(parameters: Parameters) -> Sequence[dict[str, str]]:
    """See `wire_parameters`; one value for all runs that carry the same, as many do."""
    return wire_parameters(parameters)


class MadeRows(Sequence[Any]):
    """A long list in a document: each of its values is made where it is written, and not kept."""

    def __init__(self, of: Sequence[Any], value: Callable[[Any], Any]) -> None:
        self._of = of
        self._value = value  # what is written of one

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

    __hash__ = None  # type: ignore[assignment] # as that of a list


def json_document(value: Any) -> str:
    """The value as indented JSON, ended by a line feed; harmful characters are escaped.

    They are valid in JSON as they are, and obeyed by terminals or impossible to encode.
    """
    return "".join(json_pieces(value))


def json_pieces(value: Any) -> Iterator[str]:
    """The same in pieces of whole lines, so that the `MadeRows` in it are never there all at once.

    They may be values of an object, or of an object in a list, as the environments are.
    """
    rest = ""
    for piece in chain(_pieces(value), ("\n",)):
        lines, feed, rest = (rest + piece).rpartition("\n")
        if feed:
            yield without_harm(lines) + feed


_AT_ONCE = 500  # rows
_STEP = "  "


def _pieces(value: Any, margin: str = "") -> Iterator[str]:
    inside = margin + _STEP
    if isinstance(value, MadeRows) and value:
        parts = (value[at : at + _AT_ONCE] for at in range(0, len(value), _AT_ONCE))
        # Without the brackets of each, which have lines of their own.
        texts = (_within(margin, part)[1 : -len(margin) - 2] for part in parts)
        yield from _joined("[", texts, "\n" + margin + "]")
    elif isinstance(value, dict) and any(map(_is_long, value.values())):
        members = (
            chain(("\n" + inside + _indented(key) + ": ",), _pieces(one, inside))
            for key, one in value.items()
        )
        yield from _joined("{", members, "\n" + margin + "}")
    elif isinstance(value, list) and any(map(_is_long, value)):
        members = (chain(("\n" + inside,), _pieces(one, inside)) for one in value)
        yield from _joined("[", members, "\n" + margin + "]")
    else:
        yield _within(margin, [] if isinstance(value, MadeRows) else value)


def _joined(begin: str, members: Iterable[Iterable[str]], end: str) -> Iterator[str]:
    yield begin
    for number, member in enumerate(members):
        if number:
            yield ","
        yield from (member,) if isinstance(member, str) else member
    yield end


def _is_long(value: Any) -> bool:
    """Whether there are `MadeRows` in it."""
    if isinstance(value, Mapping):
        return any(isinstance(one, MadeRows) for one in value.values())
    return isinstance(value, MadeRows) or (isinstance(value, list) and any(map(_is_long, value)))


def _within(margin: str, value: Any) -> str:
    """The value as JSON whose lines stand that far to the right, but for the first."""
    text = _indented(value)
    return text.replace("\n", "\n" + margin) if margin else text


def _indented(value: Any) -> str:
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # half a character, as in a file's name; Python's own, slower, can
        return json.dumps(value, ensure_ascii=False, indent=2)
