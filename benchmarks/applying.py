"""`apply` of 1,000 runs of 1,000 flows at 100 ms, against the time that the requests alone need."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, run, seconds, spread

RUNS, CONCURRENCY, LATENCY_SECONDS = 1_000, 16, 0.1
NEEDED_SECONDS = RUNS / CONCURRENCY * LATENCY_SECONDS


def measure(folder: Path) -> None:
    """Print the whole process's time, and its ratio to what the latency alone takes."""
    samples = [_once(folder / str(index)) for index in range(3)]
    print(f"reconciler apply  {seconds(samples)}")
    print(f"latency alone     {NEEDED_SECONDS:.3g} s")
    print(f"ratio             {spread([one.seconds / NEEDED_SECONDS for one in samples])}")


def _once(folder: Path) -> Sample:
    with serve(latency=LATENCY_SECONDS) as (url, exports):
        repository = folder / "repository"
        write_repository(repository, RUNS, url=url, concurrency=CONCURRENCY)
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
