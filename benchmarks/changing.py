"""`plan --base` of a change in a repository of many manifests, against `plan` alone."""

import subprocess
import sys
from pathlib import Path

from benchmarks.backfilling import write_backfill
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run, seconds, spread

SINGLES = 5_000


def measure(folder: Path) -> None:
    """Print times and ratios: of single manifests, and of one backfill of 10,000 runs."""
    singles, backfill = folder / "singles", folder / "backfill"
    write_repository(singles, SINGLES)
    write_backfill(backfill)
    for name, repository, changed in (
        (f"{SINGLES} manifests, one of them changed", singles, "triggers/b0000/run-0000007.yaml"),
        ("10,000 runs of a backfill, beside a new manifest", backfill, "triggers/new.yaml"),
        ("10,000 runs of a backfill that is edited", backfill, "triggers/wind.yaml"),
    ):
        _commit(repository)
        _change(repository, changed)
        found = compare(
            lambda at=repository: _plan(at, "--base", "HEAD"),  # type: ignore[misc] # bound early
            lambda at=repository: _plan(at, "--no-base"),  # type: ignore[misc] # bound early
            pairs=5,
        )
        print(f"{name}: ratio {spread(found.ratios)}, of processor time {spread(found.cpu_ratios)}")
        print(f"  with a base {seconds(found.ours)}, without {seconds(found.theirs)}")


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


def _plan(repository: Path, *options: str) -> Sample:
    command = [sys.executable, "-m", "reconciler", "plan", "--offline", "--format", "json"]
    return run([*command, *options, "--repo", str(repository)], Path.cwd())
