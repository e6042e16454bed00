"""What a schema finds wrong with a value."""

from dataclasses import dataclass
from typing import Literal

from reconciler.schema.paths import Path, message, pointer

Where = Literal["key", "value", "parent"]  # of a path, what a report points at


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong; `code` is stable, `words` go on from the path."""

    path: Path
    code: str
    words: str
    where: Where = "value"  # "parent": the path leads to a field that is missing

    @property
    def pointer(self) -> str:
        """The path as an RFC 6901 JSON Pointer."""
        return pointer(self.path)

    @property
    def message(self) -> str:
        """The words after the path, on one line."""
        return message(self.path, self.words)
