"""The table of benchmarks: each replaces its own rows, and a row says whether it is reached."""

import pytest

from benchmarks.table import BEGIN, END, Rated, Row, at_least, at_most, read_rated, replace_rows

_ORDER = ["validate", "race"]
_EMPTY = f"# Benchmarks\n\n{BEGIN}\n{END}\n\nMore.\n"
_REACHED = Row(work="`validate`, to ajv", values=[1, 0.5, 2], goal=at_most(2), took="1 s to 2 s")
_MISSED = Row(work="four, to one", values=[2.0], goal=at_least(4))
_REPORTED = Row(work="a frame", values=[50.0, 40.0, 60.0], unit=" ms")


def test_a_row_says_its_spread_and_whether_the_goal_is_reached() -> None:
    line = "| `validate`, to ajv | at most 2 | 1 (0.5 to 2) | reached | 1 s to 2 s | `validate` |\n"
    assert _REACHED.line("validate") == line
    assert _MISSED.line("race") == "| four, to one | at least 4 | 2 | **missed** |  | `race` |\n"
    assert _REPORTED.line("race") == "| a frame |  | 50 ms (40 to 60) |  |  | `race` |\n"


def test_a_benchmark_replaces_its_own_rows_and_leaves_the_rest() -> None:
    both = replace_rows(_EMPTY, "race", [_MISSED, _REPORTED], _ORDER)
    both = replace_rows(both, "validate", [_REACHED], _ORDER)
    assert both.partition(BEGIN)[0] == _EMPTY.partition(BEGIN)[0]
    assert both.partition(END)[2] == _EMPTY.partition(END)[2]
    lines = [line for line in both.splitlines() if line.startswith("| ")]
    assert lines[1:] == [one.rstrip("\n") for one in _lines()]
    again = replace_rows(both, "race", [_MISSED], _ORDER)
    assert both.replace(_REPORTED.line("race"), "") == again
    assert replace_rows(again, "race", [_MISSED], _ORDER) == again


def _lines() -> list[str]:
    return [_REACHED.line("validate"), _MISSED.line("race"), _REPORTED.line("race")]


def test_rows_of_a_benchmark_that_is_gone_are_dropped() -> None:
    both = replace_rows(_EMPTY, "race", [_MISSED], _ORDER)
    assert "`race`" not in replace_rows(both, "validate", [_REACHED], ["validate"])


def test_a_document_without_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="measured: begin"):
        replace_rows("# Benchmarks\n", "race", [_MISSED], _ORDER)


def test_what_has_a_goal_is_rated_so_that_less_than_one_is_reached() -> None:
    found = read_rated(replace_rows(_EMPTY, "race", [_REACHED, _MISSED, _REPORTED], _ORDER))
    assert found == [
        Rated("validate, to ajv", 0.5, 0.25, 1.0),
        Rated("four, to one", 2.0, 2.0, 2.0),
    ]
