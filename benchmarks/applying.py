"""`apply` of new runs of as many flows at 100 ms, against the time that the requests alone need."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, run, seconds, spread

LATENCY_SECONDS = 0.1
SIZES = ((1_000, 16), (1_000, 64), (5_000, 64))  # runs, and how many are started at a time


def measure(folder: Path) -> None:
    """Print the whole process's time, and its ratio to what the latency alone takes."""
    for runs, concurrency in SIZES:
        needed = runs / concurrency * LATENCY_SECONDS
        name = f"{runs}-{concurrency}"
        samples = [_once(folder / f"{name}-{turn}", runs, concurrency) for turn in range(3)]
        print(f"reconciler apply  {seconds(samples)}, {runs} runs, {concurrency} at a time")
        print(f"processor         {spread([one.cpu for one in samples], ' s')}, git included")
        print(f"latency alone     {needed:.3g} s")
        print(f"ratio             {spread([one.seconds / needed for one in samples])}", flush=True)


def _once(folder: Path, runs: int, concurrency: int) -> Sample:
    with serve(latency=LATENCY_SECONDS) as (url, exports):
        repository = folder / "repository"
        write_repository(repository, runs, url=url, concurrency=concurrency)
        share(repository, folder / "origin.git")
        command = [sys.executable, "-m", "reconciler", "apply", "--repo", str(repository)]
        return run(command, Path.cwd(), exports)


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
