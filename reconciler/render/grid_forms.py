"""Grids as text and in Markdown: column values run downwards; columns that do not fit go below.

In Markdown each grid is a block of code, in which the letters keep their columns.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace
from rich.cells import cell_len

from reconciler.counting import format_count
from reconciler.render.grid import DATE, NO_RUN, Axes, Mark, StatusGrid, Values, grids, legend, mark
from reconciler.render.layout import GAP, Screen, join_lines
from reconciler.render.markdown import code, fence_around, finish_text, length
from reconciler.render.safe import escape_line, shorten_text
from reconciler.render.status_markdown import MOST_BYTES
from reconciler.render.status_row import StatusRow
from reconciler.render.status_table import newest_attempts, state_counts

_LONGEST_UPRIGHT = 24  # characters of a column's value
_LONGEST_VALUE = 60  # characters of a row's
_FEWEST_CELLS = 20  # for the marks, however long the rows' values are


class _Column(Struct, frozen=True, kw_only=True):
    """One column: the head that it shares with its neighbours, and its value, written downwards."""

    values: Values
    head: str
    upright: str
    cells: int  # its width: two where a letter of any column is that wide


def grid_text(
    environment: str,
    rows: Sequence[StatusRow],
    axes: Axes,
    *,
    width: int | None = None,
    color: bool | None = False,
) -> str:
    """The environment's backfills as grids, with a legend; `width` and `color`: see `plan_text`."""
    screen = Screen.of(width, color)
    heading = screen.wrap_text(f"{environment}: {state_counts(rows)}")
    lines = [screen.paint(line, "bold") for line in heading]
    found, alone = grids(rows, axes)
    for grid in found:
        words = f"{grid.name}: {_counts(grid)}"
        title = (screen.paint(line, "bold") for line in screen.wrap_text(words))
        lines += ["", *title, "", *grid_lines(grid, screen)]
    lines += _end(found, alone, screen)
    return join_lines(lines)


def _end(found: Sequence[StatusGrid], alone: Sequence[StatusRow], screen: Screen) -> Iterator[str]:
    if found:
        yield from ("", *screen.wrap_text(legend_words(found)))
    if alone:
        words = f"{format_count(len(alone), 'run')} of no backfill: {state_counts(alone)}."
        yield from ("", *screen.wrap_text(words))


def legend_words(found: Sequence[StatusGrid]) -> str:
    """The meanings of the letters that occur in the grids."""
    marks = {mark(row) for grid in found for row in grid.cells.values()}
    gaps = any(len(grid.cells) < len(grid.rows) * len(grid.columns) for grid in found)
    words = "; ".join(legend(marks, has_gaps=gaps))
    return f"{words}. A capital needs a person." if marks & _NEEDING else f"{words}."


_NEEDING = frozenset(one for one in Mark if one.letter.isupper())


def grid_lines(grid: StatusGrid, screen: Screen) -> Iterator[str]:
    """The grid's lines: as many blocks below each other as its columns need."""
    labels = _labels(grid)
    label_width = max(map(cell_len, labels))
    room = max(screen.width - label_width - len(GAP), _FEWEST_CELLS)
    for number, block in enumerate(_blocks(_columns(grid), room)):
        if number:
            yield ""
        yield from _header(block, labels[0], label_width)
        for label, row in zip(labels[1:], grid.rows, strict=True):
            marks = " ".join(_marks(grid, row, group, screen) for group in block)
            yield f"{_pad(label, label_width)}{GAP if label_width else ''}{marks}"


def _labels(grid: StatusGrid) -> list[str]:
    """The labels of the rows, with a column for each key; the first label holds the keys."""
    table = [grid.row_keys, *grid.rows]
    shown = [[shorten_text(value, _LONGEST_VALUE) for value in values] for values in table]
    widths = [max(map(cell_len, values)) for values in zip(*shown, strict=True)]
    return [
        " ".join(_pad(value, width) for value, width in zip(values, widths, strict=True))
        for values in shown
    ]


def _columns(grid: StatusGrid) -> list[_Column]:
    last_key = grid.column_keys[-1] if grid.column_keys else ""
    is_timed = last_key == DATE and any("T" in values[-1] for values in grid.columns)
    whole_hours = is_timed and all(values[-1].endswith(":00") for values in grid.columns)
    found = []
    for values in grid.columns:
        *first, last = values or ("",)
        head, upright = "", last
        if last_key == DATE:
            head, upright = (last[:10], last[11:]) if is_timed else (last[:7], last[8:])
            upright = upright.removesuffix(":00") if whole_hours else upright
        heads = [shorten_text(value, _LONGEST_VALUE) for value in (*first, head) if value]
        found.append(
            _Column(
                values=values,
                head=" ".join(heads),
                upright=shorten_text(upright, _LONGEST_UPRIGHT),
                cells=1,
            )
        )
    widest = max((cell_len(letter) for one in found for letter in one.upright), default=1)
    return [replace(one, cells=widest) for one in found] if widest > 1 else found


_Group = Sequence[_Column]  # the columns that share a head


def _blocks(columns: Sequence[_Column], room: int) -> Iterator[list[_Group]]:
    """Blocks of as many groups as there is room for; a group that is too wide is cut."""
    block: list[_Group] = []
    left = room
    for _, same in groupby(columns, key=lambda column: column.head):
        group = list(same)
        most = max(room // group[0].cells, 1)
        pieces = [group[at : at + most] for at in range(0, len(group), most)]
        for piece in pieces:
            needed = _width(piece) + (1 if block else 0)
            if block and needed > left:
                yield block
                block, left, needed = [], room, _width(piece)
            block.append(piece)
            left -= needed
    yield block


def _width(group: _Group) -> int:
    return max(len(group) * group[0].cells, cell_len(group[0].head))


def _header(block: Sequence[_Group], label: str, label_width: int) -> Iterator[str]:
    """The heads, then the columns' values from top to bottom, with the row keys on the last."""
    before = " " * label_width + (GAP if label_width else "")
    heads = " ".join(_pad(group[0].head, _width(group)) for group in block)
    if heads.strip():
        yield before + heads
    height = max(len(column.upright) for group in block for column in group)
    for line in range(height):
        is_last = line == height - 1
        named = _pad(label, label_width) + (GAP if label_width else "") if is_last else before
        letters = (
            _pad(
                "".join(_pad(column.upright.rjust(height)[line], column.cells) for column in group),
                _width(group),
            )
            for group in block
        )
        yield named + " ".join(letters)
    if not height and label.strip():
        yield label


def _marks(grid: StatusGrid, row: Values, group: _Group, screen: Screen) -> str:
    """The row's marks in those columns; neighbours of one colour are painted together."""
    marks = [grid.cells.get((row, column.values)) for column in group]
    found = [None if one is None else mark(one) for one in marks]
    cells, painted = group[0].cells, ""
    for style, same in groupby(found, key=lambda one: one.style if one else ""):
        letters = "".join((one.letter if one else NO_RUN).ljust(cells) for one in same)
        painted += screen.paint(letters, style) if style else letters
    return painted + " " * (_width(group) - len(group) * cells)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


_MARKDOWN_WIDTH = 100  # characters of a block that GitHub shows without scrolling


def grid_markdown(
    statuses: Sequence[tuple[str, Sequence[StatusRow]]],
    axes: Axes,
    most: int = MOST_BYTES,
) -> str:
    """The backfills of each environment, in at most `most` bytes or little more.

    A grid that does not fit is left out, but its runs are still counted.
    """
    lines: list[str] = []
    for number, (environment, rows) in enumerate(statuses):
        room = (most - length(lines)) // (len(statuses) - number)
        lines += _section(environment, rows, axes, room)
    return finish_text(lines[:-1])


def _section(environment: str, rows: Sequence[StatusRow], axes: Axes, room: int) -> Iterator[str]:
    yield from (f"### Status of {code(environment, 100)}", "", f"**{state_counts(rows)}**", "")
    found, alone = grids(rows, axes)
    for grid in found:
        lines = list(_block_of_code(grid))
        shown = length(lines) <= room
        room -= length(lines) if shown else 0
        yield from lines if shown else _left_out_lines(grid)
    if found:
        yield from (legend_words(found), "")
    if alone:
        yield from (f"{format_count(len(alone), 'run')} of no backfill: {state_counts(alone)}.", "")


def _title(grid: StatusGrid) -> str:
    return f"**{code(escape_line(grid.name))}**: {_counts(grid)}"


def _counts(grid: StatusGrid) -> str:
    """`3 runs: 3 succeeded (1 after a retry)`."""
    return f"{format_count(len(newest_attempts(grid.runs)), 'run')}: {state_counts(grid.runs)}"


def _block_of_code(grid: StatusGrid) -> Iterator[str]:
    lines = [line.rstrip() for line in grid_lines(grid, Screen(width=_MARKDOWN_WIDTH, folds=True))]
    fence = fence_around("\n".join(lines), least=3)
    yield from (_title(grid), "", f"{fence}text", *lines, fence, "")


def _left_out_lines(grid: StatusGrid) -> Iterator[str]:
    yield from (f"{_title(grid)} (`reconciler status --grid` shows the grid)", "")
