"""Columns, folds and colours of a terminal, measured in its cells."""

import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from reconciler.render.safe import visible

COLUMNS = 80  # of output that goes to no terminal
NARROWEST = 64  # below it a table has no room for a name
_WIDEST_NAME = 160  # cells of a column; a longer name moves what stands behind it in its row
GAP = "  "
_SEPARATORS = "-_./@ "  # a name is best cut after one of these


class Screen(Struct, frozen=True, kw_only=True):
    """What the text is made for."""

    width: int = COLUMNS
    color: bool = False
    folds: bool = False  # long names are cut; else each stays whole, for whoever looks for it

    @classmethod
    def of(cls, width: int | None, color: bool | None) -> Self:
        """The screen asked for; None asks the terminal.

        Where there is none: COLUMNS or 80, plain, and no name is cut however long it is.
        """
        folds = width is not None
        if width is None or color is None:
            from rich.console import Console

            console = Console()
            if width is None:
                folds = console.file.isatty()
                width = console.width if folds else _told_width()
            if color is None:
                color = _told_color(is_terminal=console.is_terminal, no_color=console.no_color)
        return cls(width=max(width, NARROWEST), color=color, folds=folds)

    def within(self, cells: int) -> Self:
        """The same with so many cells less to the left of it."""
        return replace(self, width=self.width - cells)

    def paint(self, text: str, style: str) -> str:
        """The text in a rich style (`bold red`), where there are colours."""
        if not self.color:
            return text
        from rich.color import ColorSystem
        from rich.style import Style

        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)

    def wrapped(self, text: str, indent: int = 0) -> list[str]:
        """The text made visible, on as many lines as it needs, broken between words."""
        lines = wrap(text, self.width - indent, folds=self.folds)
        return [" " * indent + line for line in lines]

    def row(self, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
        """One row of a table; see `row`."""
        return row(cells, widths, folds=self.folds)

    def width_for_names(self, names: Sequence[str], heading: str, room: int) -> int:
        """How wide the column of names is, where there is so much room on a terminal."""
        return width_for(names, heading, room if self.folds else max(room, _WIDEST_NAME))


def fold(text: str, width: int) -> list[str]:
    """The text made visible, in lines of at most `width` cells, cut after a separator if near."""
    from rich.cells import cell_len, chop_cells

    lines, rest = [], visible(text)
    while cell_len(rest) > width:
        line = chop_cells(rest[: 4 * width], width)[0]
        last = max(line.rfind(separator) for separator in _SEPARATORS)
        if last >= len(line) // 2:
            line = line[: last + 1]
        lines.append(line)
        rest = rest[len(line) :]
    return [*lines, rest]


def wrap(text: str, width: int, *, folds: bool = True) -> list[str]:
    """The text made visible, on lines of at most `width` cells; only longer words are cut.

    Unless `folds`, they are left whole.
    """
    from rich.cells import cell_len

    lines, line = [], ""
    for word in visible(text).split():
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

    Unless `folds`, a cell that is too wide moves what stands behind it.
    """
    from rich.cells import cell_len

    pairs = list(zip(cells, widths, strict=True))
    columns = [fold(cell, width) if folds else [visible(cell)] for cell, width in pairs]
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
    return min(max([needed, *(cell_len(visible(cell)) for cell in cells)]), most)


def as_text(lines: Sequence[str]) -> str:
    """The lines, each without trailing blanks and ended by a line feed."""
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _told_color(*, is_terminal: bool, no_color: bool) -> bool:
    """Whether there are colours: rich's rules (NO_COLOR, FORCE_COLOR, TERM), and CLICOLOR's.

    CLICOLOR=0 takes them away from a terminal, CLICOLOR_FORCE gives them to what is none; what
    rich is told goes first. See https://bixense.com/clicolors.
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


def _told_width() -> int:
    """What COLUMNS says; 80 where it says nothing that can be meant."""
    try:
        told = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        return COLUMNS
    return told if told > 0 else COLUMNS
