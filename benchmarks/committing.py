"""The commit of a ledger change on 100,000 files, against `git add` and `git commit`."""

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.applying import git
from benchmarks.measure import Sample, compare
from benchmarks.table import Row, at_most
from reconciler.git import CommitId, Git

FILES = 100_000
LEDGER = "state/bench/ledger.jsonl"


def measure(folder: Path) -> Iterator[Row]:
    """One to the other."""
    repository = folder / "repository"
    write(repository)
    clone = Git.at(repository)
    tip = CommitId(git("rev-parse", "HEAD", cwd=repository))
    number = iter(range(10**6))

    def ours() -> Sample:
        began = time.perf_counter()
        clone.commit_files(tip, {LEDGER: f"line {next(number)}\n".encode()}, "ledger [skip ci]\n")
        return Sample(seconds=time.perf_counter() - began, peak_mib=0)

    def theirs() -> Sample:
        (repository / LEDGER).write_text(f"line {next(number)}\n", encoding="utf-8")
        began = time.perf_counter()
        git("add", LEDGER, cwd=repository)
        git("commit", "-qm", "ledger [skip ci]", cwd=repository)
        return Sample(seconds=time.perf_counter() - began, peak_mib=0)

    found = compare(ours, theirs, pairs=7)
    work = "commit of a ledger change on 100,000 files, to `git add` and `git commit`"
    yield Row(work=work, values=found.ratios, goal=at_most(0.2), took=found.took)


def write(repository: Path) -> None:
    """Make a repository of 100,000 manifests and a ledger, in one commit."""
    for index in range(FILES):
        path = repository / "triggers" / f"b{index // 200:04d}" / f"run-{index:07d}.yaml"
        if index % 200 == 0:
            path.parent.mkdir(parents=True)
        path.write_text(f"name: run-{index}\n", encoding="utf-8")
    (repository / "state/bench").mkdir(parents=True)
    (repository / LEDGER).write_text("line\n", encoding="utf-8")
    git("init", "-q", "--initial-branch=main", cwd=repository)
    git("config", "user.name", "bench", cwd=repository)
    git("config", "user.email", "bench@example.test", cwd=repository)
    git("add", "-A", cwd=repository)
    git("commit", "-qm", "corpus", cwd=repository)
