"""The envelope of every answer, and the plain values in it, as the service may write them.

Pure. Values are read liberally, because the published samples disagree; None is unreadable.
"""

import json
import re
from typing import Any

from msgspec import Struct

# Unix epoch, milliseconds: a year before the calendar ends. Later instants cannot be shown in every
# zone, and neither can instants counted from them, such as the end of a claim, or the latest time
# that a cut stamp may stand for.
LAST_INSTANT = 253_370_764_800_000

_INTEGER = re.compile(r"\s*([+-]?\d{1,18})(?:\.0*)?\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*(\d{1,18})(?:\.\d*)?\s*", re.ASCII)

_LONGEST_ID = 200  # characters; the documented ones have about 20
# Text that stands for a missing id: `null` and the like, also as a part ("3377-null"); and zeros or
# a negative number, as in a field that was never set.
_NO_ID = re.compile(
    r"(?:.*[\W_])?(?:null|none|nil|nan|undefined)(?:[\W_].*)?|[\W_0]*|-\d+", re.IGNORECASE
)


class Envelope(Struct, frozen=True, kw_only=True):
    """The object that wraps every answer of the service."""

    code: int
    message: str
    data: Any
    own: bool  # the code was in V2.1's `code`; a web framework's error may have a `status`, too


def read_envelope(body: bytes | None) -> Envelope | None:
    """The envelope, or None if the body is no JSON object with a readable code.

    V2.1 calls it `code`, V2.0 and the token service `status`, the published token sample `stauts`.
    """
    content = read_json(body or b"")
    if not isinstance(content, dict):
        return None
    for name in ("code", "status", "stauts"):
        code = read_integer(content.get(name))
        if code is not None:
            message = content.get("msg", content.get("message"))
            words = message if isinstance(message, str) else ""
            return Envelope(code=code, message=words, data=content.get("data"), own=name == "code")
    return None


def read_json(text: bytes | str) -> Any:
    """The JSON value, or None if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: thousands of nested brackets
        return None


def read_verbatim_json(text: str) -> Any:
    """The JSON value as by `read_json`, but with each number as text, as it was written."""
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None


def read_integer(value: object) -> int | None:
    """An integer, from a number or text; None if unreadable."""
    match = _INTEGER.fullmatch(_plain_text(value))
    return int(match[1]) if match else None


def read_milliseconds(value: object) -> int | None:
    """An instant, from a number or text, cut to the millisecond; None if unreadable.

    A number beyond LAST_INSTANT is unreadable.
    """
    match = _DECIMAL.fullmatch(_plain_text(value))
    instant = int(match[1]) if match else 0
    return instant if 0 < instant <= LAST_INSTANT else None


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, float):
        return f"{value:f}"
    return str(value) if isinstance(value, int | str) else ""


def read_name(value: object) -> str | None:
    """An id or a name, from text or a number; None if unreadable.

    Only printable text counts: other text could not be written to the ledger or shown.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value.strip()
    return None


def read_instance_id(value: object) -> str | None:
    """The id of an instance; None if unreadable, or if the text stands for a missing id."""
    name = read_name(value)
    if name is None or len(name) > _LONGEST_ID:
        return None
    return None if _NO_ID.fullmatch(name) else name
