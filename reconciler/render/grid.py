"""A backfill as business date by combination: the place of each run, and its letter.

The letter tells the run's state without colours. A capital needs a person.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import assert_never

from msgspec import Struct

from reconciler.ledger import RunState
from reconciler.model import (
    RunId,
    combination_of,
    label_of,
    manifest_of,
    run_name,
    run_revision,
)
from reconciler.plan import Reason
from reconciler.render.backfills import attempt_of, group_items, natural_order
from reconciler.render.status_row import StatusRow

DATE = "date"  # the axis of the business dates, beside the keys of the matrix

Values = tuple[str, ...]  # one for each key of an axis; "" where a run does not have the key


class Axes(Struct, frozen=True, kw_only=True):
    """Which keys the user wants as rows and which as columns; DATE is one of them."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def of(self, keys: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The keys for the rows and for the columns of a backfill with these keys.

        Keys that the user names for neither become columns if only rows are named, and rows
        otherwise. If no key is named for columns or rows, the columns are the business dates.
        """
        rows = tuple(key for key in self.rows if key in keys)
        columns = tuple(key for key in self.columns if key in keys and key not in rows)
        left = tuple(key for key in keys if key not in {*rows, *columns})
        if rows and not columns:
            return rows, left
        if not columns:
            return tuple(key for key in left if key != DATE), (DATE,)
        return (*rows, *left), columns


class StatusGrid(Struct, frozen=True, kw_only=True):
    """The runs of one backfill in their places."""

    name: str
    row_keys: tuple[str, ...]
    column_keys: tuple[str, ...]
    rows: list[Values]
    columns: list[Values]
    cells: Mapping[tuple[Values, Values], StatusRow]
    runs: list[StatusRow]  # all of them, also earlier attempts and revisions


def grids(rows: Iterable[StatusRow], axes: Axes) -> tuple[list[StatusGrid], list[StatusRow]]:
    """A grid for each backfill, and the runs of no backfill. A cell shows the newest attempt."""
    found, alone = [], []
    for group in group_items(rows, _backfill_of):
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
        rows=sorted({at[0] for at in cells}, key=_natural_key),
        columns=sorted({at[1] for at in cells}, key=_natural_key),
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
    except ValueError:  # somebody wrote the id into the ledger by hand
        revision = 1
    return row.is_declared, revision, attempt_of(row.run)


def _natural_key(values: Values) -> list[list[tuple[bool, int, str]]]:
    return [natural_order(value) for value in values]


NO_RUN = "."


class Mark(Enum):
    """The state of a run in a grid: its letter, words and style."""

    IN_DOUBT = ("D", "in doubt", "bold red")
    TWICE = ("T", "started twice", "bold red")
    FAILED = ("F", "failed", "red")
    REJECTED = ("R", "refused by the service", "red")
    BLOCKED = ("B", "blocked, or stopped", "red")
    MISSED = ("M", "missed", "red")
    OVER_LIMIT = ("L", "over the limit of an apply", "red")
    PROBLEM = ("P", "problem of a manifest", "red")
    FOLLOWED = ("f", "failed, and tried again", "dim")
    CLAIMED = ("c", "claimed by an apply", "cyan")
    TRIGGERED = ("t", "triggered, not ended", "cyan")
    NOT_DUE = ("n", "triggered, not due yet", "cyan")
    READY = ("r", "ready for the next apply", "yellow")
    WAITING = ("w", "waits for another run, or for room", "yellow")
    SUSPENDED = ("h", "held back: suspended", "yellow")
    SUCCEEDED = ("s", "succeeded", "green")
    UNWANTED = ("x", "cancelled, or no longer declared", "dim")

    @property
    def key(self) -> str:
        """Its name in style sheets: `in-doubt`."""
        return self.name.lower().replace("_", "-")

    @property
    def letter(self) -> str:
        """The letter in a grid."""
        return self.value[0]

    @property
    def words(self) -> str:
        """The words in a legend."""
        return self.value[1]

    @property
    def style(self) -> str:
        """A rich style."""
        return self.value[2]


def mark(row: StatusRow) -> Mark:
    """The mark of the run."""
    if row.started_twice:
        return Mark.TWICE
    match row.state:
        case RunState.IN_DOUBT:
            return Mark.IN_DOUBT
        case RunState.CLAIMED:
            return Mark.CLAIMED
        case RunState.TRIGGERED:
            return Mark.NOT_DUE if row.reason is Reason.NOT_DUE else Mark.TRIGGERED
        case RunState.SUCCEEDED:
            return Mark.SUCCEEDED
        case RunState.FAILED:
            return _failed_mark(row)
        case RunState.REJECTED:
            is_over = row.reason in {None, Reason.CANCELLED, Reason.UNDECLARED}
            return Mark.UNWANTED if is_over else Mark.REJECTED
        case RunState.PENDING:
            return _pending_mark(row.reason)
        case _:
            assert_never(row.state)


def _failed_mark(row: StatusRow) -> Mark:
    if row.is_unwanted or not row.is_declared:
        return Mark.UNWANTED
    return Mark.FAILED if row.followed_by is None else Mark.FOLLOWED


def _pending_mark(reason: Reason | None) -> Mark:
    match reason:
        case None | Reason.CANCELLED | Reason.UNDECLARED:
            return Mark.UNWANTED
        case Reason.READY | Reason.CLAIMED | Reason.IN_DOUBT | Reason.NOT_DUE | Reason.RUNNING:
            return Mark.READY
        case Reason.SUSPENDED:
            return Mark.SUSPENDED
        case Reason.WAITS_FOR | Reason.NO_ROOM:
            return Mark.WAITING
        case Reason.MISSED:
            return Mark.MISSED
        case Reason.BLOCKED | Reason.STOPPED:
            return Mark.BLOCKED
        case Reason.OVER_LIMIT:
            return Mark.OVER_LIMIT
        case Reason.REJECTED | Reason.FAILED:
            return Mark.REJECTED
        case Reason.CHANGED | Reason.DUPLICATE | Reason.COLLISION | Reason.PROBLEM:
            return Mark.PROBLEM
        case _:
            assert_never(reason)


def legend(marks: Collection[Mark], *, has_gaps: bool) -> Iterator[str]:
    """`F failed` for each mark that occurs, and an entry for places without a run."""
    yield from (f"{one.letter} {one.words}" for one in Mark if one in marks)
    if has_gaps:
        yield f"{NO_RUN} no such run"
