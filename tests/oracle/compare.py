"""The reconciler's runs beside the oracle's."""

from tests.expansion.building import NAME, expanded
from tests.oracle.draw import draw
from tests.oracle.expander import Runs, runs_of


def compare(seed: int) -> int:
    """How many runs both make of the seed's backfill. Raises AssertionError where they differ."""
    spec, zone = draw(seed)
    expected = runs_of(spec, zone)
    result = expanded(spec, zone)
    found: Runs = {
        run.name.removeprefix(f"{NAME}/"): (run.trigger_time, run.parameters) for run in result.runs
    }
    codes = {problem.code for problem in result.problems}
    assert codes == (set() if expected else {"empty"}), (seed, zone, spec, result.problems)
    differing = {name for name in found.keys() | expected if found.get(name) != expected.get(name)}
    shown = [(name, found.get(name), expected.get(name)) for name in sorted(differing)[:5]]
    assert not differing, (seed, zone, spec, shown)
    return len(found)
