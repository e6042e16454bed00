"""`plan --base` of a change in a repository of many manifests, against `plan` alone."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.applying import git, share
from benchmarks.backfilling import write_backfill
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run
from benchmarks.table import Row, at_most

SINGLES = 5_000
_MANY, _CHANGED = 100_000, 10
_UNCACHED = {"RECONCILER_CACHE": "off"}


def measure(folder: Path) -> Iterator[Row]:
    """Of single manifests, and of one backfill of 10,000 runs."""
    singles, backfill = folder / "singles", folder / "backfill"
    write_repository(singles, SINGLES)
    write_backfill(backfill)
    for name, repository, changed, goal in (
        ("5,000 manifests, one changed", singles, "triggers/b0000/run-0000007.yaml", 1.3),
        ("a backfill of 10,000 runs, a manifest new", backfill, "triggers/new.yaml", 1.3),
        ("a backfill of 10,000 runs that is edited", backfill, "triggers/wind.yaml", None),
    ):
        _commit(repository)
        _change(repository, changed)
        found = compare(
            lambda at=repository: _plan(at, "--base", "HEAD"),  # type: ignore[misc] # bound early
            lambda at=repository: _plan(at, "--no-base"),  # type: ignore[misc] # bound early
            pairs=5,
        )
        yield Row(
            work=f"`plan --base`, {name}, to `plan` alone",
            values=found.ratios,
            goal=at_most(goal) if goal else None,
            took=found.took,
        )


def measure_cold(folder: Path) -> Iterator[Row]:
    """Of 100,000 manifests, 10 of them changed, as a pipeline sees a pull request.

    The clone is shallow, and nothing is cached; then with a cache that another clone has made, as a
    pipeline can carry it. Both to a `plan` of everything with nothing cached.
    """
    first, clone = folder / "first", folder / "clone"
    write_repository(first, _MANY)
    share(first, folder / "origin.git")
    git("checkout", "-q", "-b", "change", cwd=first)
    for number in range(_CHANGED):
        _change(first, f"triggers/b{number:04d}/run-{number * 50:07d}.yaml")
    git("commit", "-qam", "change", cwd=first)
    git("push", "-q", "origin", "change", cwd=first)
    _plan(first, "--no-base")  # keeps what it has read
    carried, kept = first / ".git" / "reconciler", clone / ".git" / "reconciler"
    origin = f"file://{folder / 'origin.git'}"
    git("clone", "-q", "--depth=1", "--branch=change", origin, str(clone), cwd=folder)
    git("fetch", "-q", "--depth=1", "origin", "main:base", cwd=clone)

    def alone() -> Sample:
        return _plan(clone, "--no-base", env=_UNCACHED)

    def with_carried() -> Sample:
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(carried, kept)
        return _plan(clone, "--base", "base")

    work = "`plan --base`, 10 of 100,000 manifests changed, shallow clone"
    for what, ours in (
        ("nothing cached", lambda: _plan(clone, "--base", "base", env=_UNCACHED)),
        ("the cache carried", with_carried),
    ):
        found = compare(ours, alone, pairs=5)
        yield Row(
            work=f"{work}, {what}, to `plan` with nothing cached",
            values=found.ratios,
            goal=at_most(0.3),
            took=found.took,
        )


def _commit(repository: Path) -> None:
    git = ["git", "-C", str(repository), "-c", "user.name=bench", "-c", "user.email=bench@b.test"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *words], check=True)


def _change(repository: Path, path: str) -> None:
    file = repository / path
    if file.exists():
        file.write_text(file.read_text(encoding="utf-8").replace("MODE: full", "MODE: part"))
        file.write_text(file.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    else:
        file.write_text(
            "apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {name: new}\n"
            'spec: {flowId: 1, triggerTime: "2024-03-02T08:00:00+08:00", parameters: {}}\n',
            encoding="utf-8",
        )


def _plan(repository: Path, *options: str, env: dict[str, str] | None = None) -> Sample:
    command = [sys.executable, "-m", "reconciler", "plan", "--offline", "--format", "json"]
    return run([*command, *options, "--repo", str(repository)], Path.cwd(), env)
