"""`validate` and `plan` where ten of 100,000 manifests changed since the last time, to git status.

All runs are recorded. The first time everything is read, and kept; that is measured as well.
"""

import shutil
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.applying import git
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run, seconds, spread
from benchmarks.recording import write_ledger
from reconciler.expansion import Bounds
from reconciler.manifest import is_manifest_path
from reconciler.repository.together import reader
from reconciler.repository.worktree import read_worktree
from reconciler.times import parse_zone

MANIFESTS, CHANGED, PAIRS = 100_000, 10, 5
_COMMANDS = {"validate": ["validate"], "plan": ["plan", "--offline", "--no-base"]}


def measure(folder: Path) -> None:
    """Print the time of the first command, and of those after it to that of `git status`."""
    root = folder / "repository"
    write_repository(root, MANIFESTS)
    _record(root)
    git("init", "-q", "--initial-branch=main", cwd=root)
    git("config", "user.name", "bench", cwd=root)
    git("config", "user.email", "bench@example.test", cwd=root)
    git("add", "--all", cwd=root)
    git("commit", "-qm", "corpus", cwd=root)
    numbers = count()
    for name, words in _COMMANDS.items():
        off = _run(root, words, {"RECONCILER_CACHE": "off"})
        shutil.rmtree(root / ".git" / "reconciler", ignore_errors=True)
        cold = _run(root, words)
        print(f"{name:10} nothing kept {cold.seconds:.3g} s, processor {cold.cpu:.3g} s")
        print(f"{'':10} no cache     {off.seconds:.3g} s, processor {off.cpu:.3g} s", flush=True)
        found = compare(
            _after(partial(_change, root, numbers), partial(_run, root, words)),
            partial(run, ["git", "status"], root),
            pairs=PAIRS,
        )
        print(f"{'':10} warm         {seconds(found.ours)}; git status {seconds(found.theirs)}")
        print(f"{'':10} processor    {spread([one.cpu for one in found.ours], ' s')}")
        peak = spread([one.peak_mib for one in found.ours], " MiB")
        print(f"{'':10} ratio        {spread(found.ratios)}, of processor time", end=" ")
        print(f"{spread(found.cpu_ratios)}; {peak}", flush=True)


def _after(first: Callable[[], None], then: Callable[[], Sample]) -> Callable[[], Sample]:
    def both() -> Sample:
        first()
        return then()

    return both


def _change(root: Path, numbers: "count[int]") -> None:
    """Edit ten manifests that nobody has edited before; what they declare stays as it was."""
    for _ in range(CHANGED):
        number = next(numbers)
        path = root / "triggers" / f"b{number // 50:04d}" / f"run-{number:07d}.yaml"
        path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")


def _record(root: Path) -> None:
    zone, bounds = parse_zone("GMT+8"), Bounds()
    sources, _ = read_worktree(root, "triggers", partial(is_manifest_path, folder="triggers"))
    read = reader(sources, zone, bounds)
    runs = [run for source in sources for run in read(source, bounds).runs]
    write_ledger(root, sorted(runs, key=lambda one: one.turn))


def _run(root: Path, words: list[str], variables: dict[str, str] | None = None) -> Sample:
    command = [sys.executable, "-m", "reconciler", *words, "--repo", str(root)]
    return run(command, Path.cwd(), variables)
