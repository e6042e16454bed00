"""The envelope of every answer, and the plain values in it, as the service may write them.

Pure. They are read liberally, for the published samples disagree; what cannot be read is None.
"""

import json
import re
from typing import Any

from msgspec import Struct

# Unix epoch, milliseconds: a year before calendars end. What is later cannot be shown in each zone,
# nor can what is counted from it: the end of a claim, what a stamp may have been cut to.
LAST_INSTANT = 253_370_764_800_000

_INTEGER = re.compile(r"\s*([+-]?\d{1,18})(?:\.0*)?\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*(\d{1,18})(?:\.\d*)?\s*", re.ASCII)

_LONGEST_ID = 200  # characters; the documented ones have about 20
# What stands for no id in text: `null` and the like, also as a part ("3377-null"); and noughts or a
# negative number, as of a field that nothing was written into.
_NO_ID = re.compile(
    r"(?:.*[\W_])?(?:null|none|nil|nan|undefined)(?:[\W_].*)?|[\W_0]*|-\d+", re.IGNORECASE
)


class Envelope(Struct, frozen=True, kw_only=True):
    """What every answer of the service is wrapped in."""

    code: int
    message: str
    data: Any
    own: bool  # it is V2.1's `code`: a `status` may also stand in the error of a web framework


def read_envelope(body: bytes | None) -> Envelope | None:
    """The envelope, or None if the body is no JSON object with a readable code.

    V2.1 says `code`, V2.0 and the token service `status`, the published token sample `stauts`.
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
    """The JSON value, or None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # the latter: a body of nothing but brackets
        return None


def read_verbatim_json(text: str) -> Any:
    """The same, with each number as the text that it was written as."""
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None


def read_integer(value: object) -> int | None:
    """An integer that came as a number or as text, or None."""
    match = _INTEGER.fullmatch(_plain(value))
    return int(match[1]) if match else None


def read_milliseconds(value: object) -> int | None:
    """An instant that came as a number or as text, cut to the millisecond, or None.

    Beyond LAST_INSTANT it is unreadable.
    """
    match = _DECIMAL.fullmatch(_plain(value))
    instant = int(match[1]) if match else 0
    return instant if 0 < instant <= LAST_INSTANT else None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, float):
        return f"{value:f}"
    return str(value) if isinstance(value, int | str) else ""


def read_name(value: object) -> str | None:
    """An id or a name that came as text or as a number, or None.

    Only printable text counts: anything else could not be written to the ledger or shown.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value.strip()
    return None


def read_instance_id(value: object) -> str | None:
    """The id of an instance, or None; none, too, where the text is how an absent one is written."""
    name = read_name(value)
    if name is None or len(name) > _LONGEST_ID:
        return None
    return None if _NO_ID.fullmatch(name) else name
