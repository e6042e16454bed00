"""What a remote holds, its branches and the traces of ledgers, and how they are fetched."""

import random
import re
import time
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

from msgspec import Struct

from reconciler.errors import GitError
from reconciler.git.command import NETWORK_SECONDS, CompletedGit, run_git
from reconciler.git.kept_refs import (
    BRANCHES,
    MEMORY,
    THERE,
    Traces,
    list_refs,
    refspecs,
    trace_refs,
    traces_among,
)
from reconciler.git.objects import CommitId, is_shallow, note_history
from reconciler.git.packets import UNHEARD, Packets
from reconciler.git.retrying import FETCH, ask, unreadable_error

_ATTEMPTS = 12  # to fetch while another process of this clone holds a lock on a ref
_LONGEST_WAIT = 0.5  # seconds, between two attempts

HEADS = "refs/heads/"
HEAD = "HEAD"  # of the remote
_NAMES = f"ref: {HEADS}"
_LOCKED = (
    r"(?i)\.lock': file exists|is at [0-9a-f]+ but expected|reference already exists"
    r"|unable to resolve reference"
)
# A ref `a` that an earlier fetch left behind blocks `a/b`, and the other way round.
_IN_THE_WAY = r"'(refs/reconciler/[^']+)' exists; cannot create"
_CUT_OFF = "shallow roots are not allowed to be updated"  # git skips the ref, and exits with 0
# A name that certainly breaks no rule of git-check-ref-format(1), so that git need not be asked.
_PLAIN = r"[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*"
_MISSING = r"(?i)couldn't find remote ref (HEAD|refs/heads/.+)"
ASK_FOR_BRANCH = "name the branch in reconciler.yaml: `git: {branch: NAME}`"


class Others(Struct, frozen=True, kw_only=True):
    """The traces of all ledgers but one, as the remote kept them when they were last fetched."""

    own: str  # the name of that one ledger's traces
    kept: Mapping[str, str]  # the other traces' objects, by their refs on the remote

    @classmethod
    def from_traces(cls, own: str, kept: Mapping[str, str]) -> Self:
        """The traces that have another name than `own`."""
        return cls(own=own, kept={ref: oid for ref, oid in kept.items() if _name_of(ref) != own})

    def have_moved(self, tips: Mapping[str, str]) -> bool:
        """Whether `tips`, the remote's refs now, show a trace that is new or has moved."""
        return any(
            self.kept.get(ref) != tip
            for ref, tip in tips.items()
            # Beside a tag, ls-remote shows what the tag points to, as NAME^{}.
            if _name_of(ref) not in {None, self.own} and not ref.endswith("^{}")
        )


def _name_of(ref: str) -> str | None:
    """The name of the trace that the ref holds; None for any other ref."""
    folder, _, name = ref.rpartition("/")
    return name if folder in {THERE, BRANCHES} else None


class SeenRefs(Struct, frozen=True, kw_only=True):
    """What one reading of a remote showed."""

    tips: Mapping[str, CommitId]  # of the refs that exist, by their full names
    default: str | None  # the branch that the remote's HEAD names; None if it does not say


def read_refs(root: Path, remote: str, refs: Collection[str], *, timeout: float) -> SeenRefs:
    """The refs' tips at the address that is fetched. Raises GitError if it cannot be read.

    `refs` are full names, or patterns of them as `git ls-remote` takes them.
    """
    options = ("ls-remote", "--symref", "--", remote, HEAD, *refs)
    done = ask(root, *options, timeout=timeout)
    if done.exit_code:
        raise unreadable_error(remote, done)
    lines = [line.partition("\t") for line in done.text.split("\n")]
    named = (value for value, _, name in lines if name == HEAD and value.startswith(_NAMES))
    return SeenRefs(
        tips={name: CommitId(tip) for tip, _, name in lines if name and " " not in tip},
        default=next((value.removeprefix(_NAMES) for value in named), None),
    )


def bring(root: Path, remote: str, ref: str, *, timeout: float) -> None:
    """Fetch what the ref holds without moving any ref here. Raises GitError."""
    done = ask(root, *FETCH, "--", remote, ref, timeout=timeout)
    if done.exit_code:
        raise unreadable_error(remote, done)


def may_be_branch(root: Path, name: str) -> bool:
    """Whether git allows that name for a branch."""
    if re.fullmatch(_PLAIN, name):
        return True
    if "\0" in name:  # no command can be given such a name
        return False
    return _is_well_formed(root, f"{HEADS}{name}")


@lru_cache  # the answer depends on the name alone
def _is_well_formed(root: Path, ref: str) -> bool:
    return not run_git(root, "check-ref-format", ref, accept=(0, 1)).exit_code


def check_branch(root: Path, branch: str) -> str:
    """The branch's full ref name. Raises GitError if git would not allow the name."""
    if not may_be_branch(root, branch):
        raise GitError(f"{branch!r} cannot be the name of a branch", hint=ASK_FOR_BRANCH)
    return f"{HEADS}{branch}"


def fetch(root: Path, remote: str, branches: Sequence[str]) -> dict[str, CommitId | None]:
    """Fetch the branches' tips and return their commits; None for a branch that does not exist.

    They land in `refs/reconciler/<remote>/<branch>`, and the remote's traces below FETCHED. None of
    the user's refs is touched, nor is FETCH_HEAD. A shallow or partial clone stays one. Raises
    GitError if the remote cannot be read.
    """
    refs = {branch: check_branch(root, branch) for branch in branches}
    tips = fetch_refs(root, remote, refs.values()).tips
    return {branch: tips[ref] for branch, ref in refs.items()}


class FetchedRefs(Struct, frozen=True, kw_only=True):
    """What this clone has once some refs have been fetched."""

    tips: Mapping[str, CommitId | None]  # of these refs; None: the remote has no such ref
    traces: Traces


def fetch_refs(
    root: Path, remote: str, refs: Collection[str], packets: Packets = UNHEARD
) -> FetchedRefs:
    """As `fetch`, for branches by their full names, and for the remote's HEAD.

    `packets` records what the remote says meanwhile.
    """
    _fetch_traces_alone(root, remote)
    wanted = list(dict.fromkeys(refs))
    while wanted and (absent := _fetch_or_absent(root, remote, wanted, packets)) is not None:
        wanted.remove(absent)
        # A ref `a` that an earlier fetch left behind would block `a/b`.
        run_git(root, "update-ref", "-d", _local_ref(remote, absent))
    here = [_local_ref(remote, ref) for ref in wanted]
    listed = list_refs(root, *here, *trace_refs(remote))
    commits = {one.name: CommitId(one.oid) for one in listed if one.kind == "commit"}
    if not all(ref in commits for ref in here):
        commits = dict(zip(here, _read_tips(root, here), strict=True))
    tips = {ref: commits[_local_ref(remote, ref)] for ref in wanted}
    return FetchedRefs(
        tips={ref: tips.get(ref) for ref in refs}, traces=traces_among(remote, listed)
    )


def _fetch_traces_alone(root: Path, remote: str) -> None:
    """In a shallow clone that has fetched nothing yet, fetch only the newest commit of each trace.

    Nobody looks at older ones, and a trace grows with every apply that writes. If the branch were
    fetched in the same command, its history would be cut off too; a whole clone would become a
    shallow one. If this fetch fails, the one that follows says why, or brings the whole traces.
    """
    if not is_shallow(root):
        return
    if not run_git(root, "for-each-ref", "--count=1", _local_ref(remote, HEADS)).text:
        newest = (*FETCH, "--depth=1", "--", remote, *refspecs(remote))
        ask(root, *newest, timeout=NETWORK_SECONDS)


def note_branch(root: Path, remote: str, branch: str, tip: CommitId) -> bool:
    """Set the branch's ref here as if it had been fetched by name; False if git refuses."""
    ref = _local_ref(remote, f"{HEADS}{branch}")
    return not run_git(root, "update-ref", ref, tip, accept=None).exit_code


def _local_ref(remote: str, ref: str) -> str:
    if ref == HEAD:
        return f"{MEMORY}/head/{remote}"
    return f"refs/reconciler/{remote}/{ref.removeprefix(HEADS)}"


def _read_tips(root: Path, refs: Sequence[str]) -> list[CommitId]:
    """The commits that the refs lead to, even if one holds no commit itself, or is gone again."""
    specs = [f"{ref}^{{commit}}" for ref in refs]
    return [CommitId(line) for line in run_git(root, "rev-parse", *specs).text.split()]


def _fetch_or_absent(root: Path, remote: str, refs: Sequence[str], packets: Packets) -> str | None:
    """Fetch all the refs, or return the first one that the remote does not have.

    Git fetches nothing at all if one ref is missing. Trying first costs a single connection in the
    usual case; asking first which refs exist would always cost a second one.
    """
    specs = [f"+{ref}:{_local_ref(remote, ref)}" for ref in refs]
    specs.extend(refspecs(remote))
    for attempt in range(1, _ATTEMPTS + 1):
        done = _fetch(root, remote, specs, packets)
        if done.exit_code == 0:
            return None
        absent = re.search(_MISSING, done.stderr)
        if absent is not None and absent[1] in refs:
            return absent[1]
        in_the_way = re.findall(_IN_THE_WAY, done.stderr)
        for ref in in_the_way:
            run_git(root, "update-ref", "-d", ref)
        if not (in_the_way or re.search(_LOCKED, done.stderr)) or attempt == _ATTEMPTS:
            break
        # Nothing says when another process releases its lock, which it holds for milliseconds.
        time.sleep(random.uniform(0, _LONGEST_WAIT))  # noqa: S311 - spreads rivals, guards nothing
    raise unreadable_error(remote, done)


def _fetch(root: Path, remote: str, specs: Sequence[str], packets: Packets) -> CompletedGit:
    """Fetch, whatever the exit code. Raises GitError if that would cut off a whole history here.

    A remote that is itself shallow has commits without their parents. Fetching these ends the
    history of this clone there as well, which only a clone that is shallow already may allow.
    """
    heard = partial(ask, root, timeout=NETWORK_SECONDS, variables=packets.variables)
    for _ in range(2):  # the second can take what the first has brought, if the parents are here
        done = heard(*FETCH, "--", remote, *specs)
        if _CUT_OFF not in done.stderr:
            return done
    note_history(root, is_whole=False)  # a person may have cut it off since the command began
    if not is_shallow(root):
        raise GitError(
            f"{remote} is a shallow repository: its history ends where that of this clone goes on",
            hint="Let it hold the whole history (git fetch --unshallow there), or let the history "
            f"of this clone end there too: git fetch --update-shallow {remote}",
        )
    return heard(*FETCH, "--update-shallow", "--", remote, *specs)
