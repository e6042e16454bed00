"""`status --grid` of a backfill of 10,000 runs, half of them recorded, against `status` as JSON."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.backfilling import write_backfill
from benchmarks.measure import Sample, compare, run
from benchmarks.table import Row, at_most


def measure(folder: Path) -> Iterator[Row]:
    """One to the other."""
    write_backfill(folder)
    found = compare(
        lambda: _status(folder, "--grid"), lambda: _status(folder, "--format", "json"), pairs=5
    )
    work = "`status --grid` of 10,000 runs, half recorded, to `status --format json`"
    yield Row(work=work, values=found.ratios, goal=at_most(1.5), took=found.took)


def _status(repository: Path, *arguments: str) -> Sample:
    command = [sys.executable, "-m", "reconciler", "status", "--offline", *arguments]
    return run([*command, "--repo", str(repository)], Path.cwd())
