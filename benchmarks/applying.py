"""`apply` of new runs of as many flows at 100 ms, against the time that the requests alone need."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run
from benchmarks.table import Row, at_most

LATENCY_SECONDS = 0.1
CONCURRENCY, TURNS = 64, 5
SIZES = ((1_000, 1.3), (10_000, 1.1))  # runs, and the goal
_PUSH = "date +%N > note && git add note && git commit --quiet --message note && git push --quiet"


def measure(folder: Path) -> Iterator[Row]:
    """The whole process, to what the latency alone takes; in turn with the least that is possible.

    That is a bare client between two pushes, as a claim and its outcomes are. Where the machine or
    the sandbox is the bound, both are slow.
    """
    for runs, limit in SIZES:
        needed = runs / CONCURRENCY * LATENCY_SECONDS
        folders = (folder / f"{runs}-{turn}" for turn in range(2 * TURNS))
        found = compare(
            partial(_next, _apply, folders, runs),
            partial(_next, _bare, folders, runs),
            pairs=TURNS,
            warm=False,
        )
        work = f"{runs:,} runs at 100 ms, 64 at a time, to what the latency alone takes"
        yield Row(
            work=f"`apply` of {work}",
            values=[one.seconds / needed for one in found.ours],
            goal=at_most(limit),
            took=found.took,
        )
        yield Row(
            work=f"bare client between two pushes: {work}",
            values=[one.seconds / needed for one in found.theirs],
        )


def _next(apply: Callable[[Path, int], Sample], folders: Iterator[Path], runs: int) -> Sample:
    return apply(next(folders), runs)


def _apply(folder: Path, runs: int) -> Sample:
    with serve(latency=LATENCY_SECONDS) as (url, exports):
        repository = _shared(folder, runs, url)
        command = [sys.executable, "-m", "reconciler", "apply", "--repo", str(repository)]
        return run(command, Path.cwd(), exports)


def _bare(folder: Path, runs: int) -> Sample:
    with serve("--no-auth", latency=LATENCY_SECONDS) as (url, _):
        client = f"{sys.executable} -m benchmarks.bare {url} {runs} {CONCURRENCY}"
        script = f"{_PUSH} && (cd {Path.cwd()} && {client}) && {_PUSH}"
        return run(["sh", "-ec", script], _shared(folder, runs, url))


def _shared(folder: Path, runs: int, url: str) -> Path:
    repository = folder / "repository"
    write_repository(repository, runs, url=url, concurrency=CONCURRENCY)
    share(repository, folder / "origin.git")
    return repository


@contextmanager
def serve(*options: str, latency: float) -> Iterator[tuple[str, dict[str, str]]]:
    """A sandbox in a process of its own: its URL, and the environment that opens it."""
    command = [sys.executable, "-m", "reconciler", "sandbox", "--port", "0"]
    sandbox = subprocess.Popen(
        [*command, "--latency", str(latency), *options], stdout=subprocess.PIPE, text=True
    )
    if sandbox.stdout is None:
        raise RuntimeError("the sandbox has no output")
    try:
        url = sandbox.stdout.readline().strip()
        exports = dict(_export(sandbox.stdout.readline()) for _ in range(2))
        yield url, {**os.environ, **exports}
    finally:
        sandbox.terminate()
        sandbox.wait()


def share(repository: Path, origin: Path) -> None:
    """Commit everything and push it to a new bare remote."""
    git("init", "-q", "--bare", "--initial-branch=main", str(origin), cwd=repository)
    git("init", "-q", "--initial-branch=main", cwd=repository)
    git("config", "user.name", "bench", cwd=repository)
    git("config", "user.email", "bench@example.test", cwd=repository)
    git("add", "-A", cwd=repository)
    git("commit", "-qm", "corpus", cwd=repository)
    git("remote", "add", "origin", str(origin), cwd=repository)
    git("push", "-q", "-u", "origin", "main", cwd=repository)


def git(*args: str, cwd: Path) -> str:
    """Run git, and give what it prints."""
    done = subprocess.run(
        ["git", *args], cwd=cwd, check=True, capture_output=True, text=True, env=os.environ
    )
    return done.stdout.strip()


def _export(line: str) -> tuple[str, str]:
    name, _, value = line.removeprefix("export ").strip().partition("=")
    return name, value
