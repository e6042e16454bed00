"""What git says of an object by its full id: this stays true, so git is asked once in a process.

A command reads the same commits, trees and ledgers again at each step, and those that it has just
written. Starting git costs more than most of its answers. Only what was found is kept: an object
that is missing may still be fetched.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from threading import Lock

from reconciler.git.command import CompletedGit, run_git

_ID = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"
MOST_KEPT_BYTES = 1 << 14  # of an answer or a blob: reading more costs more than starting git
MOST_KEPT = 512  # answers, and as many blobs
_MOST_OF_LISTING = 1 << 24  # bytes: about 150,000 files
_LISTINGS = 2  # the commit that is worked on, and the one before

_answers: dict[tuple[Path, tuple[str, ...]], CompletedGit] = {}
_blobs: dict[tuple[Path, str], bytes] = {}
_listings: dict[tuple[Path, str], bytes] = {}
_parents: dict[tuple[Path, str], str] = {}
_lock = Lock()


def ask_once(
    root: Path, *args: str, about: Collection[str], accept: Collection[int] = (0,)
) -> CompletedGit:
    """As `run_git`, for an answer that follows from the objects in `about` alone.

    If one of these is not a full id, but a name whose object may change, git is run each time.
    """
    known = known_answer(root, *args)
    if known is not None:
        return known
    completed = run_git(root, *args, accept=accept)
    if not completed.exit_code and all(re.fullmatch(_ID, one) for one in about):
        _keep_answer(root, args, completed)
    return completed


def known_answer(root: Path, *args: str) -> CompletedGit | None:
    """What git has said, if its answer was kept."""
    return _answers.get((root, args))


def keep_answer(root: Path, *args: str, answer: str = "") -> None:
    """Keep what git would answer about an object that was written here, without asking git."""
    told = answer.encode("utf-8", "surrogateescape")
    _keep_answer(root, args, CompletedGit(exit_code=0, stdout=told, stderr=""))


def _keep_answer(root: Path, args: tuple[str, ...], completed: CompletedGit) -> None:
    if len(completed.stdout) <= MOST_KEPT_BYTES:
        with _lock:
            _answers[root, args] = completed
            while len(_answers) > MOST_KEPT:
                del _answers[next(iter(_answers))]


def know_parent(root: Path, commit: str, parent: str) -> None:
    """Keep the first parent of a commit that was made here."""
    with _lock:
        _parents[root, commit] = parent
        while len(_parents) > MOST_KEPT:
            del _parents[next(iter(_parents))]


def known_ancestors(root: Path, commit: str) -> list[str]:
    """The commit's first parent, that one's, and so on, as far as they were made here."""
    line, at = [], commit
    while (parent := _parents.get((root, at))) is not None:
        line.append(parent)
        at = parent
    return line


def known_blob(root: Path, oid: str) -> bytes | None:
    """The content of a blob of this clone that was kept; None if it must be read."""
    return _blobs.get((root, oid))


def keep_blobs(root: Path, blobs: Iterable[tuple[str, bytes]]) -> None:
    """Keep the small blobs; if there are too many, only the last ones."""
    small = [(oid, content) for oid, content in blobs if len(content) <= MOST_KEPT_BYTES]
    with _lock:
        for oid, content in small[-MOST_KEPT:]:
            _blobs[root, oid] = content
        while len(_blobs) > MOST_KEPT:
            del _blobs[next(iter(_blobs))]


def known_listing(root: Path, commit: str) -> bytes | None:
    """All that the commit holds, as `objects.read_tree` lists it, if that was kept."""
    return _listings.get((root, commit))


def keep_listing(root: Path, commit: str, listing: bytes) -> None:
    """Keep what the commit holds; only the last few are kept."""
    if len(listing) <= _MOST_OF_LISTING and re.fullmatch(_ID, commit):
        with _lock:
            _listings[root, commit] = listing
            while len(_listings) > _LISTINGS:
                del _listings[next(iter(_listings))]


def forget_answers() -> None:
    """Forget everything, so that git is asked anew."""
    with _lock:
        _listings.clear()
        _parents.clear()
        _answers.clear()
        _blobs.clear()
