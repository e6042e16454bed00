"""Characters of values: how they are written in the names of runs, and which ones look the same.

The answers must not depend on the machine. The Unicode tables of a Python interpreter grow with
each version, but every interpreter also has those of Unicode 3.2, which never change. They decide
which characters stand for themselves. Fixed lists say which characters are blank, invisible or
normalized. The list of normalized characters is safe: every interpreter knows at least Unicode 14,
and by Unicode's stability policy the normalization of a known character never changes.
"""

import string
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from unicodedata import ucd_3_2_0
from unicodedata import ucd_3_2_0 as unicode

from reconciler.schema.paths import quotable_text

_PLAIN = frozenset(string.ascii_letters + string.digits + "._~-:")
_LETTERS_AND_DIGITS = frozenset({"Lu", "Ll", "Lt", "Lo", "Nd"})
# Letters by Unicode 3.2 that are not plain: parts of Korean syllables, which NFC joins, two of them
# invisible; two more fillers; two that later versions count as marks.
_NOT_PLAIN = frozenset([*map(chr, range(0x1100, 0x1200)), *"\u3164\uffa0\u1885\u1886"])


def escape_for_name(text: str, also: str = "") -> str:
    """The text as it is written in a name: safe to paste into a shell, a URL and a CSV file.

    ASCII letters, digits, `._~-:` and the characters of `also` stand for themselves. So do letters
    and digits of other scripts, if they run from left to right and NFC does not change them.
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


_Ranges = Sequence[tuple[int, int]]  # both ends included, ascending


def _ranges(text: str) -> _Ranges:
    pairs = (one.partition("-")[::2] for one in text.split())
    return [(int(first, 16), int(last or first, 16)) for first, last in pairs]


_BLANK = _ranges("9-D 1C-20 85 A0 1680 2000-200A 2028-2029 202F 205F 2800 3000")
# Controls that are not blanks, and characters that show nothing; besides Cf of Unicode 3.2.
_INVISIBLE = _ranges("""
    0-8 E-1B 7F-84 86-9F AD 34F 61C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F
    3164 FE00-FE0F FEFF FFA0 FFF0-FFFB 13430-1343F 16FE4 1BCA0-1BCA3 1D159 1D173-1D17A E0000-E0FFF
""")
# Characters of Unicode 14, not in 3.2, that some normalization changes, moves or joins. All
# characters inside these ranges are in Unicode 14.
_NORMALIZED = _ranges("""
    350-35F 3F9-487 5A2-5C7 610-65F 7EB-7F3 7FD-82D 859-85B 898-8FF 9FE C3C CBC D3B-D3C EBA
    103A-108D 10FC 135D-135F 1715 17DD 1939-193B 1A17-1A18 1A60-1A7C 1A7F 1AB0-1ACE 1B05-1B44
    1B6B-1B73 1BAA-1BF3 1C37 1CD0-1CF9 1D2C-1DFF 2090-209C 20EB-20F0 213B-2189 2C7C-2CF1 2D6F 2D7F
    2DE0-2DFF 321D-321E 3244-33FF A66F-A6F1 A770 A7F2-A82C A8C4 A8E0-A953 A9B3-A9C0 AAB0-AAC1 AAF6
    AB5C-AB69 ABED FA2E-FA6D FA70-FAD9 FE10-FE19 FE24-FE48 101FD 102E0 10376-1037A 10781-10785
    10787-107B0 107B2-107BA 10A0D-10A0F 10A38-10A3A 10A3F 10AE5-10AE6 10D24-10D27 10EAB-10EAC
    10F46-10F50 10F82-10F85 11046 11070 1107F-110BA 11100-11134 11173 111C0-111CA 11235-11236
    112E9-112EA 1133B-1133E 11347 1134B-1134D 11357 11366-1136C 11370-11374 11442-11446 1145E
    114B0-114C3 115AF 115B8-115C0 1163F 116B6-116B7 1172B 11839-1183A 11930-11935 11938
    1193D-11943 119E0 11A34-11A47 11A99 11C3F 11D42-11D45 11D97 16AF0-16AF4 16B30-16B36
    16FF0-16FF1 1BC9E 1D242-1D244 1D4C1 1D6A4-1D6A5 1D7CA-1D7CB 1E000-1E006 1E008-1E018
    1E01B-1E021 1E023-1E024 1E026-1E02A 1E130-1E136 1E2AE 1E2EC-1E2EF 1E8D0-1E8D6 1E944-1E94A
    1EE00-1EE03 1EE05-1EE1F 1EE21-1EE22 1EE24 1EE27 1EE29-1EE32 1EE34-1EE37 1EE39 1EE3B 1EE42
    1EE47 1EE49 1EE4B 1EE4D-1EE4F 1EE51-1EE52 1EE54 1EE57 1EE59 1EE5B 1EE5D 1EE5F 1EE61-1EE62
    1EE64 1EE67-1EE6A 1EE6C-1EE72 1EE74-1EE77 1EE79-1EE7C 1EE7E 1EE80-1EE89 1EE8B-1EE9B
    1EEA1-1EEA3 1EEA5-1EEA9 1EEAB-1EEBB 1F100-1F190 1F200-1F202 1F210-1F23B 1F240-1F248
    1F250-1F251 1FBF0-1FBF9
""")


def visible_form(text: str) -> str:
    """A form of the text that is equal for all texts that a reader cannot tell apart."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    seen = (one for one in text if not _is_invisible(one))
    parts = groupby(seen, key=_is_normalized)
    joined = "".join(
        unicodedata.normalize("NFKC", "".join(part)) if normalized else "".join(part)
        for normalized, part in parts
    )
    blanks = (" " if _is_in(_BLANK, one) else one for one in joined if not _is_invisible(one))
    return " ".join(part for part in "".join(blanks).split(" ") if part)


@cache
def _is_invisible(character: str) -> bool:
    return ucd_3_2_0.category(character) == "Cf" or _is_in(_INVISIBLE, character)


@cache
def _is_normalized(character: str) -> bool:
    """Whether every interpreter knows the character and normalizes it in the same way."""
    return ucd_3_2_0.category(character) != "Cn" or _is_in(_NORMALIZED, character)


def _is_in(ranges: _Ranges, character: str) -> bool:
    number = ord(character)
    at = bisect_right(ranges, number, key=lambda one: one[0])
    return at > 0 and number <= ranges[at - 1][1]


def alike_words(one: str, other: str, where: str) -> str:
    """What is wrong with a text that looks like another one, and what to do."""
    return (
        f'"{quotable_text(one)}" looks like "{quotable_text(other)}", {where}, and is another '
        f"text: {_difference(one, other)}; remove one of the two, or write them so that they can "
        "be told apart"
    )


def _difference(one: str, other: str) -> str:
    """Where one text differs from another that looks the same, in words."""
    start = next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    here, there = (_code_points(text[start : len(text) - end]) for text in (one, other))
    return f"it has {here} where that has {there}"


def _code_points(text: str) -> str:
    return " ".join(f"U+{ord(character):04X}" for character in text[:5]) or "nothing"
