"""`apply` of new runs of as many flows at 100 ms, against the time that the requests alone need."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run, seconds, spread

LATENCY_SECONDS = 0.1
# Runs, how many are started at a time, and how often that is measured.
SIZES = ((1_000, 16, 3), (1_000, 64, 5), (10_000, 64, 3))


def measure(folder: Path) -> None:
    """Print the whole process's time, and its ratio to what the latency alone takes.

    In turn with a bare client, for where the machine or the sandbox is the bound, both are slow.
    """
    for runs, concurrency, turns in SIZES:
        needed = runs / concurrency * LATENCY_SECONDS
        folders = (folder / f"{runs}-{concurrency}-{turn}" for turn in range(turns))
        found = compare(
            partial(_next, folders, runs, concurrency),
            partial(_bare, runs, concurrency),
            pairs=turns,
            warm=False,
        )
        print(f"reconciler apply  {seconds(found.ours)}, {runs} runs, {concurrency} at a time")
        print(f"processor         {spread([one.cpu for one in found.ours], ' s')}, git included")
        print(f"latency alone     {needed:.3g} s")
        print(f"ratio             {spread([one.seconds / needed for one in found.ours])}")
        print(f"a bare client     {spread([one.seconds / needed for one in found.theirs])}")
        print(f"of its time       {spread(found.ratios)}", flush=True)


def _next(folders: Iterator[Path], runs: int, concurrency: int) -> Sample:
    return _once(next(folders), runs, concurrency)


def _once(folder: Path, runs: int, concurrency: int) -> Sample:
    with serve(latency=LATENCY_SECONDS) as (url, exports):
        repository = folder / "repository"
        write_repository(repository, runs, url=url, concurrency=concurrency)
        share(repository, folder / "origin.git")
        command = [sys.executable, "-m", "reconciler", "apply", "--repo", str(repository)]
        return run(command, Path.cwd(), exports)


def _bare(runs: int, concurrency: int) -> Sample:
    with serve("--no-auth", latency=LATENCY_SECONDS) as (url, _):
        command = [sys.executable, "-m", "benchmarks.bare", url, str(runs), str(concurrency)]
        return run(command, Path.cwd())


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
