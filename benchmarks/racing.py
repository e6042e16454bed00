"""One, four and eight processes apply the same 2,000 runs, each from a clone of its own."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks.applying import git, serve, share
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, spread
from benchmarks.table import Row, at_least

RUNS, APPLIERS, TURNS = 2_000, (1, 4, 8), 5
# So few at a time that the latency is the bound: all appliers, git and the gateway share this
# machine's processors, and a start costs 2 ms or more of them with the gateway's part.
LATENCY_SECONDS, CONCURRENCY = 0.25, 4


def measure(folder: Path) -> Iterator[Row]:
    """How the rates compare, turn by turn, by the wall time until the last has ended."""
    numbers = count()
    taken = [[_apply(folder / str(next(numbers)), many) for many in APPLIERS] for _ in range(TURNS)]
    one, four, eight = ([each.seconds for each in its] for its in zip(*taken, strict=True))
    work = "2,000 runs at 250 ms, 4 at a time: rate of"
    yield Row(
        work=f"{work} four appliers, to one's",
        values=[alone / shared for alone, shared in zip(one, four, strict=True)],
        goal=at_least(3),
        took=f"{spread(four, ' s')} to {spread(one, ' s')}",
    )
    yield Row(
        work=f"{work} eight appliers, to four's",
        values=[fewer / more for fewer, more in zip(four, eight, strict=True)],
        goal=at_least(1),
        took=f"{spread(eight, ' s')} to {spread(four, ' s')}",
    )


def _apply(folder: Path, appliers: int) -> Sample:
    """Raises RuntimeError unless all exit with 0 and each run was started once."""
    journal = folder / "journal"
    folder.mkdir()
    with serve("--journal", str(journal), latency=LATENCY_SECONDS) as (url, exports):
        repository = folder / "repository"
        write_repository(repository, RUNS, url=url, concurrency=CONCURRENCY)
        share(repository, folder / "origin.git")
        clones = [folder / f"clone-{number}" for number in range(appliers)]
        for clone in clones:
            git("clone", "-q", str(folder / "origin.git"), str(clone), cwd=folder)
            git("config", "user.name", "bench", cwd=clone)
            git("config", "user.email", "bench@example.test", cwd=clone)
        before = os.times()
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
        ended, after = time.perf_counter(), os.times()
    if any(codes):
        raise RuntimeError(f"exit codes {codes}")
    _check_started_once(journal)
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Sample(seconds=ended - began, peak_mib=0, cpu=cpu)


def _check_started_once(journal: Path) -> None:
    served = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    flows = Counter(one["flowId"] for one in served if one["effect"] and one["instance"])
    if flows != dict.fromkeys(range(1, RUNS + 1), 1):
        raise RuntimeError(f"not each run was started once: {flows.most_common(3)}")
