"""`validate` and `plan` where ten of 100,000 manifests changed since the last time, to git status.

All runs are recorded. Beside them stands what bounds any program in Python from below.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.applying import git
from benchmarks.corpus import write_repository
from benchmarks.measure import Sample, compare, run
from benchmarks.recording import write_ledger
from benchmarks.table import Row, at_most
from reconciler.expansion import Bounds
from reconciler.manifest import is_manifest_path
from reconciler.repository.together import reader
from reconciler.repository.worktree import read_worktree
from reconciler.times import parse_zone

MANIFESTS, CHANGED, PAIRS = 100_000, 10, 5
_COMMANDS = (("validate", ["validate"], 1.0), ("plan", ["plan", "--offline", "--no-base"], 2.0))
# The least that a program in Python does: it sees each file's status, and decodes the ledger.
_LOOK = """
import os, sys
ahead = [sys.argv[1]]
while ahead:
    with os.scandir(ahead.pop()) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                ahead.append(entry.path)
            else:
                entry.stat(follow_symlinks=False)
"""
_DECODE = """
import msgspec, pathlib
from reconciler.ledger.events import Event
decode = msgspec.json.Decoder(Event).decode
for path in pathlib.Path(sys.argv[2]).iterdir():
    for line in path.read_bytes().splitlines():
        decode(line)
"""


def measure(folder: Path) -> Iterator[Row]:
    """Both commands, and what bounds any in Python from below, to `git status`."""
    root = folder / "repository"
    write_repository(root, MANIFESTS)
    _record(root)
    git("init", "-q", "--initial-branch=main", cwd=root)
    git("config", "user.name", "bench", cwd=root)
    git("config", "user.email", "bench@example.test", cwd=root)
    git("add", "--all", cwd=root)
    git("commit", "-qm", "corpus", cwd=root)
    change = partial(_change, root, count())
    for name, words, limit in _COMMANDS:
        work = f"`{name}`, 10 of 100,000 manifests changed, all recorded, to `git status`"
        command = [sys.executable, "-m", "reconciler", *words, "--repo", str(root)]
        yield _row(work, command, root, change, limit)
    folders = [str(root / "triggers"), str(root / "state" / "bench")]
    for work, script in (
        ("bare loop in Python over the status of 100,000 files", _LOOK),
        ("the same, and the ledger's lines decoded by msgspec", _LOOK + _DECODE),
    ):
        yield _row(
            f"{work}, to `git status`", [sys.executable, "-c", script, *folders], root, change
        )


def _row(
    work: str,
    command: Sequence[str],
    root: Path,
    change: Callable[[], None],
    limit: float | None = None,
) -> Row:
    def ours() -> Sample:
        change()
        return run(command, Path.cwd())

    found = compare(ours, partial(run, ["git", "status"], root), pairs=PAIRS)
    goal = None if limit is None else at_most(limit)
    return Row(work=work, values=found.ratios, goal=goal, took=found.took)


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
