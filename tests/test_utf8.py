"""Bytes of the command line, the environment and git, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.options import read_utf8


@given(st.text())
def test_text_of_utf8_is_read_whatever_the_locale(text: str) -> None:
    assert read_utf8(text) == text
    in_the_c_locale = text.encode().decode("ascii", "surrogateescape")
    assert read_utf8(in_the_c_locale) == text


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_what_is_not_utf8_is_replaced_and_can_be_recorded(text: str) -> None:
    read_utf8(text, "replace").encode()


@pytest.mark.parametrize("text", ["\udcff", "a\ud800", "\udced\udca0\udc80"])
def test_what_is_not_utf8_is_no_text(text: str) -> None:
    with pytest.raises(UnicodeError):
        read_utf8(text)
    assert "\ufffd" in read_utf8(text, "replace")
