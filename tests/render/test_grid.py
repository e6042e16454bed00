"""Backfills as grids, in text and in Markdown."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.ledger import RunState
from reconciler.model import Place, RunId
from reconciler.plan import Reason
from reconciler.plan.outlook import Outlook
from reconciler.render.grid import Axes, Mark, grids, mark
from reconciler.render.grid_forms import grid_markdown, grid_text
from reconciler.render.status_row import StatusRow, outlook
from tests.render.values import OBEYED, a_row, assert_fits, assert_safe, texts
from tests.sampling import examples

DONE, BAD, LATER = RunState.SUCCEEDED, RunState.FAILED, RunState.PENDING
HERE = Place(file="triggers/wind.yaml")
NO_AXES = Axes()


def days(count: int, month: str = "2024-03") -> list[str]:
    return [f"{month}-{day:02}" for day in range(1, count + 1)]


def march(dates: Iterable[str], sites: Iterable[str], *more: str) -> list[StatusRow]:
    """A backfill of those dates and sites, all of whose runs have succeeded."""
    return [
        a_row("/".join(("wind", date, f"SITE={site}", *more)), DONE)
        for date in dates
        for site in sites
    ]


def shown(rows: list[StatusRow], axes: Axes = NO_AXES, **more: Any) -> str:
    return grid_text("prod", rows, axes, **({"width": 80} | more))


def lines_of(rows: list[StatusRow], axes: Axes = NO_AXES, **more: Any) -> list[str]:
    """The grid alone: without the headings, and without the legend."""
    return shown(rows, axes, **more).split("\n")[4:-3]


def test_a_backfill_is_sites_by_days_with_a_legend_of_what_occurs() -> None:
    rows = march(days(12), ["cn-9", "cn-10"])
    rows[3] = a_row("wind/2024-03-02/SITE=cn-10", BAD, status="TIMEOUT", place=HERE)
    rows[-1] = a_row("wind/2024-03-12/SITE=cn-10", LATER, reason=Reason.READY)
    del rows[0]
    assert shown([*rows, a_row("solar", DONE)]) == (
        """\
prod: 1 pending, 22 succeeded, 1 failed

wind: 23 runs: 1 pending, 21 succeeded, 1 failed

       2024-03
       000000000111
SITE   123456789012
cn-9   .sssssssssss
cn-10  sFsssssssssr

F failed; r ready for the next apply; s succeeded; . no such run. A capital
needs a person.

1 run of no backfill: 1 succeeded.
"""
    )


def test_forty_sites_by_a_month_fit_into_80_columns_without_a_break() -> None:
    lines = lines_of(march(days(31), [f"cn-{number:02}" for number in range(1, 41)]))
    assert len(lines) == 43
    assert all(len(line) <= len("cn-40  ") + 31 for line in lines)
    assert lines[-1] == "cn-40  " + "s" * 31


def test_months_stand_side_by_side_as_far_as_there_is_room_and_then_below() -> None:
    rows = march([day for month in ("01", "02", "03") for day in days(29, f"2024-{month}")], ["a"])
    lines = lines_of(rows)
    assert [line.split() for line in lines if "2024" in line] == [
        ["2024-01", "2024-02"],
        ["2024-03"],
    ]
    wide = lines_of(rows, width=120)
    assert wide[0].split() == ["2024-01", "2024-02", "2024-03"]
    assert len(wide) == 4


def test_months_stand_side_by_side_exactly_while_they_fit() -> None:
    rows = march([*days(31, "2024-01"), *days(28, "2024-02")], ["a"])
    needed = len("SITE  ") + 31 + 1 + 28
    assert len(lines_of(rows, width=needed)) == 4
    assert len(lines_of(rows, width=needed - 1)) == 9


def test_hours_stand_under_their_day() -> None:
    dates = [f"{day}T{hour:02}:00" for day in days(2) for hour in (0, 6, 12)]
    assert lines_of(march(dates, ["a"])) == [
        "      2024-03-01 2024-03-02",
        "      001        001",
        "SITE  062        062",
        "a     sss        sss",
    ]
    half = march([*dates, "2024-03-03T00:30"], ["a"])
    assert lines_of(half)[1:6] == [
        "      001        001        0",
        "      062        062        0",
        "      :::        :::        :",
        "      000        000        3",
        "SITE  000        000        0",
    ]


def test_a_backfill_without_a_matrix_has_one_row() -> None:
    rows = [a_row(f"wind/{day}", DONE) for day in days(3)]
    assert lines_of(rows) == ["2024-03", "000", "123", "sss"]


TWO_KEYS = [*march(days(2), ["a", "b"], "MODE=full"), *march(days(2), ["a", "b"], "MODE=part")]


@pytest.mark.parametrize(
    ("axes", "rows", "columns"),
    [
        (NO_AXES, ("SITE", "MODE"), ("date",)),
        (Axes(rows=("MODE",)), ("MODE",), ("SITE", "date")),
        (Axes(rows=("date",)), ("date",), ("SITE", "MODE")),
        (Axes(columns=("MODE",)), ("SITE", "date"), ("MODE",)),
        (Axes(columns=("MODE", "SITE")), ("date",), ("MODE", "SITE")),
        (Axes(rows=("MODE",), columns=("date",)), ("MODE", "SITE"), ("date",)),
        (Axes(rows=("SITE", "MODE", "date")), ("SITE", "MODE", "date"), ()),
        (Axes(rows=("OTHER",)), ("SITE", "MODE"), ("date",)),
    ],
)
def test_keys_are_rows_or_columns_as_asked_and_no_run_is_lost(
    axes: Axes, rows: tuple[str, ...], columns: tuple[str, ...]
) -> None:
    ((grid,), alone) = grids(TWO_KEYS, axes)
    assert (grid.row_keys, grid.column_keys, alone) == (rows, columns, [])
    assert len(grid.cells) == len(TWO_KEYS)
    assert "".join(lines_of(TWO_KEYS, axes)).count("s") >= len(TWO_KEYS)


def test_values_of_a_column_stand_upright_under_what_they_share() -> None:
    assert lines_of(TWO_KEYS, Axes(columns=("SITE", "MODE"))) == [
        "            a  b",
        "            fp fp",
        "            ua ua",
        "            lr lr",
        "date        lt lt",
        "2024-03-01  ss ss",
        "2024-03-02  ss ss",
    ]


def test_of_attempts_and_revisions_the_newest_that_is_declared_is_shown() -> None:
    rows = [
        a_row("wind/2024-03-01", BAD, place=HERE),
        a_row("wind/2024-03-01#2", DONE, place=HERE),
        a_row("wind/2024-03-02@2", DONE),
        a_row("wind/2024-03-02", BAD, place=HERE),
        a_row("wind/2024-03-03@x", DONE),
    ]
    assert lines_of(rows)[-1] == "sFs"


def test_a_renamed_backfill_is_one_grid_under_its_present_name() -> None:
    old = a_row("old/2024-03-01", DONE, declared_as="wind/2024-03-01")
    (grid,), _ = grids([old, a_row("wind/2024-03-02", DONE)], NO_AXES)
    assert (grid.name, len(grid.cells)) == ("wind", 2)


def test_letters_that_take_two_cells_leave_the_columns_straight() -> None:
    rows = march(days(1), ["风", "b"])
    assert lines_of(rows, Axes(columns=("SITE",))) == [
        "date        b 风",
        "2024-03-01  s s",
    ]


def test_colours_are_beside_the_letters_and_only_where_asked_for() -> None:
    rows = march(days(3), ["a"])
    assert "\x1b[32msss\x1b[0m" in shown(rows, color=True)
    assert "\x1b" not in shown(rows)


def test_a_run_counts_once_however_many_attempts_it_took() -> None:
    rows = [
        a_row("flaky/2024-03-01", BAD, place=HERE, followed_by=RunId("flaky/2024-03-01#2")),
        a_row("flaky/2024-03-01#2", DONE, place=HERE),
        a_row("flaky/2024-03-02", DONE, place=HERE),
    ]
    told = "2 runs: 2 succeeded (1 after a retry)"
    assert f"flaky: {told}\n" in shown(rows)
    assert f"**`flaky`**: {told}\n" in grid_markdown([("prod", rows)], NO_AXES)


def test_letters_are_told_apart_without_colour() -> None:
    letters = [one.letter for one in Mark]
    assert len(set(letters)) == len(letters)
    assert "." not in letters


def test_a_letter_is_a_capital_where_a_person_is_needed() -> None:
    stands_in_the_way = {Reason.CHANGED, Reason.DUPLICATE, Reason.COLLISION, Reason.PROBLEM}
    for state, reason in product(RunState, [None, *Reason]):
        if reason in stands_in_the_way and state not in {LATER, RunState.REJECTED}:
            continue  # how that run itself stands, its letter says; the way is barred to others
        row = a_row("a", state, reason=reason, place=HERE)
        assert mark(row).letter.isupper() is outlook(row).needs_person, (state, reason)


@pytest.mark.parametrize(
    ("state", "reason", "letter"),
    [
        (RunState.IN_DOUBT, None, "D"),
        (RunState.CLAIMED, Reason.CLAIMED, "c"),
        (RunState.TRIGGERED, Reason.RUNNING, "t"),
        (RunState.TRIGGERED, Reason.NOT_DUE, "n"),
        (RunState.REJECTED, Reason.REJECTED, "R"),
        (RunState.REJECTED, Reason.CANCELLED, "x"),
        (LATER, Reason.SUSPENDED, "h"),
        (LATER, Reason.WAITS_FOR, "w"),
        (LATER, Reason.NO_ROOM, "w"),
        (LATER, Reason.STOPPED, "B"),
        (LATER, Reason.MISSED, "M"),
        (LATER, Reason.BLOCKED, "B"),
        (LATER, Reason.OVER_LIMIT, "L"),
        (LATER, Reason.CHANGED, "P"),
        (LATER, Reason.CANCELLED, "x"),
    ],
)
def test_each_way_to_stand_has_its_letter(
    state: RunState, reason: Reason | None, letter: str
) -> None:
    assert mark(a_row("a", state, reason=reason)).letter == letter
    assert mark(a_row("a", state, reason=reason, started_twice=True)).letter == "T"


@pytest.mark.parametrize(
    ("more", "letter"),
    [
        ({"place": HERE}, "F"),
        ({"place": HERE, "followed_by": RunId("a#2")}, "f"),
        ({"place": HERE, "is_unwanted": True}, "x"),
        ({}, "x"),
    ],
)
def test_a_failure_that_needs_nobody_is_no_capital(more: dict[str, Any], letter: str) -> None:
    row = a_row("a", BAD, **more)
    assert mark(row).letter == letter
    assert outlook(row) is (Outlook.AMISS if letter == "F" else Outlook.WELL)


def test_nothing_leaves_80_columns_on_a_terminal() -> None:
    assert_fits(shown(march(days(31), [f"a-site-with-a-name-{n}" * 2 for n in range(3)])))
    assert_fits(shown(TWO_KEYS, Axes(columns=("SITE", "MODE"))))


names = st.lists(texts, min_size=1, max_size=4)


@examples(100)
@given(names, texts)
def test_no_text_is_obeyed_in_a_grid(parts: list[str], other: str) -> None:
    rows = [a_row(f"wind/{'/'.join(parts)}"), a_row(f"{other}/2024-03-01/{other}={other}")]
    for axes in (NO_AXES, Axes(columns=(other,))):
        assert_safe(shown(rows, axes))
        text = grid_markdown([(other, rows)], axes)
        assert OBEYED.search(text) is None


def test_markdown_has_each_grid_as_code_and_the_legend_below() -> None:
    text = grid_markdown([("prod", [*march(days(2), ["a"]), a_row("solar", DONE)])], NO_AXES)
    assert text == (
        """\
### Status of `prod`

**3 succeeded**

**`wind`**: 2 runs: 2 succeeded

```text
      2024-03
      00
SITE  12
a     ss
```

s succeeded.

1 run of no backfill: 1 succeeded.
"""
    )


def test_no_name_ends_a_grid_in_markdown() -> None:
    text = grid_markdown([("prod", march(days(1), ["```", "````x"]))], NO_AXES)
    fences = [line for line in text.split("\n") if line.startswith("`````")]
    assert fences == ["`````text", "`````"]


def test_a_grid_that_does_not_fit_into_markdown_is_counted() -> None:
    rows = march(days(31), [f"s{number}" for number in range(100)])
    text = grid_markdown([("prod", [*rows, a_row("solar/2024-03-01", DONE)])], NO_AXES, 2_000)
    assert "3,100 runs: 3,100 succeeded (`reconciler status --grid` shows the grid)" in text
    assert "**`solar`**: 1 run: 1 succeeded\n" in text
    assert len(text.encode()) < 2_000
