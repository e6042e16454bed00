"""A backfill as business date by combination: which run stands in which row and column."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model import (
    RunId,
    combination_of,
    label_of,
    manifest_of,
    run_name,
    run_revision,
)
from reconciler.render.backfills import attempt_of, natural_order, together
from reconciler.render.status_row import StatusRow

DATE = "date"  # the axis of the business dates, beside the keys of the matrix

Values = tuple[str, ...]  # one for each key of an axis; "" where a run does not have the key


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Which keys the user wants as rows and which as columns; DATE is one of them."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def of(self, keys: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The keys of rows and columns of a backfill that has these.

        What is named for neither becomes columns where rows are named, and rows otherwise; where
        nothing is named, the business date is the columns.
        """
        rows = tuple(key for key in self.rows if key in keys)
        columns = tuple(key for key in self.columns if key in keys and key not in rows)
        left = tuple(key for key in keys if key not in {*rows, *columns})
        if rows and not columns:
            return rows, left
        if not columns:
            return tuple(key for key in left if key != DATE), (DATE,)
        return (*rows, *left), columns


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusGrid:
    """The runs of one backfill in their places."""

    name: str
    row_keys: tuple[str, ...]
    column_keys: tuple[str, ...]
    rows: list[Values]
    columns: list[Values]
    cells: Mapping[tuple[Values, Values], StatusRow]
    runs: list[StatusRow]  # all of them, also earlier attempts and revisions


def grids(rows: Iterable[StatusRow], axes: Axes) -> tuple[list[StatusGrid], list[StatusRow]]:
    """A grid of each backfill, and the runs that are of none. Of attempts the newest is shown."""
    found, alone = [], []
    for group in together(rows, _backfill_of):
        if _backfill_of(group[0]) is None:
            alone += group
        else:
            found.append(_grid(group, axes))
    return found, alone


def _name_of(row: StatusRow) -> str:
    return run_name(row.run if row.declared_as is None else RunId(row.declared_as))


def _backfill_of(row: StatusRow) -> str | None:
    name = _name_of(row)
    return manifest_of(name) if "/" in name else None


def _grid(runs: list[StatusRow], axes: Axes) -> StatusGrid:
    placed = [(row, _place(_name_of(row))) for row in runs]
    keys = dict.fromkeys(key for _, place in placed for key in place if key != DATE)
    row_keys, column_keys = axes.of((*keys, DATE))
    cells: dict[tuple[Values, Values], StatusRow] = {}
    for row, place in placed:
        at = _values(place, row_keys), _values(place, column_keys)
        before = cells.get(at)
        if before is None or _newness(row) > _newness(before):
            cells[at] = row
    return StatusGrid(
        name=manifest_of(_name_of(runs[0])),
        row_keys=row_keys,
        column_keys=column_keys,
        rows=sorted({at[0] for at in cells}, key=_natural),
        columns=sorted({at[1] for at in cells}, key=_natural),
        cells=cells,
        runs=runs,
    )


def _place(name: str) -> dict[str, str]:
    return combination_of(name) | {DATE: label_of(name)}


def _values(place: Mapping[str, str], keys: Sequence[str]) -> Values:
    return tuple(place.get(key, "") for key in keys)


def _newness(row: StatusRow) -> tuple[bool, int, int]:
    try:
        revision = run_revision(row.run)
    except ValueError:  # somebody wrote it into the ledger by hand
        revision = 1
    return row.is_declared, revision, attempt_of(row.run)


def _natural(values: Values) -> list[list[tuple[bool, int, str]]]:
    return [natural_order(value) for value in values]
