"""What runs carry, in pieces of text that the terminal shows beneath them."""

from collections.abc import Iterable, Sequence

from reconciler.counting import counted
from reconciler.model import Parameters
from reconciler.plan import PlannedRun
from reconciler.render.backfills import natural_order
from reconciler.render.layout import Screen, fold

FEW = 3  # things of a kind that are named
FEW_VALUES = 8  # of a parameter that are all named; of more the first and the last


def values_of(carried: Iterable[Parameters]) -> dict[str, list[str]]:
    """The values of each parameter, each once and sorted, so that `first … last` is true.

    Numbers within them count as numbers: `site-9` stands before `site-10`.
    """
    found: dict[str, dict[str, None]] = {}
    for parameters in carried:
        for key, value in parameters:
            found.setdefault(key, {})[value] = None
    return {key: sorted(values, key=natural_order) for key, values in found.items()}


def carried_text(runs: Sequence[PlannedRun], screen: Screen, *, verbose: bool) -> list[str]:
    """`MODE=full, SITE: 40 values: cn-01 … cn-40`: one line, as far as it fits; `verbose`: all."""
    pieces = [
        f"{key}={values[0]}" if len(values) == 1 else _several(key, values, verbose=verbose)
        for key, values in values_of(run.parameters for run in runs).items()
    ]
    if not pieces:
        return []
    whole = screen.wrapped(", ".join(pieces))
    if verbose or _fits(whole, screen):
        return whole
    for number in range(len(pieces) - 1, 0, -1):
        more = f"… and {counted(len(pieces) - number, 'more parameter')}"
        lines = screen.wrapped(", ".join((*pieces[:number], more)))
        if _fits(lines, screen):
            return lines
    more = f" and {counted(len(pieces) - 1, 'more parameter')}" if len(pieces) > 1 else ""
    return [fold(pieces[0], screen.width - len(more) - 1)[0] + "…" + more]


def _fits(lines: Sequence[str], screen: Screen) -> bool:
    from rich.cells import cell_len

    return len(lines) == 1 and cell_len(lines[0]) <= screen.width


def _several(key: str, values: Sequence[str], *, verbose: bool) -> str:
    if len(values) <= FEW_VALUES or verbose:
        return f"{key}: {', '.join(values)}"
    return f"{key}: {len(values):,} values: {values[0]} … {values[-1]}"
