"""What git says of an object by its whole id: that stays true, and is asked once in a process.

A command reads the same commits, trees and ledgers again at each step. Starting git for it costs
more than most of its answers. Only what was found is kept: what is missing may be fetched yet.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock

from reconciler.git.command import LOCAL_SECONDS, CompletedGit, run_git

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MOST_BYTES = 1 << 14  # of an answer, or of a blob: whatever is longer costs more than its process
_MOST_ANSWERS = 512
_MOST_BLOBS = 512


class _PassingError(Exception):
    """Carries an answer past the cache, which keeps none that was raised."""

    def __init__(self, completed: CompletedGit) -> None:
        super().__init__()
        self.completed = completed


def is_id(text: str) -> bool:
    """Whether the text is a whole object id, and no name whose object may change."""
    return _ID.fullmatch(text) is not None


def ask_once(
    root: Path, *args: str, about: Collection[str], accept: tuple[int, ...] = (0,)
) -> CompletedGit:
    """As `run_git`, whose answer follows from the objects of the ids in `about` alone.

    If one of these is no whole id, git is run each time.
    """
    if not all(map(is_id, about)):
        return run_git(root, *args, accept=accept)
    try:
        return _ask(root, args, accept)
    except _PassingError as passing:
        return passing.completed


@lru_cache(_MOST_ANSWERS)
def _ask(root: Path, args: tuple[str, ...], accept: tuple[int, ...]) -> CompletedGit:
    completed = run_git(root, *args, timeout=LOCAL_SECONDS, accept=accept)
    if completed.exit_code or len(completed.stdout) > _MOST_BYTES:
        raise _PassingError(completed)
    return completed


_blobs: dict[tuple[Path, str], bytes] = {}
_lock = Lock()


def known_blob(root: Path, oid: str) -> bytes | None:
    """The content of a blob of this clone that was kept; None if it must be read."""
    return _blobs.get((root, oid))


def keep_blobs(root: Path, blobs: Iterable[tuple[str, bytes]]) -> None:
    """Keep the newest of them that are small."""
    small = {oid: content for oid, content in blobs if len(content) <= _MOST_BYTES}
    with _lock:
        for oid in list(small)[-_MOST_BLOBS:]:
            _blobs[root, oid] = small[oid]
        while len(_blobs) > _MOST_BLOBS:
            del _blobs[next(iter(_blobs))]


def forget() -> None:
    """Let everything be asked anew."""
    _ask.cache_clear()
    with _lock:
        _blobs.clear()
