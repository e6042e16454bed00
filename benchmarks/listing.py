"""Finding every ledger and configuration of a commit with 100,000 files, against `git ls-tree`."""

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.applying import git
from benchmarks.committing import LEDGER, write
from benchmarks.measure import Sample, compare
from benchmarks.table import Row, at_most
from reconciler.git import CommitId, Git
from reconciler.repository.books import CommittedBooks


def measure(folder: Path) -> Iterator[Row]:
    """One to the other."""
    repository = folder / "repository"
    write(repository)
    clone = Git.at(repository)
    tip = CommitId(git("rev-parse", "HEAD", cwd=repository))

    def ours() -> Sample:
        began = time.perf_counter()
        books = CommittedBooks(clone, tip)
        found = books.folders, books.under(LEDGER), books.read_configurations("")
        taken = time.perf_counter() - began
        if [len(one) for one in found] != [1, 1, 0]:
            raise AssertionError(found)
        return Sample(seconds=taken, peak_mib=0)

    def theirs() -> Sample:
        began = time.perf_counter()
        git("ls-tree", "-r", "--full-tree", tip, cwd=repository)
        return Sample(seconds=time.perf_counter() - began, peak_mib=0)

    found = compare(ours, theirs, pairs=9)
    work = "ledgers and configurations of a commit with 100,000 files, to `git ls-tree -r`"
    yield Row(work=work, values=found.ratios, goal=at_most(2), took=found.took)
