"""Text of unknown origin, made safe to show."""

import re

from reconciler.escapes import escape_character

# Control characters (ANSI escapes begin with one), bidirectional overrides and other invisible
# format characters, surrogates that no encoding can write, line and paragraph separators.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters and marks that take no room and show nothing: the characters of Unicode's
# Default_Ignorable_Code_Point that are in none of the harmful categories.
_UNSEEN = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff"
)
_UNSEEN_ONE = f"[{_UNSEEN}]"
_LEFTWARD = frozenset({"R", "AL", "AN"})  # letters and digits that run from right to left
_LONGEST_NAME = 200  # characters

_SUSPECT = r"[^\n -~]"  # all but the characters that are certainly harmless
_HARMLESS = bytes((ord("\n"), *range(ord(" "), ord("~") + 1)))
_PAINT = "(\x1b\\[[0-9;]*m)"
# Commands that pipelines obey in a log. GitHub trims a line, then reads `::error ...::` where it
# starts. `##[...]` (GitHub, Azure DevOps), `##vso[...]` and `##teamcity[...]` count anywhere.
_COMMAND_LINE = r"(?m)^([^\S\n]*):(?=:)"
_COMMAND = r"(?i)#(?=#(?:vso|teamcity)?\[)"


def escape_line(text: str) -> str:
    r"""The text on one line, with everything that a terminal would obey shown as an escape.

    A line feed becomes `\n`, an escape character `\x1b`, a right-to-left override `\u202e`.
    """
    if text.isprintable() and not re.search(_UNSEEN_ONE, text):
        return text
    return "".join(escape_character(one) if is_harmful(one) else one for one in text)


def escape_message(text: str) -> str:
    """A message with each line made visible, and with very long names cut short.

    Ids and names come from the service, which may give them any length and any letters. Letters
    that run from right to left would reverse the text beside them, so they are shown as escapes.
    """
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST_NAME:
        return text
    return "\n".join(" ".join(map(_escape_word, line.split(" "))) for line in text.split("\n"))


def _escape_word(word: str) -> str:
    """One word of a message. A path is left whole, because a person may want to open it."""
    import unicodedata

    if len(word) > _LONGEST_NAME and "/" not in word:
        half = _LONGEST_NAME // 2
        word = f"{word[:half]}…{word[1 - half :]}"
    return "".join(
        escape_character(character)
        if unicodedata.bidirectional(character) in _LEFTWARD
        else character
        for character in escape_line(word)
    )


def shorten_text(text: str, limit: int) -> str:
    """The text, made visible, in at most `limit` characters; an ellipsis says that it was cut."""
    shown = escape_line(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def is_harmful(character: str) -> bool:
    """Whether a terminal would obey the character, or a reader could not see it."""
    import unicodedata

    return (
        unicodedata.category(character) in _HARMFUL or re.match(_UNSEEN_ONE, character) is not None
    )


def json_escape(character: str) -> str:
    r"""The character as JSON may write it within a string: `\u009b`, `\ud83d\ude00`."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def without_harm(text: str) -> str:
    """Lines of text or JSON with harmful characters as escapes; line feeds are kept."""
    if text.isascii() and not text.encode().translate(None, _HARMLESS):
        return text  # true of most texts; the search below takes many times as long
    return re.sub(
        _SUSPECT, lambda found: json_escape(found[0]) if is_harmful(found[0]) else found[0], text
    )


def escape_output(text: str, *, begins: bool = True, painted: bool = False) -> str:
    r"""The output in a form that neither a terminal nor the log of a pipeline obeys.

    The escapes are JSON's, so that a JSON document keeps its meaning. `begins`: whether the text
    starts at the beginning of a line. `painted`: whether its colours are intended and stay.
    """
    if painted and "\x1b" in text:
        parts = re.split(_PAINT, text)
        parts[::2] = map(without_harm, parts[::2])
        text = "".join(parts)
    else:
        text = without_harm(text)
    if "#" in text and "##" in text:  # a search for one character is ten times as fast as for two
        text = re.sub(_COMMAND, r"\\u0023", text)
    if "::" not in text:
        return text
    first, feed, rest = ("", "", text) if begins else text.partition("\n")
    return first + feed + re.sub(_COMMAND_LINE, r"\1\\u003a", rest)
