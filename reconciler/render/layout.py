"""Columns, folded names and colours on a terminal; widths are counted in its cells."""

import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from reconciler.render.safe import escape_line

COLUMNS = 80  # the width of output that goes to no terminal
NARROWEST = 64  # below it a table has no room for a name
_WIDEST_NAME = 160  # cells of a column; a longer name pushes the rest of its row to the right
GAP = "  "
_SEPARATORS = "-_./@ "  # a name is best cut after one of these


class Screen(Struct, frozen=True, kw_only=True):
    """The terminal, or other output, that a text is made for."""

    width: int = COLUMNS
    color: bool = False
    folds: bool = False  # cut long names; otherwise they stay whole, so that a search finds them

    @classmethod
    def of(cls, width: int | None, color: bool | None) -> Self:
        """The screen with the given width and colours; where one is None, the terminal decides.

        Without a terminal: COLUMNS or 80 cells, no colours, and no name is cut.
        """
        folds = width is not None
        if width is None or color is None:
            from rich.console import Console

            console = Console()
            if width is None:
                folds = console.file.isatty()
                width = console.width if folds else _read_width()
            if color is None:
                color = _may_use_color(is_terminal=console.is_terminal, no_color=console.no_color)
        return cls(width=max(width, NARROWEST), color=color, folds=folds)

    def without_margin(self, cells: int) -> Self:
        """The screen without so many cells at its left."""
        return replace(self, width=self.width - cells)

    def paint(self, text: str, style: str) -> str:
        """The text in a rich style (`bold red`), if the screen has colours."""
        if not self.color:
            return text
        from rich.color import ColorSystem
        from rich.style import Style

        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)

    def wrap_text(self, text: str, indent: int = 0) -> list[str]:
        """The text made visible, on as many lines as it needs, broken between words."""
        lines = wrap(text, self.width - indent, folds=self.folds)
        return [" " * indent + line for line in lines]

    def row(self, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
        """One row of a table, as by the function `row`."""
        return row(cells, widths, folds=self.folds)

    def width_for_names(self, names: Sequence[str], heading: str, room: int) -> int:
        """The width of the column of names, where a terminal has `room` cells for it."""
        return width_for(names, heading, room if self.folds else max(room, _WIDEST_NAME))


def fold(text: str, width: int) -> list[str]:
    """The text made visible, in lines of at most `width` cells, cut after a separator if near."""
    from rich.cells import cell_len, chop_cells

    # Counted once: in visible text, the cells of a line are the sum of its characters'. To count
    # what is left again for each line takes minutes where one parameter has a megabyte.
    lines, begin, shown = [], 0, escape_line(text)
    left = cell_len(shown)
    while left > width:
        line = chop_cells(shown[begin : begin + 4 * width], width)[0]
        last = max(line.rfind(separator) for separator in _SEPARATORS)
        if last >= len(line) // 2:
            line = line[: last + 1]
        lines.append(line)
        begin += len(line)
        left -= cell_len(line)
    return [*lines, shown[begin:]]


def wrap(text: str, width: int, *, folds: bool = True) -> list[str]:
    """The text made visible, broken between words into lines of at most `width` cells.

    A word longer than a line is cut if `folds`, and left whole otherwise.
    """
    from rich.cells import cell_len

    lines, line = [], ""
    for word in escape_line(text).split():
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = fold(word, width) if folds else [word]
        lines += full
    return [*lines, line]


def row(cells: Sequence[str], widths: Sequence[int], *, folds: bool = True) -> list[str]:
    """One row of a table, each cell folded to its width; no line ends in a blank.

    Without `folds`, a cell that is too wide pushes the rest of the row to the right.
    """
    from rich.cells import cell_len

    pairs = list(zip(cells, widths, strict=True))
    columns = [fold(cell, width) if folds else [escape_line(cell)] for cell, width in pairs]
    lines = zip_longest(*columns, fillvalue="")
    return [
        GAP.join(
            part + " " * (width - cell_len(part)) for part, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def width_for(cells: Sequence[str], heading: str, most: int) -> int:
    """How wide a column must be for its cells and the heading's words, at most `most`."""
    from rich.cells import cell_len

    needed = max(map(len, heading.split()))
    return min(max([needed, *(cell_len(escape_line(cell)) for cell in cells)]), most)


def join_lines(lines: Sequence[str]) -> str:
    """The lines, each without trailing blanks and ended by a line feed."""
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _may_use_color(*, is_terminal: bool, no_color: bool) -> bool:
    """Whether to use colours: by rich's variables (NO_COLOR, FORCE_COLOR, TERM), then CLICOLOR's.

    CLICOLOR=0 turns colours off on a terminal; CLICOLOR_FORCE turns them on where there is none.
    Rich's variables win. See https://bixense.com/clicolors.
    """
    told = os.environ
    if no_color:
        return False
    if told.get("FORCE_COLOR"):
        return is_terminal
    if told.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    is_dumb = told.get("TERM", "").lower() in {"dumb", "unknown"}
    return is_terminal and not is_dumb and told.get("CLICOLOR") != "0"


def _read_width() -> int:
    """The width that COLUMNS gives, or 80 where it gives no positive number."""
    try:
        told = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        return COLUMNS
    return told if told > 0 else COLUMNS
