"""`plan` of a backfill of 10,000 dates, in a sequence or after an import, to unordered ones."""

import sys
from pathlib import Path

from benchmarks.corpus import CONFIGURATION
from benchmarks.measure import Comparison, Sample, compare, run, seconds, spread

DATES = 10_000
_BACKFILL = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: {name}}}
spec:
  flowId: {flow}
  businessDates: {{from: 1998-01-01, to: 2025-05-18, every: 1d}}
{more}"""
_MATCH = "  dependsOn: [{name: import, match: [businessDate]}]\n"


def measure(folder: Path) -> None:
    """Print times and ratios, of processor time too."""
    unordered, half = _backfill("wind", 1), _backfill("import", 2)
    plain = _repository(folder / "plain", unordered)
    pair = _repository(folder / "pair", half, unordered)
    sequential = _repository(folder / "sequential", _backfill("wind", 1, "  sequential: true\n"))
    limits = "  sequential: true\n  maxActive: 40\n  stopAfter: {failures: 3}\n"
    limited = _repository(folder / "limited", _backfill("wind", 1, limits))
    matched = _repository(folder / "matched", half, _backfill("wind", 1, _MATCH))
    _tell("sequential", _compared(sequential, plain))
    _tell("sequential, with maxActive and stopAfter", _compared(limited, plain))
    _tell("with a match, to two that do not wait", _compared(matched, pair))


def _backfill(name: str, flow: int, more: str = "") -> str:
    return _BACKFILL.format(name=name, flow=flow, more=more)


def _repository(root: Path, *manifests: str) -> Path:
    (root / "triggers").mkdir(parents=True)
    configuration = CONFIGURATION.format(url="http://127.0.0.1:9", concurrency=8)
    (root / "reconciler.yaml").write_text(configuration, encoding="utf-8")
    (root / "triggers" / "all.yaml").write_text("---\n".join(manifests), encoding="utf-8")
    return root


def _compared(ours: Path, theirs: Path) -> Comparison:
    return compare(lambda: _plan(ours), lambda: _plan(theirs), pairs=5)


def _plan(repository: Path) -> Sample:
    command = [sys.executable, "-m", "reconciler", "plan", "--offline", "--format", "json"]
    return run([*command, "--repo", str(repository)], Path.cwd())


def _tell(what: str, found: Comparison) -> None:
    print(f"plan of {DATES} dates {what}: {seconds(found.ours)}")
    print(f"  unordered: {seconds(found.theirs)}")
    print(f"  ratio {spread(found.ratios)}, of processor time {spread(found.cpu_ratios)}")
