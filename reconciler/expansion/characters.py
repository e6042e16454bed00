"""What stands for the characters of a value in the names of runs, and how a reader sees them.

Both are the same on every machine. The interpreter's own tables of Unicode grow with each version;
those of Unicode 3.2, which every one has beside them, do not.
"""

import string
from functools import cache
from itertools import groupby
from unicodedata import ucd_3_2_0 as unicode

_PLAIN = frozenset(string.ascii_letters + string.digits + "._~-:")
_LETTERS_AND_DIGITS = frozenset({"Lu", "Ll", "Lt", "Lo", "Nd"})
# Letters by Unicode 3.2, and yet: parts of Korean syllables, which NFC joins, among them two that
# cannot be seen; two more fillers; two that later versions count as marks.
_NOT_PLAIN = frozenset([*map(chr, range(0x1100, 0x1200)), *"\u3164\uffa0\u1885\u1886"])
# What shows nothing, beside the category Cf of Unicode 3.2. Ranges, both ends included.
_INVISIBLE = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)


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


def look(text: str) -> str:
    """What texts have in common that a reader cannot tell apart."""
    if text.isascii():
        return text
    seen = (" " if unicode.category(one) == "Zs" else one for one in text if not _is_invisible(one))
    # What a later Unicode added is normalized by some interpreters and not by others.
    parts = groupby(seen, key=lambda one: unicode.category(one) == "Cn")
    joined = ("".join(part) if unknown else _normal("".join(part)) for unknown, part in parts)
    return "".join(one for one in "".join(joined) if not _is_invisible(one))


def _normal(text: str) -> str:
    return unicode.normalize("NFKC", text)


@cache
def _is_invisible(character: str) -> bool:
    if unicode.category(character) == "Cf":
        return True
    return any(first <= ord(character) <= last for first, last in _INVISIBLE)


def difference(one: str, other: str) -> str:
    """Where one text differs from another that looks like it, in words."""
    start = next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    here, there = (_listed(text[start : len(text) - end]) for text in (one, other))
    return f"it has {here} where that has {there}"


def _listed(text: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in text[:5]) or "nothing"
