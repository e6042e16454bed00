"""The branch that an apply works on if the configuration names none.

Nothing in a single clone decides this, because two clones must never work on two branches, each
with a ledger of its own. Each fetch brings the remote's HEAD along and hears which branch it names.
A clone remembers that name, for fetches that do not hear it. A claim counts only while HEAD names
the branch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from reconciler.errors import GitError
from reconciler.git.command import NETWORK_SECONDS, run_git
from reconciler.git.gitconfig import read_value, set_value
from reconciler.git.kept_refs import BRANCHES, Traces
from reconciler.git.objects import CommitId
from reconciler.git.packets import listen_to_packets
from reconciler.git.remote import (
    ASK_FOR_BRANCH,
    HEAD,
    HEADS,
    FetchedRefs,
    check_branch,
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


def ask_default_branch(root: Path, remote: str) -> str:
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


class FetchedBranch(Struct, frozen=True, kw_only=True):
    """The shared branch, and what this clone has since it was fetched."""

    name: str
    tips: Mapping[str, CommitId | None]  # by branch; None: the remote has no such branch
    traces: Traces


def fetch_shared(root: Path, remote: str, branch: str | None, more: Sequence[str]) -> FetchedBranch:
    """Fetch the branch (None: the default one) and the branches in `more`: see `remote.fetch`.

    Raises GitError.
    """
    refs = [check_branch(root, one) for one in more]
    if branch is not None:
        return _fetch_named(root, remote, branch, refs)
    found = _fetch_default(root, remote, refs)
    if found is not None:
        return found
    return _fetch_named(root, remote, ask_default_branch(root, remote), refs)


def _fetch_named(root: Path, remote: str, branch: str, refs: Sequence[str]) -> FetchedBranch:
    return _build_fetched_branch(
        branch, fetch_refs(root, remote, [check_branch(root, branch), *refs])
    )


def _fetch_default(root: Path, remote: str, refs: Sequence[str]) -> FetchedBranch | None:
    """Fetch the remote's HEAD and hear which branch it names; None if the remote must be asked.

    If nothing is heard, the remembered branch is believed while HEAD is at the same commit, for
    then either name brings the same.
    """
    known = read_remembered_branch(root, remote)
    known_ref = [] if known is None else [check_branch(root, known)]
    with listen_to_packets() as packets:
        fetched = fetch_refs(root, remote, [HEAD, *known_ref, *refs], packets)
        told = packets.default()
    tip = fetched.tips[HEAD]
    if tip is None:
        return None
    if told is not None and told != known:
        if not may_be_branch(root, told) or not note_branch(root, remote, told, tip):
            return None
        _remember(root, remote, told)
        return _build_fetched_branch(told, fetched, tip)
    if known is None or tip != fetched.tips[f"{HEADS}{known}"]:
        return None
    return _build_fetched_branch(known, fetched)


def _build_fetched_branch(
    branch: str, fetched: FetchedRefs, tip: CommitId | None = None
) -> FetchedBranch:
    tips = {ref.removeprefix(HEADS): one for ref, one in fetched.tips.items() if ref != HEAD}
    if tip is not None:
        tips[branch] = tip
    return FetchedBranch(name=branch, tips=tips, traces=fetched.traces)


def _remember(root: Path, remote: str, branch: str) -> None:
    # This may fail (another process may lock the configuration): it only saves a later question.
    set_value(root, _setting(remote), branch)


def _setting(remote: str) -> str:
    return f"reconciler.{remote}.branch"


def read_remembered_branch(root: Path, remote: str) -> str | None:
    """The branch that the remote named last; before that, the one that `git clone` heard."""
    told = read_value(root, _setting(remote))
    if told:
        return told
    beside = f"refs/remotes/{remote}/"
    heard = run_git(root, "symbolic-ref", "--quiet", f"{beside}HEAD", accept=(0, 1, 128)).text
    return heard.removeprefix(beside) if heard.startswith(beside) else None
