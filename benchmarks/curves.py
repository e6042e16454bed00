"""How the time and memory of commands grow, drawn into `curves.svg` beside this file.

Every command once for each size, the sizes in turn, several turns; a point is the median of one
size, its bar the smallest and the largest. Drawn on two logarithmic axes, what grows with the
number of runs is a straight line of slope one, and what a command costs anyway is flat.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

from benchmarks.applying import share
from benchmarks.corpus import write_repository
from benchmarks.growth import RUNS, an_apply
from benchmarks.measure import Sample, run, spread
from benchmarks.table import Row
from reconciler.ledger.lines import encode_events

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZES = (1_000, 10_000, 100_000)
LEDGER_SIZES = (*SIZES, 1_000_000)
TURNS = 3
PICTURE = Path(__file__).with_name("curves.svg")
_FOLD = """\
import sys
from pathlib import Path
from reconciler.ledger import Ledger, read_events
Ledger.of(read_events({"ledger.jsonl": Path(sys.argv[1]).read_bytes()}, "state"))
"""


class Curve(Struct, frozen=True, kw_only=True):
    """What one kind of work took, by how many runs there were."""

    name: str
    samples: Mapping[int, Sequence[Sample]]


def measure(folder: Path) -> tuple[Row, ...]:
    """Print the figures, and write the picture; the table has none of them."""
    commands = {"validate": ["validate"], "plan --offline": ["plan", "--offline"]}
    curves = [
        *(_curve(name, SIZES, _of_command(folder, words)) for name, words in commands.items()),
        _curve("reading a ledger", LEDGER_SIZES, _of_ledger(folder)),
    ]
    for curve in curves:
        for size, samples in curve.samples.items():
            seconds = spread([one.cpu for one in samples], " s")
            peak = median(one.peak_mib for one in samples)
            print(f"{curve.name:18} {size:9,} runs  {seconds} of processor  {peak:.0f} MiB")
    draw(curves, PICTURE)
    print(f"drawn into {PICTURE.name}")
    return ()


def _curve(name: str, sizes: Sequence[int], work: Callable[[int], Sample]) -> Curve:
    for size in sizes:
        work(size)  # makes its repository, and warms the disk
    taken = [(size, work(size)) for _ in range(TURNS) for size in sizes]
    return Curve(
        name=name,
        samples={size: [one for its, one in taken if its == size] for size in sizes},
    )


def _of_command(folder: Path, words: Sequence[str]) -> Callable[[int], Sample]:
    def work(size: int) -> Sample:
        repository = folder / f"manifests-{size}"
        if not repository.exists():
            write_repository(repository, size)
            share(repository, folder / f"origin-{size}.git")
        command = [sys.executable, "-m", "reconciler", *words, "--repo", str(repository)]
        return run(command, Path.cwd())

    return work


def _of_ledger(folder: Path) -> Callable[[int], Sample]:
    def work(size: int) -> Sample:
        ledger = folder / f"ledger-{size}.jsonl"
        if not ledger.exists():
            numbers = count()
            with ledger.open("wb") as file:
                for _ in range(size // RUNS):
                    file.writelines(encode_events(part) for part in an_apply(numbers))
        return run([sys.executable, "-c", _FOLD, str(ledger)], Path.cwd())

    return work


def draw(curves: Sequence[Curve], picture: Path) -> None:
    """Draw time and memory side by side.

    What draws is imported here: a process begins with the memory of the one that starts it.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "reconciler"  # the same picture of the same figures
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for curve in curves:
        _plot(time, curve, [[one.cpu for one in its] for its in curve.samples.values()])
        _plot(memory, curve, [[one.peak_mib for one in its] for its in curve.samples.values()])
    time.set(title="processor time", ylabel="seconds")
    memory.set(title="peak memory", ylabel="MiB")
    time.legend()
    figure.savefig(picture, metadata={"Date": None})


def _plot(axes: "Axes", curve: Curve, values: Sequence[Sequence[float]]) -> None:
    middle = [median(its) for its in values]
    below = [mid - min(its) for mid, its in zip(middle, values, strict=True)]
    above = [max(its) - mid for mid, its in zip(middle, values, strict=True)]
    sizes = list(curve.samples)
    axes.errorbar(sizes, middle, yerr=[below, above], label=curve.name, marker="o", capsize=3)
    axes.set(xscale="log", yscale="log", xlabel="runs")
    axes.grid(visible=True, which="major", alpha=0.3)
