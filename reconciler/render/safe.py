"""Text of unknown origin, made safe to show."""

import unicodedata

# Control characters (ANSI escapes begin with one), bidirectional overrides and other invisible
# format characters, surrogates that no encoding can write, line and paragraph separators.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LEFTWARD = frozenset({"R", "AL", "AN"})  # letters and digits that run from right to left
_LONGEST_NAME = 200  # characters


def visible(text: str) -> str:
    r"""The text on one line, with everything that a terminal would obey shown as an escape.

    A line feed becomes `\n`, an escape character `\x1b`, a right-to-left override `\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def said(text: str) -> str:
    """A message, line by line made visible, with names that no reader needs whole cut short.

    Ids and names come from the service, which may give them any length and any letters: those that
    run from right to left would turn around what stands beside them, so they are escapes here.
    """
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST_NAME:
        return text
    return "\n".join(" ".join(map(_name, line.split(" "))) for line in text.split("\n"))


def _name(word: str) -> str:
    """One word of a message; a path is left whole, for a person may want to open it."""
    if len(word) > _LONGEST_NAME and "/" not in word:
        half = _LONGEST_NAME // 2
        word = f"{word[:half]}…{word[1 - half :]}"
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.bidirectional(character) in _LEFTWARD
        else character
        for character in visible(word)
    )


def shortened(text: str, limit: int) -> str:
    """The text, made visible, in at most `limit` characters; an ellipsis says that it was cut."""
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HARMFUL:
        return character
    return character.encode("unicode_escape").decode("ascii")
