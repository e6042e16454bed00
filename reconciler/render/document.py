"""One JSON document, as every `--format json` prints it."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from reconciler.render.safe import without_harm


def one_or_several(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document of one environment as it is; those of several under `environments`."""
    return found[0] if len(found) == 1 else {"version": 1, "environments": list(found)}


def json_document(value: Any) -> str:
    """The value as indented JSON, ended by a line feed; harmful characters are escaped.

    They are valid in JSON as they are, and obeyed by terminals or impossible to encode.
    """
    return without_harm(_indented(value)) + "\n"


def _indented(value: Any) -> str:
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # half a character, as in a file's name; Python's own, slower, can
        return json.dumps(value, ensure_ascii=False, indent=2)
