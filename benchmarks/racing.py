"""Eight processes applying the same 400 runs from eight clones, against one process alone."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.applying import git, serve, share
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, seconds, spread

RUNS, PROCESSES = 400, 8


def measure(folder: Path) -> None:
    """Print both wall times and their ratio."""
    numbers = iter(range(100))
    found = compare(
        lambda: _apply(folder / str(next(numbers)), PROCESSES),
        lambda: _apply(folder / str(next(numbers)), 1),
        pairs=3,
        warm=False,
    )
    print(f"{PROCESSES} processes  {seconds(found.ours)}")
    print(f"1 process    {seconds(found.theirs)}")
    print(f"ratio        {spread(found.ratios)}")


def _apply(folder: Path, processes: int) -> Sample:
    with serve(latency=0.02) as (url, exports):
        repository = folder / "repository"
        write_repository(repository, RUNS, url=url, concurrency=8)
        share(repository, folder / "origin.git")
        clones = [folder / f"clone-{number}" for number in range(processes)]
        for clone in clones:
            git("clone", "-q", str(folder / "origin.git"), str(clone), cwd=folder)
            git("config", "user.name", "bench", cwd=clone)
            git("config", "user.email", "bench@example.test", cwd=clone)
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "reconciler", "apply", "--repo", str(clone)],
                env=exports,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for clone in clones
        ]
        codes = [process.wait() for process in running]
        if any(codes):
            raise RuntimeError(f"exit codes {codes}")
        return Sample(seconds=time.perf_counter() - began, peak_mib=0)
