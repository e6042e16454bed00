"""Values that may exist 100,000 times, in full and in brief."""

from typing import Any, ClassVar, Generic, Self, TypeVar

import msgspec

_Full = TypeVar("_Full", bound=msgspec.Struct)


class Numerous(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A value that may exist 100,000 times.

    Python's garbage collector ignores it, so it must not be part of a reference cycle.
    """

    def but(self, **fields: Any) -> Self:
        """A copy with these fields replaced."""
        return msgspec.structs.replace(self, **fields)


class Brief(Generic[_Full]):
    """A compact value that makes its fields on demand, and equals a full value with the same ones.

    A subclass has every field of the full value, and names the full value's class in `in_full`.
    """

    __slots__ = ()

    in_full: ClassVar[Any]

    def full_value(self) -> _Full:
        """The full value, with every field made."""
        fields = self.in_full.__struct_fields__
        value: _Full = self.in_full(**{name: getattr(self, name) for name in fields})
        return value

    def but(self, **fields: Any) -> _Full:
        """The full value with these fields replaced."""
        return msgspec.structs.replace(self.full_value(), **fields)

    def __eq__(self, other: object) -> bool:
        return self is other or self.full_value() == (
            other.full_value() if isinstance(other, Brief) else other
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.full_value())
