"""Values that a reader cannot tell apart, by tables that are the same in every Python."""

import hashlib
import unicodedata
from unicodedata import ucd_3_2_0

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.expansion.characters import _is_normalized, _ranges, visible_form
from tests.expansion.building import expanded, refused, runs
from tests.expansion.test_names import ONE_DATE
from tests.sampling import sampled

ALL = [chr(one) for one in (*range(0xD800), *range(0xE000, 0x32000), *range(0xE0000, 0xE1000))]
# What Unicode 15 to 18 added and some normalization changes, moves or joins. The fixed list is made
# of Unicode 14, and must not know them: not every interpreter does.
NEWER = frozenset(
    chr(one)
    for first, last in _ranges("""
        558 58B-58C 5C8-5C9 897 1ACF-1AF0 209D-209F A7F1 105C9 105D2 105DA 105E4 107BB-107BF
        10D69-10D6D 10ECB-10ECF 10EF0-10EFB 10EFD-10EFF 11382-11385 1138B 1138E 11390-11391 113B8
        113BB 113C2 113C5 113C7-113C9 113CE-113D0 11F41-11F42 1611E-16129 1612F 16D63 16D67-16D6A
        1B123-1B126 1CCD6-1CCF9 1D127-1D128 1D250-1D252 1D25B-1D25C 1D25F 1D280-1D281 1D6A6 1DF95
        1DFCD-1DFFF 1E030-1E06D 1E08F 1E4EC-1E4EF 1E5EE-1E5EF 1E6E3 1E6E6 1E6EE-1E6EF 1E6F5
    """)
    for one in range(first, last + 1)
)

ALIKE = [
    ("é", "e\u0301", "it has U+0065 U+0301 where that has U+00E9"),
    ("cn-01", "cn-\u200b01", "it has U+200B where that has nothing"),
    ("a b", "a\u00a0b", "it has U+00A0 where that has U+0020"),
    ("a\u202fb", "a\u00a0b", "it has U+00A0 where that has U+202F"),
    ("風", "風\ufe01", "it has U+FE01 where that has nothing"),
    ("1", "\uff11", "it has U+FF11 where that has U+0031"),
    ("file", "\ufb01le", "it has U+FB01 where that has U+0066 U+0069"),
    ("가", "\u1100\u1161", "it has U+1100 U+1161 where that has U+AC00"),
    ("a", "a ", "it has U+0020 where that has nothing"),
    ("a", " a", "it has U+0020 where that has nothing"),
    ("a b", "a  b", "it has U+0020 where that has nothing"),
    ("a b", "a \tb", "it has U+0009 where that has nothing"),
    *(("a b", f"a{one}b", "where that has U+0020") for one in "\t\n\r\x1c\x85\u2028\u2800\u3000"),
    *(
        ("a", f"a{one}", "where that has nothing")
        for one in "\0\x01\x1b\x7f\x9f\u2062\u3164\U00013430\U00016fe4\U0001d159\U000e0041"
    ),
    ("\u4e26", "\ufa70", "it has U+FA70 where that has U+4E26"),
    ("\u1b06", "\u1b05\u1b35", "it has U+1B05 U+1B35 where that has U+1B06"),
    ("a\u1dc4\u0323", "a\u0323\u1dc4", "it has U+0323 U+1DC4 where that has U+1DC4 U+0323"),
    ("A", "\U0001f130", "it has U+1F130 where that has U+0041"),
    ("3", "\U0001fbf3", "it has U+1FBF3 where that has U+0033"),
    ("C", "\ua7f2", "it has U+A7F2 where that has U+0043"),
]


@pytest.mark.parametrize(("one", "other", "words"), ALIKE)
def test_values_and_keys_that_look_alike_are_refused(one: str, other: str, words: str) -> None:
    (problem,) = expanded({**ONE_DATE, "matrix": {"SITE": ["z", one, other]}}).problems
    assert (problem.code, problem.pointer) == ("exclusive", "/spec/matrix/SITE/2")
    assert "looks like" in problem.message
    assert "at [1]" in problem.message
    assert words in problem.message
    matrix = {one: ["a"], other: ["b"]}
    assert [code.split()[0] for code in refused({**ONE_DATE, "matrix": matrix})] == ["exclusive"]


@pytest.mark.parametrize(
    "values",
    [["a", "A"], ["a", "a."], ["\u0430", "a"], ["\U0001f600", "\U0001f601"], ["", "."]],
)
def test_values_that_a_reader_can_tell_apart_are_not(values: list[str]) -> None:
    assert len(runs({**ONE_DATE, "matrix": {"SITE": values}})) == 2


@pytest.mark.parametrize(
    ("step", "digest"), sampled([(8, "d0aa65112d0ca5de"), (1, "75a00ab3e20ebc50")], every=2)
)
def test_what_looks_alike_is_the_same_in_every_python(step: int, digest: str) -> None:
    seen = "\n".join(visible_form(f"{one}.e{one}x{one}\u0323") for one in ALL[::step])
    assert hashlib.sha256(seen.encode()).hexdigest().startswith(digest)


def test_all_that_unicode_14_normalizes_is_listed_and_nothing_that_it_does_not_know() -> None:
    parts = {
        chr(int(part, 16))
        for mapping in map(unicodedata.decomposition, ALL)
        if mapping and not mapping.startswith("<")
        for part in mapping.split()
    }
    for one in ALL:
        known = unicodedata.category(one) != "Cn" and one not in NEWER
        is_old = ucd_3_2_0.category(one) != "Cn"
        changes = unicodedata.combining(one) or unicodedata.normalize("NFKC", one) != one
        if known and (changes or one in parts):
            assert _is_normalized(one), hex(ord(one))
        assert known or is_old or not _is_normalized(one), hex(ord(one))


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="".join(NEWER)), max_size=6)
)
def test_what_normalization_makes_one_looks_alike(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert visible_form(unicodedata.normalize(form, text)) == visible_form(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
def test_what_is_seen_of_a_text_looks_like_it(text: str) -> None:
    seen = visible_form(text)
    assert visible_form(seen) == seen
    assert seen == seen.strip()
    assert seen == " ".join(seen.split())
