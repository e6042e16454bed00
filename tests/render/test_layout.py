"""Folding and columns."""

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from reconciler.render.layout import Screen, fold, join_lines, row, wrap
from reconciler.render.safe import escape_line
from tests.render.values import texts

widths = st.integers(min_value=4, max_value=40)


@given(texts, widths)
def test_folding_loses_nothing_and_no_line_is_too_wide(text: str, width: int) -> None:
    lines = fold(text, width)
    assert "".join(lines) == escape_line(text)
    assert all(cell_len(line) <= width for line in lines)


@given(texts, widths)
def test_wrapping_loses_only_blanks_and_no_line_is_too_wide(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert "".join("".join(lines).split()) == "".join(escape_line(text).split())
    assert all(cell_len(line) <= width for line in lines)


@given(texts, texts)
def test_a_columns_text_begins_in_the_same_cell_on_each_line(one: str, other: str) -> None:
    for line in row((one, other, "end"), (10, 12, 3)):
        assert cell_len(line) <= 29
        if line.endswith("end"):
            assert cell_len(line) in {3, 29}


def test_a_name_is_cut_after_a_separator() -> None:
    assert fold("wind-daily-reprocess-2024-03-01", 22) == ["wind-daily-reprocess-", "2024-03-01"]


def test_a_name_without_separators_is_cut_where_the_column_ends() -> None:
    assert fold("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_a_wide_character_takes_two_cells() -> None:
    assert fold("风电场日报", 5) == ["风电", "场日", "报"]
    assert row(("风电", "x"), (6, 1)) == ["风电    x"]


def test_a_screen_without_a_terminal_is_plain_and_80_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    assert Screen.of(None, None) == Screen(width=80, color=False)


@pytest.mark.parametrize(
    ("told", "on_a_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, False, False),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "1"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "CLICOLOR": "0"}, True, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colours_follow_the_usual_variables(
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, str],
    *,
    on_a_terminal: bool,
    elsewhere: bool,
) -> None:
    for name in (
        *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"),
        *("TTY_COMPATIBLE", "TTY_INTERACTIVE"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    for is_terminal, wanted in ((True, on_a_terminal), (False, elsewhere)):
        stream = StringIO()
        monkeypatch.setattr(stream, "isatty", lambda answer=is_terminal: answer)
        monkeypatch.setattr("sys.stdout", stream)
        assert Screen.of(80, None).color is wanted


def test_a_screen_is_never_too_narrow_for_a_table() -> None:
    assert Screen.of(20, color=False).width == 64


def test_no_line_ends_in_blanks() -> None:
    assert join_lines(["a  ", " b\t"]) == "a\n b\n"


def test_a_long_text_is_folded_without_counting_its_rest_again_for_each_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = 0

    def counting(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return cell_len(text)

    monkeypatch.setattr("rich.cells.cell_len", counting)
    assert "".join(fold("y" * 100_000, 80)) == "y" * 100_000
    assert counted <= 2 * 100_000
