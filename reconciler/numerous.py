"""Values of which there may be 100,000, in full and in brief."""

from typing import Any, ClassVar, Generic, Self, TypeVar

import msgspec

_Full = TypeVar("_Full", bound=msgspec.Struct)


class Numerous(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A value of which there may be 100,000.

    Python does not look for it in cycles: it must lie in none.
    """

    def but(self, **fields: Any) -> Self:
        """The same value, but for these fields."""
        return msgspec.structs.replace(self, **fields)


class Brief(Generic[_Full]):
    """A value that makes what it says when it is asked; it is the full one that says the same.

    Whoever is one gives every field of the full value, and its class.
    """

    __slots__ = ()

    in_full: ClassVar[Any]

    def full(self) -> _Full:
        """The same with nothing left to be made."""
        fields = self.in_full.__struct_fields__
        value: _Full = self.in_full(**{name: getattr(self, name) for name in fields})
        return value

    def but(self, **fields: Any) -> _Full:
        """The same, but for these fields."""
        return msgspec.structs.replace(self.full(), **fields)

    def __eq__(self, other: object) -> bool:
        return self is other or self.full() == (other.full() if isinstance(other, Brief) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.full())
