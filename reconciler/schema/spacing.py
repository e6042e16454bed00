"""`A:b`, written for `A: b`: YAML takes it for one text, or for a key without a value."""

import re
from typing import Any

from reconciler.schema.paths import quotable_text

_GLUED = r"[^\s:]+:\S"


def is_glued(text: str) -> bool:
    """Whether the text begins as a key and a value without a space between them."""
    return re.match(_GLUED, text) is not None


def lacks_space(key: str | int, value: Any) -> bool:
    """Whether a key without a value is what was written of a key and a value."""
    return value is None and isinstance(key, str) and is_glued(key)


def space_hint(text: str) -> str:
    """What to write instead of the text."""
    key, _, value = text.split(maxsplit=1)[0].partition(":")
    key, value = quotable_text(key), quotable_text(value)
    return f"a space is missing after `{key}:`; write `{key}: {value}`"
