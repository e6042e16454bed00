"""`status --grid` of a backfill of 10,000 runs, half of them recorded, against `status` as JSON."""

import sys
from pathlib import Path

from benchmarks.backfilling import RECORDED, RUNS, write_backfill
from benchmarks.measure import Sample, compare, run, seconds, spread


def measure(folder: Path) -> None:
    """Print times and their ratio."""
    write_backfill(folder)
    found = compare(
        lambda: _status(folder, "--grid"), lambda: _status(folder, "--format", "json"), pairs=5
    )
    print(f"status --grid of {RUNS} runs, {RECORDED} recorded  {seconds(found.ours)}")
    print(f"status --format json                       {seconds(found.theirs)}")
    print(f"ratio                                      {spread(found.ratios)}")
    print(f"ratio of processor time                    {spread(found.cpu_ratios)}")


def _status(repository: Path, *arguments: str) -> Sample:
    command = [sys.executable, "-m", "reconciler", "status", "--offline", *arguments]
    return run([*command, "--repo", str(repository)], Path.cwd())
