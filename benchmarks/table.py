"""The table of `benchmarks/README.md`: what was measured, its goal, and whether that is reached.

The table is where figures are kept: a benchmark that is run again replaces its own rows, and the
picture is drawn from all of them.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct

from benchmarks.measure import spread

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_HEAD = "| work | goal | measured | | took | `python -m benchmarks` |\n|---|---|---|---|---|---|\n"
_COMMAND = re.compile(r"\| `([a-z-]+)` \|\n?\Z")
_NUMBER = r"([0-9.e+-]+)"
_RATED = re.compile(
    rf"\| (?P<work>.*?) \| at (?P<bound>most|least) {_NUMBER}[^|]* "
    rf"\| {_NUMBER}[^(|]*(?:\({_NUMBER} to {_NUMBER}\) )?\|"
)


class Goal(Struct, frozen=True):
    """What the median must reach."""

    limit: float
    is_least: bool = False  # otherwise the limit is the most

    def is_reached(self, value: float) -> bool:
        """Whether the value keeps the limit."""
        return value >= self.limit if self.is_least else value <= self.limit


def at_most(limit: float) -> Goal:
    """A goal that greater values miss."""
    return Goal(limit)


def at_least(limit: float) -> Goal:
    """A goal that smaller values miss."""
    return Goal(limit, is_least=True)


class Row(Struct, frozen=True, kw_only=True):
    """One measured figure."""

    work: str  # what was measured, and to what it is a ratio
    values: Sequence[float]  # turn by turn
    goal: Goal | None = None  # None: it is only reported
    unit: str = ""
    took: str = ""  # what is behind the figure: seconds, memory

    def line(self, name: str) -> str:
        """The row of the table; `name`: of the benchmark that measures it."""
        goal, verdict = "", ""
        if self.goal is not None:
            goal = f"at {'least' if self.goal.is_least else 'most'} {self.goal.limit:g}{self.unit}"
            verdict = "reached" if self.goal.is_reached(median(self.values)) else "**missed**"
        figure = spread(self.values, self.unit)
        return f"| {self.work} | {goal} | {figure} | {verdict} | {self.took} | `{name}` |\n"


class Rated(Struct, frozen=True):
    """A row of the table as a part of its goal: 1 is just reached, and less is better."""

    work: str
    middle: float
    least: float
    most: float


def replace_rows(document: str, name: str, rows: Iterable[Row], order: Sequence[str]) -> str:
    """The document with these rows in place of those that the benchmark of that name had before.

    `order`: the names of all benchmarks. Raises ValueError for a document without the table.
    """
    before, _, rest = document.partition(f"{BEGIN}\n")
    table, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the document has no {BEGIN} and {END}")
    kept = [line for line in table.splitlines(keepends=True) if _name_of(line) in order]
    lines = [line for line in kept if _name_of(line) != name]
    lines += [row.line(name) for row in rows]
    lines.sort(key=lambda line: order.index(_name_of(line)))
    return f"{before}{BEGIN}\n{_HEAD}{''.join(lines)}{END}{after}"


def _name_of(line: str) -> str:
    found = _COMMAND.search(line)
    return found.group(1) if found else ""


def read_rated(document: str) -> list[Rated]:
    """Every row of the table that has a goal, as a part of it."""
    table = document.partition(BEGIN)[2].partition(END)[0]
    return [_rate(found) for found in map(_RATED.match, table.splitlines()) if found]


def _rate(found: "re.Match[str]") -> Rated:
    _, bound, limit, middle, least, most = found.groups()
    values = [float(one) / float(limit) for one in (middle, least or middle, most or middle)]
    if bound == "least":
        values = [1 / one for one in values]
    return Rated(found["work"].replace("`", ""), values[0], min(values), max(values))


def draw(rated: Sequence[Rated], picture: Path) -> None:
    """Draw each median and its spread beside the line that no goal may pass."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "reconciler"  # the same picture of the same figures
    figure = Figure(figsize=(9, 0.6 + 0.24 * len(rated)), layout="constrained")
    axes = figure.subplots()
    for height, one in enumerate(reversed(rated)):
        color = "tab:green" if one.middle <= 1 else "tab:red"
        bars = [[one.middle - one.least], [one.most - one.middle]]
        axes.errorbar([one.middle], [height], xerr=bars, fmt="o", ms=4, color=color, capsize=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(rated)), [one.work for one in reversed(rated)], fontsize=7)
    axes.set(xscale="log", xlabel="measured, as a part of the goal: left of the line is reached")
    axes.grid(visible=True, axis="x", which="both", alpha=0.3)
    figure.savefig(picture, metadata={"Date": None})
