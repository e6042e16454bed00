"""The branch that an apply works on if the configuration names none.

Nothing in a single clone decides this, for two clones must never work on two branches, each with a
ledger of its own. Each fetch brings the remote's HEAD along and hears which branch it names. A
clone remembers that name, for fetches that do not hear it. A claim counts only while HEAD names the
branch.
"""

from collections.abc import Sequence
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.command import NETWORK_SECONDS, run_git
from reconciler.git.gitconfig import set_value, value
from reconciler.git.objects import CommitId
from reconciler.git.packets import listening
from reconciler.git.remote import (
    ASK_FOR_BRANCH,
    BRANCHES,
    HEAD,
    HEADS,
    check_branch,
    fetch,
    fetch_refs,
    may_be_branch,
    note_branch,
    read_refs,
)


class NoBranchError(GitError):
    """The remote has no branch: nobody has pushed to it yet."""

    def __init__(self, remote: str) -> None:
        super().__init__(
            f"{remote} has no branch yet",
            hint=f"Commit something, and push it: git push {remote} HEAD. Until then, plan and "
            "status take --offline.",
        )


def default_branch(root: Path, remote: str) -> str:
    """Ask the remote for its default branch, and remember it if the remote's HEAD names it.

    If HEAD names none: the only branch, or else whichever of `main` and `master` the remote has.
    Raises GitError if that decides nothing.
    """
    seen = read_refs(root, remote, [f"{HEADS}*"], timeout=NETWORK_SECONDS)
    if seen.default is not None:
        _remember(root, remote, seen.default)
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
        raise NoBranchError(remote)
    raise GitError(
        f"{remote} has {len(branches)} branches and does not say which is the main one",
        hint=ASK_FOR_BRANCH,
    )


def fetch_shared(
    root: Path, remote: str, branch: str | None, more: Sequence[str]
) -> tuple[str, dict[str, CommitId | None]]:
    """Fetch the branch (None: the default one) and the branches in `more`: see `remote.fetch`.

    Returns the branch's name, and all tips. Raises GitError.
    """
    if branch is not None:
        return branch, fetch(root, remote, [branch, *more])
    refs = [check_branch(root, one) for one in more]
    found = _fetch_default(root, remote, refs)
    if found is not None:
        return found
    asked = default_branch(root, remote)
    tips = fetch_refs(root, remote, [check_branch(root, asked), *refs])
    return asked, _by_branch(tips)


def _fetch_default(
    root: Path, remote: str, refs: Sequence[str]
) -> tuple[str, dict[str, CommitId | None]] | None:
    """Fetch the remote's HEAD and hear which branch it names; None if the remote must be asked.

    If nothing is heard, the remembered branch is believed while HEAD is at the same commit, for
    then either name brings the same.
    """
    known = remembered_branch(root, remote)
    known_ref = [] if known is None else [check_branch(root, known)]
    with listening() as packets:
        tips = fetch_refs(root, remote, [HEAD, *known_ref, *refs], packets)
        told = packets.default()
    tip = tips[HEAD]
    if tip is None:
        return None
    if told is not None and told != known:
        if not may_be_branch(root, told) or not note_branch(root, remote, told, tip):
            return None
        _remember(root, remote, told)
        return told, {**_by_branch(tips), told: tip}
    if known is None or tip != tips[f"{HEADS}{known}"]:
        return None
    return known, _by_branch(tips)


def _remember(root: Path, remote: str, branch: str) -> None:
    # This may fail (another process may lock the configuration): it only saves a later question.
    set_value(root, _setting(remote), branch)


def _by_branch(tips: dict[str, CommitId | None]) -> dict[str, CommitId | None]:
    return {ref.removeprefix(HEADS): tip for ref, tip in tips.items() if ref != HEAD}


def _setting(remote: str) -> str:
    return f"reconciler.{remote}.branch"


def remembered_branch(root: Path, remote: str) -> str | None:
    """The branch that the remote named last; before that, the one that `git clone` heard."""
    told = value(root, _setting(remote))
    if told:
        return told
    beside = f"refs/remotes/{remote}/"
    heard = run_git(root, "symbolic-ref", "--quiet", f"{beside}HEAD", accept=(0, 1, 128)).text
    return heard.removeprefix(beside) if heard.startswith(beside) else None
