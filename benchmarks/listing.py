"""Finding every ledger and configuration of a commit with 100,000 files, against `git ls-tree`."""

import time
from pathlib import Path

from benchmarks.applying import git
from benchmarks.committing import LEDGER, write
from benchmarks.measure import Sample, compare, seconds, spread
from reconciler.git import CommitId, Git
from reconciler.repository.books import CommittedBooks


def measure(folder: Path) -> None:
    """Print both times and their ratio."""
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
    print(f"reconciler   {seconds(found.ours)}")
    print(f"git ls-tree  {seconds(found.theirs)}")
    print(f"ratio        {spread(found.ratios)}")
