"""What a remote holds: its branches, and bringing them here."""

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.command import NETWORK_SECONDS, run_git
from reconciler.git.objects import CommitId
from reconciler.git.traces import BRANCHES, refspecs
from reconciler.git.words import advice, without_credentials

_ATTEMPTS = 12  # at a ref that another process of this clone holds locked
_LONGEST_WAIT = 0.5  # seconds, between two attempts

_HEADS = "refs/heads/"
_LOCKED = re.compile(
    r"\.lock': file exists|is at [0-9a-f]+ but expected|reference already exists"
    r"|unable to resolve reference",
    re.IGNORECASE,
)
_MISSING = re.compile(r"couldn't find remote ref refs/heads/(.+)", re.IGNORECASE)
_ASK_FOR_BRANCH = "name the branch in reconciler.yaml: `git: {branch: NAME}`"


def has_remote(root: Path, remote: str) -> bool:
    """Whether the clone knows a remote of that name."""
    return remote in run_git(root, "remote").text.split("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a remote is fetched from and where it is pushed to, without credentials."""

    name: str  # of the remote
    fetched: str
    pushed: str
    setting: str  # the one that makes them differ, if they do

    @property
    def differ(self) -> bool:
        """Whether they are written differently; it may be one repository all the same."""
        return self.fetched != self.pushed

    @property
    def difference(self) -> str:
        """What to say of it."""
        return (
            f"{self.name} pushes to {self.pushed} ({self.setting}), but is fetched from "
            f"{self.fetched}, and only what is there counts"
        )

    @property
    def hint(self) -> str:
        """What to do about it."""
        return f"let both be the same repository: look at git config --get-regexp '{self.setting}'"


def addresses(root: Path, remote: str) -> Addresses:
    """The remote's addresses. Raises GitError where there is none, or it pushes to several."""
    pushed = run_git(root, "remote", "get-url", "--push", "--all", remote).text.split("\n")
    if len(pushed) > 1:
        raise GitError(
            f"{remote} pushes to {len(pushed)} repositories, so no push to it can be a claim",
            hint=f"keep one of: git config --get-all remote.{remote}.pushurl",
        )
    fetched = run_git(root, "remote", "get-url", remote).text
    name = f"remote.{remote}.pushurl"
    is_named = pushed != [fetched] and run_git(root, "config", "--get", name, accept=(0, 1)).text
    return Addresses(
        name=remote,
        fetched=without_credentials(fetched),
        pushed=without_credentials(pushed[0]),
        setting=name if is_named else "url.*.pushInsteadOf",
    )


def remote_tip(root: Path, remote: str, ref: str, *, timeout: float) -> CommitId | None:
    """Where the ref stands at the address that is fetched; None if it is not there.

    `ref` is a full name. Raises GitError if the remote cannot be read.
    """
    listing = run_git(root, "ls-remote", "--", remote, ref, timeout=timeout)
    lines = (line.partition("\t") for line in listing.text.split("\n"))
    return next((CommitId(tip) for tip, _, name in lines if name == ref), None)


def bring(root: Path, remote: str, ref: str, *, timeout: float) -> None:
    """Fetch what the ref holds without moving any ref here. Raises GitError."""
    run_git(root, *FETCH, "--", remote, ref, timeout=timeout)


def default_branch(root: Path, remote: str) -> str:
    """The branch that an apply works on if the configuration names none.

    The remote's own default; else its only branch; else whichever of `main` and `master` it has.
    Nothing of this clone counts: two clones must never work on two branches, each with a ledger
    of its own. Raises GitError if none of these says.
    """
    default, branches = _advertised(root, remote)
    if default is not None:
        return default
    usual = [branch for branch in branches if branch in {"main", "master"}]
    for candidates in (branches, usual):
        if len(candidates) == 1:
            return candidates[0]
    if not branches:
        raise GitError(f"{remote} has no branch yet", hint=f"push one: git push {remote} HEAD")
    raise GitError(
        f"{remote} has {len(branches)} branches and does not say which is the main one",
        hint=_ASK_FOR_BRANCH,
    )


def _advertised(root: Path, remote: str) -> tuple[str | None, list[str]]:
    """The remote's default branch, if it says, and all its branches."""
    listing = run_git(
        root,
        *("ls-remote", "--symref", "--", remote, "HEAD", f"{_HEADS}*"),
        timeout=NETWORK_SECONDS,
    )
    default = None
    branches = []
    for line in listing.text.split("\n"):
        value, _, name = line.partition("\t")
        if name == "HEAD" and value.startswith(f"ref: {_HEADS}"):
            default = value.removeprefix(f"ref: {_HEADS}")
        elif name.startswith(_HEADS) and not name.startswith(f"{BRANCHES}/"):
            branches.append(name.removeprefix(_HEADS))
    return default, branches


def check_branch(root: Path, branch: str) -> str:
    """The branch's full ref name. Raises GitError if git would not allow the name."""
    ref = f"{_HEADS}{branch}"
    if run_git(root, "check-ref-format", ref, accept=(0, 1)).exit_code:
        raise GitError(f"{branch!r} cannot be the name of a branch", hint=_ASK_FOR_BRANCH)
    return ref


def fetch(root: Path, remote: str, branches: Sequence[str]) -> dict[str, CommitId | None]:
    """Bring the branches' tips here and say which commits they are; None for one that is not there.

    They land in `refs/reconciler/<remote>/<branch>`, and no other ref, nor FETCH_HEAD, is touched.
    A shallow or partial clone stays one. Raises GitError if the remote cannot be read.
    """
    refs = {branch: check_branch(root, branch) for branch in branches}
    missing: set[str] = set()
    while wanted := {branch: ref for branch, ref in refs.items() if branch not in missing}:
        absent = _fetch_or_absent(root, remote, wanted)
        if absent is None:
            break
        missing.add(absent)
        _forget(root, remote, absent)
    return {
        branch: None if branch in missing else _tip(root, remote, branch) for branch in branches
    }


def _local_ref(remote: str, branch: str) -> str:
    return f"refs/reconciler/{remote}/{branch}"


def _tip(root: Path, remote: str, branch: str) -> CommitId:
    ref = _local_ref(remote, branch)
    return CommitId(run_git(root, "rev-parse", "--verify", f"{ref}^{{commit}}").text)


def _forget(root: Path, remote: str, branch: str) -> None:
    """Drop what an earlier fetch left of a branch, or `a` would stand in the way of `a/b`."""
    run_git(root, "update-ref", "-d", _local_ref(remote, branch))


def _fetch_or_absent(root: Path, remote: str, refs: dict[str, str]) -> str | None:
    """Fetch all the branches, or name the first one that the remote does not have.

    Git fetches nothing at all if one is missing. To try first costs a single connection in the
    usual case, where asking what is there would always cost a second one.
    """
    specs = [f"+{ref}:{_local_ref(remote, branch)}" for branch, ref in refs.items()]
    specs.extend(refspecs(remote))
    for attempt in range(1, _ATTEMPTS + 1):
        done = run_git(root, *FETCH, "--", remote, *specs, timeout=NETWORK_SECONDS, accept=None)
        if done.exit_code == 0:
            return None
        absent = _MISSING.search(done.stderr)
        if absent is not None and absent[1] in refs:
            return absent[1]
        if not _LOCKED.search(done.stderr) or attempt == _ATTEMPTS:
            break
        # Nothing tells when another process lets go of a lock, which takes it milliseconds.
        time.sleep(random.uniform(0, _LONGEST_WAIT))  # noqa: S311 - spreads rivals, guards nothing
    said = done.stderr.removeprefix("fatal: ")
    raise GitError(f"{remote} could not be read: {said}", hint=advice(done.stderr))


FETCH = (
    "fetch",
    "--quiet",
    "--refmap=",  # leaves the user's remote-tracking branches as they are
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
)
