"""The branch that an apply works on if the configuration names none.

Nothing of one clone decides it: two clones must never work on two branches, each with a ledger of
its own. A clone remembers what the remote has said, and saves the question; but each fetch brings
the remote's HEAD along, and a claim counts only while that names the branch.
"""

from collections.abc import Sequence
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.command import NETWORK_SECONDS, run_git
from reconciler.git.objects import CommitId
from reconciler.git.remote import (
    ASK_FOR_BRANCH,
    BRANCHES,
    HEAD,
    HEADS,
    check_branch,
    fetch,
    fetch_refs,
    read_refs,
)


def default_branch(root: Path, remote: str) -> str:
    """Ask the remote for it, and remember its answer.

    Its own default; else its only branch; else whichever of `main` and `master` it has. Raises
    GitError if none of these says.
    """
    seen = read_refs(root, remote, [f"{HEADS}*"], timeout=NETWORK_SECONDS)
    if seen.default is not None:
        # Only to save a question next time: another process may hold the configuration's lock.
        run_git(root, "config", _setting(remote), seen.default, accept=None)
        return seen.default
    branches = [
        ref.removeprefix(HEADS)
        for ref in seen.tips
        if ref.startswith(HEADS) and not ref.startswith(f"{BRANCHES}/")
    ]
    usual = [branch for branch in branches if branch in {"main", "master"}]
    for candidates in (branches, usual):
        if len(candidates) == 1:
            return candidates[0]
    if not branches:
        raise GitError(
            f"{remote} has no branch yet",
            hint=f"Commit something, and push it: git push {remote} HEAD. Until then, plan and "
            "status take --offline.",
        )
    raise GitError(
        f"{remote} has {len(branches)} branches and does not say which is the main one",
        hint=ASK_FOR_BRANCH,
    )


def fetch_shared(
    root: Path, remote: str, branch: str | None, more: Sequence[str]
) -> tuple[str, dict[str, CommitId | None]]:
    """Fetch the branch, or (None) the default one, and those others: see `remote.fetch`.

    Gives the branch's name, and all tips.

    A branch that is remembered is believed while the remote's HEAD is at the same commit, for then
    either name brings the same. Raises GitError.
    """
    if branch is not None:
        return branch, fetch(root, remote, [branch, *more])
    refs = [check_branch(root, one) for one in more]
    known = _remembered(root, remote)
    if known is not None:
        ref = check_branch(root, known)
        tips = fetch_refs(root, remote, [HEAD, ref, *refs])
        if tips[HEAD] is not None and tips[HEAD] == tips[ref]:
            return known, _by_branch(tips)
    asked = default_branch(root, remote)
    tips = fetch_refs(root, remote, [check_branch(root, asked), *refs])
    return asked, _by_branch(tips)


def _by_branch(tips: dict[str, CommitId | None]) -> dict[str, CommitId | None]:
    return {ref.removeprefix(HEADS): tip for ref, tip in tips.items() if ref != HEAD}


def _setting(remote: str) -> str:
    return f"reconciler.{remote}.branch"


def _remembered(root: Path, remote: str) -> str | None:
    """What the remote said last; before that, what `git clone` heard."""
    told = run_git(root, "config", "--get", _setting(remote), accept=(0, 1)).text
    if told:
        return told
    beside = f"refs/remotes/{remote}/"
    heard = run_git(root, "symbolic-ref", "--quiet", f"{beside}HEAD", accept=(0, 1, 128)).text
    return heard.removeprefix(beside) if heard.startswith(beside) else None
