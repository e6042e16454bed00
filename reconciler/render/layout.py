"""Columns, folds and colours of a terminal, measured in its cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

from reconciler.render.safe import visible

COLUMNS = 80  # of output that goes to no terminal
NARROWEST = 64  # below it a table has no room for a name
GAP = "  "
_SEPARATORS = "-_./@ "  # a name is best cut after one of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What the text is made for."""

    width: int = COLUMNS
    color: bool = False

    @classmethod
    def of(cls, width: int | None, color: bool | None) -> Self:
        """The screen asked for; None asks the terminal, and where there is none: 80, plain."""
        if width is None or color is None:
            from rich.console import Console

            console = Console()
            if width is None:
                width = console.width if console.is_terminal else COLUMNS
            if color is None:
                color = console.color_system is not None and not console.no_color
        return cls(width=max(width, NARROWEST), color=color)

    def paint(self, text: str, style: str) -> str:
        """The text in a rich style (`bold red`), where there are colours."""
        if not self.color:
            return text
        from rich.color import ColorSystem
        from rich.style import Style

        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)

    def wrapped(self, text: str, indent: int = 0) -> list[str]:
        """The text made visible, on as many lines as it needs, broken between words."""
        return [" " * indent + line for line in wrap(text, self.width - indent)]


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


def wrap(text: str, width: int) -> list[str]:
    """The text made visible, on lines of at most `width` cells; only longer words are cut."""
    from rich.cells import cell_len

    lines, line = [], ""
    for word in visible(text).split():
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = fold(word, width)
        lines += full
    return [*lines, line]


def row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """One row of a table, each cell folded to its width; no line ends in a blank."""
    from rich.cells import set_cell_size

    folded = [fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
    return [
        GAP.join(map(set_cell_size, parts, widths)).rstrip()
        for parts in zip_longest(*folded, fillvalue="")
    ]


def width_for(cells: Sequence[str], heading: str, most: int) -> int:
    """How wide a column must be for its cells and the heading's words, at most `most`."""
    from rich.cells import cell_len

    needed = max(map(len, heading.split()))
    return min(max([needed, *(cell_len(visible(cell)) for cell in cells)]), most)


def as_text(lines: Sequence[str]) -> str:
    """The lines, each without trailing blanks and ended by a line feed."""
    return "".join(f"{line.rstrip()}\n" for line in lines)
