"""Quoting what a server or a library said: short, printable, and never with a secret in it."""

from collections.abc import Iterable

_LONGEST = 200  # characters; enough for every documented message, too few for a page of HTML


class Quoting:
    """Makes foreign text fit for messages, logs and the ledger. A gateway may echo what it got."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first, so that a secret inside another one does not leave the rest of it.
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text on one line, cut to 200 characters, each secret replaced by `***`."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        printable = "".join(one if one.isprintable() else " " for one in text)
        words = " ".join(printable.split())
        return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
