"""Grids in Markdown: each in a block of code, where letters stand below each other."""

import re
from collections.abc import Iterator, Sequence

from reconciler.counting import counted
from reconciler.render.grid import Axes, StatusGrid, grids
from reconciler.render.grid_text import grid_lines, legend_words
from reconciler.render.layout import Screen
from reconciler.render.markdown import code, finished, length
from reconciler.render.safe import visible
from reconciler.render.status_markdown import MOST_BYTES
from reconciler.render.status_row import StatusRow
from reconciler.render.status_table import state_counts

_WIDTH = 100  # characters of a block that GitHub shows without scrolling


def grid_markdown(
    statuses: Sequence[tuple[str, Sequence[StatusRow]]],
    axes: Axes,
    most: int = MOST_BYTES,
) -> str:
    """The backfills of each environment, in at most `most` bytes or little more.

    A grid for which there is no room is left out, and its runs are counted all the same.
    """
    lines: list[str] = []
    for number, (environment, rows) in enumerate(statuses):
        room = (most - length(lines)) // (len(statuses) - number)
        lines += _section(environment, rows, axes, room)
    return finished(lines[:-1])


def _section(environment: str, rows: Sequence[StatusRow], axes: Axes, room: int) -> Iterator[str]:
    yield from (f"### Status of {code(environment, 100)}", "", f"**{state_counts(rows)}**", "")
    found, alone = grids(rows, axes)
    for grid in found:
        lines = list(_grid(grid))
        shown = length(lines) <= room
        room -= length(lines) if shown else 0
        yield from lines if shown else _left_out(grid)
    if found:
        yield from (legend_words(found), "")
    if alone:
        yield from (f"{counted(len(alone), 'run')} of no backfill: {state_counts(alone)}.", "")


def _title(grid: StatusGrid) -> str:
    runs = counted(len(grid.runs), "run")
    return f"**{code(visible(grid.name))}**: {runs}: {state_counts(grid.runs)}"


def _grid(grid: StatusGrid) -> Iterator[str]:
    lines = [line.rstrip() for line in grid_lines(grid, Screen(width=_WIDTH, folds=True))]
    longest = max(map(len, _BACKTICKS.findall("\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (_title(grid), "", f"{fence}text", *lines, fence, "")


_BACKTICKS = re.compile("`+")


def _left_out(grid: StatusGrid) -> Iterator[str]:
    yield from (f"{_title(grid)} (`reconciler status --grid` shows the grid)", "")
