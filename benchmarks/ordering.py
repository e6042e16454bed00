"""`plan` of a backfill of 10,000 dates, in a sequence or after an import, to unordered ones."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpus import CONFIGURATION
from benchmarks.measure import Sample, compare, run
from benchmarks.table import Row, at_most

_BACKFILL = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: {name}}}
spec:
  flowId: {flow}
  businessDates: {{from: 1998-01-01, to: 2025-05-18, every: 1d}}
{more}"""
_MATCH = "  dependsOn: [{name: import, match: [businessDate]}]\n"


def measure(folder: Path) -> Iterator[Row]:
    """Each kind of order."""
    wind, half = _backfill("wind", 1), _backfill("import", 2)
    plain = _repository(folder / "plain", wind)
    pair = _repository(folder / "pair", half, wind)
    sequential = _repository(folder / "sequential", _backfill("wind", 1, "  sequential: true\n"))
    limits = "  sequential: true\n  maxActive: 40\n  stopAfter: {failures: 3}\n"
    limited = _repository(folder / "limited", _backfill("wind", 1, limits))
    matched = _repository(folder / "matched", half, _backfill("wind", 1, _MATCH))
    unordered = "to the same unordered"
    yield _row(f"`sequential: true`, {unordered}", sequential, plain)
    yield _row(f"`sequential`, `maxActive` and `stopAfter`, {unordered}", limited, plain)
    yield _row("each after an import's, to two backfills that do not wait", matched, pair)


def _backfill(name: str, flow: int, more: str = "") -> str:
    return _BACKFILL.format(name=name, flow=flow, more=more)


def _repository(root: Path, *manifests: str) -> Path:
    (root / "triggers").mkdir(parents=True)
    configuration = CONFIGURATION.format(url="http://127.0.0.1:9", concurrency=8)
    (root / "reconciler.yaml").write_text(configuration, encoding="utf-8")
    (root / "triggers" / "all.yaml").write_text("---\n".join(manifests), encoding="utf-8")
    return root


def _row(what: str, ours: Path, theirs: Path) -> Row:
    found = compare(lambda: _plan(ours), lambda: _plan(theirs), pairs=5)
    work = f"`plan` of a backfill of 10,000 dates, {what}"
    return Row(work=work, values=found.ratios, goal=at_most(2), took=found.took)


def _plan(repository: Path) -> Sample:
    command = [sys.executable, "-m", "reconciler", "plan", "--offline", "--format", "json"]
    return run([*command, "--repo", str(repository)], Path.cwd())
