"""Text of unknown origin, made safe to show."""

import unicodedata

# Control characters (ANSI escapes begin with one), bidirectional overrides and other invisible
# format characters, surrogates that no encoding can write, line and paragraph separators.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    r"""The text on one line, with everything that a terminal would obey shown as an escape.

    A line feed becomes `\n`, an escape character `\x1b`, a right-to-left override `\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def shortened(text: str, limit: int) -> str:
    """The text, made visible, in at most `limit` characters; an ellipsis says that it was cut."""
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HARMFUL:
        return character
    return character.encode("unicode_escape").decode("ascii")
