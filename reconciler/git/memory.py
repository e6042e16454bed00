"""What this clone remembers of a folder, and what the history says was last written there."""

from pathlib import Path

from reconciler.git.command import run_git
from reconciler.git.objects import CommitId, ObjectId

_REFS = "refs/reconciler/ledger"


def remember(root: Path, name: str, commit: CommitId, folder: str) -> None:
    """Keep the folder, as the commit has it, in a ref of this clone.

    Another process that does the same at this moment wins: either is something to remember.
    """
    spec = f"{commit}:{folder}"
    run_git(root, "update-ref", f"{_REFS}/{name}", spec, accept=(0, 1, 128))


def remembered(root: Path, name: str) -> ObjectId | None:
    """The tree that was last remembered under the name."""
    ref = f"{_REFS}/{name}^{{tree}}"
    found = run_git(root, "rev-parse", "--verify", "--quiet", ref, accept=(0, 1)).text
    return ObjectId(found) if found else None


def last_written(root: Path, commit: CommitId, folder: str, trailer: str) -> ObjectId | None:
    """The folder's tree in the newest commit, up to this one, that changed it under the trailer.

    On any line of history, for a merge can have taken the other side. None if there is no such
    commit, or a shallow clone does not reach it.
    """
    found = run_git(
        root,
        *("--literal-pathspecs", "log", "-1", "--full-history", "--format=%H"),
        *(f"--grep=^{trailer}: ", commit, "--", folder),
    ).text
    if not found:
        return None
    spec = f"{found}:{folder}"
    tree = run_git(root, "rev-parse", "--verify", "--quiet", spec, accept=(0, 1)).text
    return ObjectId(tree) if tree else None
