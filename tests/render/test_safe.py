"""Making text safe to show."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.json_output import json_document
from reconciler.render.safe import escape_line, escape_message, shorten_text, without_harm
from tests.render.values import OBEYED, texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 风电 and ß", "plain text, 风电 and ß"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202egnp", "\\u202egnp"),
        ("\U000e0001", "\\U000e0001"),
        ("\udcff", "\\udcff"),
        ("\xa0\u3000", "\xa0\u3000"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escape_line(text) == shown


@given(texts)
def test_visible_text_has_no_control_character_and_no_line_break(text: str) -> None:
    shown = escape_line(text)
    assert OBEYED.search(shown) is None
    assert "\n" not in shown
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("error: a b\n  hint, 风电", "error: a b\n  hint, 风电"),
        ("instance \u202e1-\x1b[2J is\tgone", "instance \\u202e1-\\x1b[2J is\\tgone"),
        ("instance \u05d01-2024 of 12", "instance \\u05d01-2024 of 12"),
        ("instance \u06291-2024 of 12", "instance \\u06291-2024 of 12"),
        (f"of {'x' * 150}{'y' * 150} a", f"of {'x' * 100}…{'y' * 99} a"),
        (f"in {'folder/' * 60}a.yaml", f"in {'folder/' * 60}a.yaml"),
    ],
)
def test_what_is_said_is_safe_line_by_line_and_no_name_is_endless(text: str, shown: str) -> None:
    assert escape_message(text) == shown


@given(texts)
def test_no_line_of_what_is_said_is_obeyed(text: str) -> None:
    for line in escape_message(text).split("\n"):
        assert OBEYED.search(line) is None


@given(texts, st.integers(min_value=1, max_value=80))
def test_shortened_text_says_that_it_was_cut_and_never_exceeds_its_limit(
    text: str, limit: int
) -> None:
    shown = shorten_text(text, limit)
    assert len(shown) <= limit
    assert shown == escape_line(text) or shown.endswith("…")


@given(texts)
def test_json_says_the_same_text_with_nothing_in_it_that_a_terminal_obeys(text: str) -> None:
    document = json_document({"text": text})
    assert json.loads(document) == {"text": text}
    assert OBEYED.search(document) is None
    document.encode()


def test_json_keeps_letters_of_every_language_readable() -> None:
    assert json_document({"name": "风电"}) == '{\n  "name": "风电"\n}\n'


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES)
def test_a_document_is_indented_as_python_does_it(value: Any) -> None:
    wanted = without_harm(json.dumps(value, ensure_ascii=False, indent=2))
    assert json_document(value) == wanted + "\n"
