"""Every fault in every operation: what is started, never twice, and what the page says of it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.faults.catalogue import TABLES, Cell, Table, cells
from tests.faults.matrix_page import DOCUMENT, read, render
from tests.faults.observation import Observation, isolated, observe_all
from tests.faults.words import broken_promises, words

_LONGEST_FIRST = sorted(TABLES, key=lambda table: (not table.lasting, -len(cells(table))))
_IN_EVERY_RUN = {"Lost answer and late listing"}  # the shortest of those that end in doubt


@pytest.mark.parametrize(
    "table",
    [
        table if table.title in _IN_EVERY_RUN else pytest.param(table, marks=pytest.mark.long)
        for table in _LONGEST_FIRST
    ],
    ids=lambda table: table.title.replace(" ", "-").lower(),
)
def test_each_fault_ends_with_every_run_started_once_and_as_the_page_says(
    tmp_path: Path, table: Table
) -> None:
    page = read()
    with isolated(tmp_path):
        observed = observe_all(cells(table), tmp_path)
        broken = _broken(observed)
        # A machine with too much to do makes answers late that were not meant to be. That must
        # break no promise, but it changes the words: so these cells are looked at once more.
        others = [cell for cell, seen in observed.items() if words(cell, seen) != page[cell]]
        again = observe_all(others, tmp_path / "again")
    broken += _broken(again)
    broken += [
        f"{_name(cell)}: the page says {page[cell]!r}, and it is {words(cell, seen)!r}"
        for cell, seen in again.items()
        if words(cell, seen) != page[cell]
    ]
    assert not broken, "\n".join(broken)


def test_the_page_has_these_rows_and_columns_and_no_others() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(read()), "python -m tests.faults.update"


def _broken(observed: Mapping[Cell, Observation]) -> list[str]:
    return [
        f"{_name(cell)}: {broken}"
        for cell, seen in observed.items()
        for broken in broken_promises(cell, seen)
    ]


def _name(cell: Cell) -> str:
    return f"{cell.row.name} in {cell.column.heading}"
