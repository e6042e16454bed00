"""What kind of git and of clone this is, and whether a push would be let in. Changes nothing."""

import re
from pathlib import Path

from msgspec import Struct

from reconciler.git.command import run_git
from reconciler.git.objects import CommitId, is_shallow
from reconciler.git.sending import Move, PushAnswer, send

OLDEST = (2, 34)  # older versions of git lack options that are used here
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_STAMP = re.compile(r" \d+ [+-]\d{4}$")  # the time in `git var GIT_COMMITTER_IDENT`, which is now


class CloneKind(Struct, frozen=True, kw_only=True):
    """What a clone lacks."""

    shallow: bool  # its history ends after some commits
    partial: bool  # objects are fetched when they are needed
    sparse: bool  # not every file is checked out


def read_version(folder: Path) -> tuple[str, bool]:
    """Git's version, and whether it is new enough. Raises GitError if there is no git."""
    said = run_git(folder, "--version").text
    found = _VERSION.search(said)
    if found is None:
        return said, True
    numbers = tuple(int(part) for part in found[0].split(".")[:2])
    return found[0], numbers >= OLDEST


def read_identity(root: Path) -> str:
    """The identity that commits will have: `NAME <ADDRESS>`. Raises GitError if git knows none."""
    run_git(root, "var", "GIT_AUTHOR_IDENT")
    return _STAMP.sub("", run_git(root, "var", "GIT_COMMITTER_IDENT").text)


def read_clone_kind(root: Path) -> CloneKind:
    """What kind of clone it is. Raises GitError."""
    filters = run_git(
        root,
        "config",
        "--get-regexp",
        r"^remote\..*\.(promisor|partialclonefilter)$",
        accept=(0, 1),
    )
    sparse = run_git(root, "config", "--get", "--bool", "core.sparseCheckout", accept=(0, 1, 128))
    return CloneKind(
        shallow=is_shallow(root), partial=bool(filters.text), sparse=sparse.text == "true"
    )


def rehearse(
    root: Path,
    remote: str,
    ref: str,
    commit: CommitId,
    expected: CommitId | None,
    *,
    timeout: float,
) -> PushAnswer:
    """What `git push --dry-run` of that move hears: nothing is sent and nothing moves there.

    This tests only who may connect for a push; no hook or rule of the server runs. Raises GitError.
    """
    move = Move(ref=ref, commit=commit, expected=expected)
    return send(root, remote, [move], timeout=timeout, dry_run=True)


def find_last_push(root: Path, commit: CommitId, trailer: str) -> str | None:
    """When the newest commit with the trailer was made (ISO 8601), as far as the history goes."""
    found = run_git(
        root,
        *("-c", "grep.patternType=basic", "-c", "log.showSignature=false"),
        *("log", "-1", "--format=%cI", f"--grep=^{trailer}: ", commit, "--"),
    ).text
    return found or None
