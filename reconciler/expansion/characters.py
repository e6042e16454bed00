"""What stands for the characters of a value in the names of runs.

It is the same on every machine. The interpreter's own tables of Unicode grow with each version;
those of Unicode 3.2, which every one has beside them, do not.
"""

import string
from functools import cache
from unicodedata import ucd_3_2_0 as unicode

_PLAIN = frozenset(string.ascii_letters + string.digits + "._~-:")
_LETTERS_AND_DIGITS = frozenset({"Lu", "Ll", "Lt", "Lo", "Nd"})
# Letters by Unicode 3.2, and yet: parts of Korean syllables, which NFC joins, among them two that
# cannot be seen; two more fillers; two that later versions count as marks.
_NOT_PLAIN = frozenset([*map(chr, range(0x1100, 0x1200)), *"\u3164\uffa0\u1885\u1886"])


def written(text: str, also: str = "") -> str:
    """The text as it stands in a name, which is safe to paste into a shell, a URL and a CSV file.

    ASCII letters, digits, `._~-:` and those of `also` stand for themselves, and so do letters and
    digits of other scripts that run from left to right and that no program writes in another way.
    Everything else is percent-encoded (RFC 3986, 2.1), in UTF-8.
    """
    return "".join(
        character if character in also or _is_plain(character) else _escape(character)
        for character in text
    )


@cache
def _is_plain(character: str) -> bool:
    if character.isascii() or character in _NOT_PLAIN:
        return character in _PLAIN
    return (
        unicode.category(character) in _LETTERS_AND_DIGITS
        and unicode.bidirectional(character) == "L"
        and unicode.normalize("NFC", character) == character
    )


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())
