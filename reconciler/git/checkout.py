"""The user's own checkout: where it stands, and moving it forward where that is safe."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from reconciler.git.command import run_git
from reconciler.git.objects import CommitId, ObjectId, TreeEntry, is_ancestor

_LEFT_OUT = "S "  # git-ls-files(1): skip-worktree


@dataclass(frozen=True, slots=True)
class FastForwarded:
    """The checkout now shows the commit."""


@dataclass(frozen=True, slots=True)
class AlreadyThere:
    """The checkout holds the commit already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSafe:
    """The checkout was left alone."""

    reason: str


CheckoutResult = FastForwarded | AlreadyThere | NotSafe


def fast_forward_checkout(root: Path, branch: str, commit: CommitId) -> CheckoutResult:
    """Bring the checked out branch, with its files, to the commit, if nothing can be lost by it.

    Raises GitError only if git cannot tell where the checkout stands, or takes too long.
    """
    current = run_git(root, "symbolic-ref", "-q", "HEAD", accept=(0, 1)).text
    if not current:
        return NotSafe(reason="no branch is checked out (detached HEAD)")
    if current != f"refs/heads/{branch}":
        return NotSafe(reason=f"{current.removeprefix('refs/heads/')} is checked out")
    head = working_tree_commit(root)
    if head is None:
        return NotSafe(reason=f"{branch} has no commit here yet")
    if is_ancestor(root, commit, head):
        return AlreadyThere()
    if not is_ancestor(root, head, commit):
        return NotSafe(reason=f"{branch} has commits here that the remote does not have")
    return _merge(root, commit)


def _merge(root: Path, commit: CommitId) -> CheckoutResult:
    done = run_git(
        root,
        # The options after --ff-only undo what the user may have set for merges of their own.
        *("merge", "--ff-only", "--no-autostash", "--no-squash", "--no-stat", "--quiet", commit),
        accept=None,
    )
    if done.exit_code == 0:
        return FastForwarded()
    reason = done.stderr.removeprefix("fatal: ").removeprefix("error: ")
    return NotSafe(reason=reason or f"git merge ended with exit code {done.exit_code}")


def working_tree_commit(root: Path) -> CommitId | None:
    """The commit that is checked out; None before the first one."""
    found = run_git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", accept=(0, 1)).text
    return CommitId(found) if found else None


def differing(root: Path, commit: CommitId, *folders: str) -> list[str]:
    """The files at or below these that the working tree has otherwise than the commit, or alone.

    New files count unless git ignores them.
    """
    literal = (*without_filters(root), "--literal-pathspecs")
    plainly = ("--name-only", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
    changed = run_git(root, *literal, "diff", *plainly, "-z", commit, "--", *folders)
    new = run_git(
        root, *literal, "ls-files", "--others", "--exclude-standard", "-z", "--", *folders
    )
    names = (changed.stdout + new.stdout).decode("utf-8", "surrogateescape").split("\0")
    return sorted({name for name in names if name})


def left_out(root: Path, *pathspecs: str) -> list[TreeEntry]:
    """What the index holds under these, and a sparse checkout has left out of the working tree."""
    listing = run_git(root, "ls-files", "-t", "--stage", "-z", "--", *pathspecs).stdout
    found = []
    for line in listing.decode("utf-8", "surrogateescape").split("\0"):
        marks, _, path = line.partition("\t")
        if marks.startswith(_LEFT_OUT) and not os.path.lexists(root / path):
            _, mode, oid, *_ = marks.split(" ")
            found.append(TreeEntry(mode=mode, oid=ObjectId(oid), path=path))
    return found


def is_dirty(root: Path, paths: Collection[str]) -> bool:
    """Whether anything at or under the paths differs from the checked out commit.

    New files count unless git ignores them; submodules do not. Without paths it is about all.
    """
    changed = run_git(
        root,
        *without_filters(root),
        *("--no-optional-locks", "--literal-pathspecs", "status", "--porcelain", "-z"),
        *("--untracked-files=all", "--ignore-submodules=all", "--"),
        *(path or "." for path in paths),
    )
    return bool(changed.stdout)


def without_filters(root: Path) -> list[str]:
    """Options with which git compares files as they are.

    A filter is a program; which files go through it `.gitattributes` says, and the program may
    well be a file of the checkout.
    """
    listing = run_git(
        root, *("config", "--name-only", "-z", "--get-regexp", r"^filter\."), accept=(0, 1)
    ).text
    names = {name.rpartition(".")[0] for name in listing.split("\0") if name.count(".") > 1}
    off = ("clean=", "smudge=", "process=", "required=false")
    return [word for name in sorted(names) for one in off for word in ("-c", f"{name}.{one}")]
