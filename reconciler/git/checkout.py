"""The user's own checkout: found, compared with its base, and moved where that is safe.

Finding the repository that a folder lies in: nothing in a checkout may pass for a repository. Git
takes a folder with `HEAD`, `objects/` and `refs/` for a bare repository and obeys its `config`,
which may name programs to run. A checkout can bring such a folder along, but it cannot bring a
`.git`, because git writes no path of that name. So only a `.git` counts here. Git is run at the
top, where it finds that `.git`, and is told not to look for any other repository.

Comparing with the base: revisions by any name, and where two histories part. A pipeline's clone
often ends after one commit. Missing history is fetched, a little more each time, and only when it
is asked for.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from reconciler.errors import GitError
from reconciler.git.command import NETWORK_SECONDS, names_repository, run_git
from reconciler.git.gitconfig import read_variables
from reconciler.git.lasting import ask_once
from reconciler.git.objects import CommitId, is_ancestor, is_shallow, note_history

_BROUGHT = "refs/reconciler-base/last"
_DEEPER = ("--deepen=50", "--deepen=500", "--unshallow")  # each more than the one before

_HEAD = "HEAD"
_OBJECT = re.compile("[0-9a-f]{40,}")


def find_checkout(folder: Path) -> tuple[Path, str, Path]:
    """The top of the working tree that the folder lies in, the folder in it, and git's own folder.

    The folder is relative to the top, and is "" or ends in a slash. Raises GitError if there is no
    repository, it is bare, git distrusts its owner, git is missing, or a file of the checkout is
    part of git's configuration.
    """
    here = Path(os.path.realpath(folder))
    start = here if names_repository(here) else _find_git_folder(here, folder)
    wanted = ("--is-inside-work-tree", "--is-shallow-repository", "--show-cdup")
    asked = run_git(start, "rev-parse", *wanted, "--absolute-git-dir")
    inside, shallow, up, gits = (*asked.text.split("\n", 3), "", "", "")[:4]
    if inside != "true" or here.is_relative_to(gits):
        raise GitError(
            f"{folder} is not in a working tree: the repository is bare, or this is its inside",
            hint="run it in a clone that has its files checked out",
        )
    depth = up.count("../")
    root = start.parents[depth - 1] if depth else start
    note_history(root, is_whole=shallow == "false")
    _check_configuration(root, Path(gits))
    inner = here.relative_to(root).as_posix()
    return root, "" if inner == "." else f"{inner}/", Path(gits)


def _find_git_folder(here: Path, folder: Path) -> Path:
    """The nearest folder, from here upwards, that has a `.git`. Raises GitError if none has."""
    found = next((one for one in _candidate_folders(here) if os.path.lexists(one / ".git")), None)
    if found is not None:
        return found
    if not here.is_dir():
        raise GitError(f"{folder} is not a folder")
    raise GitError(  # git is not asked: it might take the folder itself for a repository
        f"{folder} is not in a working tree: this is not a git repository, or it is a bare one",
        hint="run it inside a clone, or name one with --repo",
    )


def _candidate_folders(here: Path) -> Iterator[Path]:
    """The folders where git would look: it stops at a mount, and at GIT_CEILING_DIRECTORIES."""
    told = os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
    ceilings = {os.path.realpath(one) for one in told if Path(one).is_absolute()}
    across = os.environ.get("GIT_DISCOVERY_ACROSS_FILESYSTEM", "").lower() in {"1", "true", "yes"}
    device = os.stat(here).st_dev if here.is_dir() else None  # noqa: PTH116 - beside os.path, for bytes
    for one in (here, *here.parents):
        if one != here and str(one) in ceilings:
            return
        if not across and one.is_dir() and os.stat(one).st_dev != device:  # noqa: PTH116 - the same
            return
        yield one


def _check_configuration(root: Path, gits: Path) -> None:
    """Raise GitError if the clone's configuration includes a file that the checkout brings.

    After `git config include.path ../.gitconfig`, whoever writes that file can name programs.
    """
    files = {one.file for one in read_variables(root) if one.is_of_clone and one.file}
    for name in sorted(files):
        file = Path(os.path.realpath(root / name))
        if file.is_relative_to(root) and not file.is_relative_to(gits):
            shown = file.relative_to(root).as_posix()
            raise GitError(
                f"git's configuration of this clone includes {shown}, a file of the checkout: "
                "whoever changes that file could have git run programs",
                hint="see `git config --local --list --show-origin`, and take the include away, "
                "or keep the file outside the checkout",
            )


def resolve_commit(root: Path, revision: str) -> CommitId | None:
    """The commit that the revision names; None if this clone knows none of that name."""
    if "\0" in revision or revision.startswith("-"):
        return None
    if revision == _HEAD:
        head = _verify_revision(root, f"{_HEAD}^{{commit}}")
        return CommitId(head) if head else None
    asked = _verify_revision(root, revision)
    if not _OBJECT.fullmatch(asked):  # nothing, or `^main`: all but the commits of main
        return None
    # Only now, because `:/words` takes everything that follows it for words to search for.
    return CommitId(commit) if (commit := _verify_revision(root, f"{asked}^{{commit}}")) else None


def _verify_revision(root: Path, revision: str) -> str:
    command = ("rev-parse", "--verify", "--quiet", revision)
    about = [revision.removesuffix("^{commit}")]
    asked = ask_once(root, *command, about=about, accept=(0, 1, 128))
    return "" if asked.exit_code else asked.text


def bring_commit(root: Path, remote: str, name: str) -> CommitId | None:
    """Fetch a commit by its id, or a remote's branch by its name; None if the remote has none.

    None of the user's refs is moved. Into a shallow clone, only the commit itself is fetched.
    """
    from reconciler.git.retrying import FETCH, ask

    short = name.removeprefix(f"{remote}/")
    if not short.strip() or "\0" in short or short.startswith(("-", "+")) or ":" in short:
        return None  # an empty name would mean the remote's HEAD
    depth = ("--depth=1",) if is_shallow(root) else ()
    spec = f"+{short}:{_BROUGHT}"
    done = ask(root, *FETCH, *depth, "--", remote, spec, timeout=NETWORK_SECONDS)
    return None if done.exit_code else resolve_commit(root, _BROUGHT)


def find_forks(root: Path, remote: str | None, commit: CommitId) -> list[CommitId] | None:
    """The commits where the checked out history parts from that of `commit`; most often one.

    None if there is none, if nothing is checked out, or if a shallow clone does not show it.
    `remote`: where a shallow clone asks for more of its history; None: nowhere.
    """
    head = resolve_commit(root, "HEAD")
    if head is None:
        return None
    found = _find_merge_bases(root, head, commit)
    if found or not is_shallow(root):
        return found or None
    for parent in _read_parents(root, head):
        if found := _find_merge_bases(root, parent, commit):
            return found
    for deeper in _DEEPER if remote is not None else ():
        _deepen(root, str(remote), deeper, head)
        if found := _find_merge_bases(root, head, commit):
            return found
        if not is_shallow(root):
            break
    return None


def _find_merge_bases(root: Path, one: CommitId, other: CommitId) -> list[CommitId]:
    if one == other:
        return [one]
    asked = run_git(root, "merge-base", "--all", one, other, accept=(0, 1, 128))
    return [] if asked.exit_code else [CommitId(line) for line in asked.text.split("\n") if line]


def _read_parents(root: Path, commit: CommitId) -> list[CommitId]:
    """The parents that the commit names, even if the clone's history ends at it.

    A pipeline checks out the merge of a pull request and nothing before it; the commit that the
    request was merged into is fetched with the branch.
    """
    head = run_git(root, "cat-file", "commit", commit).stdout.partition(b"\n\n")[0]
    words = (line.split(b" ") for line in head.split(b"\n"))
    return [CommitId(line[1].decode("ascii")) for line in words if line[0] == b"parent"]


def _deepen(root: Path, remote: str, deeper: str, head: CommitId) -> None:
    """Fetch more history, for `head` or else for no commit in particular; give up if both fail."""
    from reconciler.git.retrying import FETCH, ask

    if ask(root, *FETCH, deeper, "--", remote, head, timeout=NETWORK_SECONDS).exit_code:
        try:
            ask(root, *FETCH, deeper, "--", remote, timeout=NETWORK_SECONDS)
        except GitError:
            return


class FastForwarded(Struct, frozen=True):
    """The checkout now shows the commit."""


class AlreadyThere(Struct, frozen=True):
    """The checkout holds the commit already."""


class NotSafe(Struct, frozen=True, kw_only=True):
    """The checkout was left alone."""

    reason: str


CheckoutResult = FastForwarded | AlreadyThere | NotSafe


def fast_forward_checkout(root: Path, branch: str, commit: CommitId) -> CheckoutResult:
    """Bring the checked out branch, with its files, to the commit, if nothing is lost by that.

    Raises GitError only if git cannot tell where the checkout stands, or takes too long.
    """
    form = "--format=%(HEAD) %(objectname)"
    mark, _, tip = run_git(root, "for-each-ref", form, f"refs/heads/{branch}").text.partition(" ")
    if mark != "*":
        return NotSafe(reason=_describe_checked_out(root, branch))
    head = CommitId(tip)
    if head != commit and is_ancestor(root, head, commit):
        return _merge(root, commit)
    if is_ancestor(root, commit, head):
        return AlreadyThere()
    return NotSafe(reason=f"{branch} has commits here that the remote does not have")


def _describe_checked_out(root: Path, branch: str) -> str:
    """What is checked out instead of the branch, in words."""
    current = read_current_branch(root)
    if current is None:
        return "no branch is checked out (detached HEAD)"
    if current != branch:
        return f"{current} is checked out"
    return f"{branch} has no commit here yet"


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


def read_current_branch(root: Path) -> str | None:
    """The branch that is checked out, even before its first commit; None for a detached HEAD."""
    found = run_git(root, "symbolic-ref", "-q", "HEAD", accept=(0, 1)).text
    return found.removeprefix("refs/heads/") or None


def read_worktree_commit(root: Path) -> CommitId | None:
    """The commit that is checked out; None before the first one."""
    found = run_git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", accept=(0, 1)).text
    return CommitId(found) if found else None
