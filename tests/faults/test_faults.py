"""Every fault in every operation: what is started, never twice, and what the page says of it."""

from pathlib import Path

import pytest

from tests.faults.catalogue import TABLES, Cell, Table, cells
from tests.faults.document import DOCUMENT, read, render
from tests.faults.observation import isolated, observe_all
from tests.faults.words import broken_promises, words


_LONGEST_FIRST = sorted(TABLES, key=lambda table: (not table.lasting, -len(cells(table))))


@pytest.mark.parametrize(
    "table", _LONGEST_FIRST, ids=lambda table: table.title.replace(" ", "-").lower()
)
def test_each_fault_ends_with_every_run_started_once_and_as_the_page_says(
    tmp_path: Path, table: Table
) -> None:
    page = read()
    with isolated(tmp_path):
        observed = observe_all(cells(table), tmp_path)
    wrong = []
    for cell, observation in observed.items():
        wrong += [f"{_name(cell)}: {broken}" for broken in broken_promises(cell, observation)]
        seen = words(cell, observation)
        if seen != page[cell]:
            wrong.append(f"{_name(cell)}: the page says {page[cell]!r}, and it is {seen!r}")
    assert not wrong, "\n".join(wrong)


def test_the_page_has_these_rows_and_columns_and_no_others() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(read()), "python -m tests.faults.update"


def _name(cell: Cell) -> str:
    return f"{cell.row.name} in {cell.column.heading}"
