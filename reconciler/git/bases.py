"""What a checkout set out from: revisions by any name, and where two histories part.

A pipeline's clone often ends after one commit. What is missing is fetched, a little more each time,
and only when it is asked for.
"""

from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.asking import ask
from reconciler.git.command import NETWORK_SECONDS, run_git
from reconciler.git.objects import CommitId, is_shallow
from reconciler.git.remote import FETCH

_BROUGHT = "refs/reconciler-base/last"
_DEEPER = ("--deepen=50", "--deepen=500", "--unshallow")  # each more than the one before


def resolve_commit(root: Path, revision: str) -> CommitId | None:
    """The commit of that name, as far as this clone knows it; None where it knows none."""
    if "\0" in revision or revision.startswith("-"):
        return None
    spec = f"{revision}^{{commit}}"
    asked = run_git(root, "rev-parse", "--verify", "--quiet", spec, accept=(0, 1, 128))
    return None if asked.exit_code else CommitId(asked.text)


def bring_commit(root: Path, remote: str, name: str) -> CommitId | None:
    """Fetch a commit by its id, or a remote's branch by its name; None where it has none.

    No ref of the user's is moved. Of a shallow clone only the commit itself is fetched.
    """
    short = name.removeprefix(f"{remote}/")
    if "\0" in short or short.startswith(("-", "+")) or ":" in short:
        return None
    depth = ("--depth=1",) if is_shallow(root) else ()
    spec = f"+{short}:{_BROUGHT}"
    done = ask(root, *FETCH, *depth, "--", remote, spec, timeout=NETWORK_SECONDS)
    return None if done.exit_code else resolve_commit(root, _BROUGHT)


def forks(root: Path, remote: str | None, commit: CommitId) -> list[CommitId] | None:
    """Where the checked out history parts from that of the commit; most often one place.

    None where there is none, or nothing is checked out, or a shallow clone does not show it.
    `remote`: where a shallow clone asks for more of its history; None: nowhere.
    """
    head = resolve_commit(root, "HEAD")
    if head is None:
        return None
    found = _merge_bases(root, head, commit)
    if found or not is_shallow(root):
        return found or None
    for parent in _written_parents(root, head):
        if found := _merge_bases(root, parent, commit):
            return found
    for deeper in _DEEPER if remote is not None else ():
        _deepen(root, str(remote), deeper, head)
        if found := _merge_bases(root, head, commit):
            return found
        if not is_shallow(root):
            break
    return None


def _merge_bases(root: Path, one: CommitId, other: CommitId) -> list[CommitId]:
    asked = run_git(root, "merge-base", "--all", one, other, accept=(0, 1, 128))
    return [] if asked.exit_code else [CommitId(line) for line in asked.text.split("\n") if line]


def _written_parents(root: Path, commit: CommitId) -> list[CommitId]:
    """The commit's parents as it names them, though the clone's history ends at it.

    A pipeline checks out the merge of a pull request and nothing before it; the commit that it was
    merged into is fetched with the branch.
    """
    head = run_git(root, "cat-file", "commit", commit).stdout.partition(b"\n\n")[0]
    words = (line.split(b" ") for line in head.split(b"\n"))
    return [CommitId(line[1].decode("ascii")) for line in words if line[0] == b"parent"]


def _deepen(root: Path, remote: str, deeper: str, head: CommitId) -> None:
    """Fetch more of the history that ends here, in one way or another; give up if both fail."""
    if ask(root, *FETCH, deeper, "--", remote, head, timeout=NETWORK_SECONDS).exit_code:
        try:
            ask(root, *FETCH, deeper, "--", remote, timeout=NETWORK_SECONDS)
        except GitError:
            return
