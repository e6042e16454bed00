"""The two hashes that authenticate a caller (EnOS reference, How to Invoke an EnOS API)."""

import hashlib
from collections.abc import Mapping


def encryption(access_key: str, timestamp: int, secret_key: str) -> str:
    """The `encryption` of a token request; `timestamp` is Unix epoch, milliseconds."""
    return _hex_digest(f"{access_key}{timestamp}{secret_key}".encode())


def signature(
    token: str, query: Mapping[str, str], body: bytes, timestamp: int, secret_key: str
) -> str:
    """The `apim-signature` of a call.

    `query` holds decoded names and values; `body` is what the wire carries, byte for byte;
    `timestamp` is Unix epoch, milliseconds, as in the call's `apim-timestamp`.
    """
    pairs = "".join(f"{name}{query[name]}" for name in sorted(query))  # ASCII order of the names
    return _hex_digest(f"{token}{pairs}".encode() + body + f"{timestamp}{secret_key}".encode())


def _hex_digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
