"""What is known of a folder beyond one commit: what this clone, the remote and the history say.

A ledger only grows. Whoever has seen it can tell that it has lost something: this clone remembers
its tree in a ref of its own, the remote keeps one for clones that are new or shallow, and the
history says what was last written.
"""

from pathlib import Path

from reconciler.git.command import GitTimeoutError, run_git
from reconciler.git.objects import CommitId, ObjectId

_HERE = "refs/reconciler-memory/seen"  # the trees that this clone has seen
_THERE = "refs/reconciler/ledger"  # on the remote: commits without parents, of the same trees
_FETCHED = "refs/reconciler-memory/kept"
_KEEPING_SECONDS = 30.0  # a trace is worth no longer wait


def refspec(remote: str) -> str:
    """What to fetch so that `kept` knows what the remote keeps; it may keep nothing."""
    return f"+{_THERE}/*:{_FETCHED}/{remote}/*"


def remember(root: Path, name: str, commit: CommitId, folder: str) -> None:
    """Keep the folder, as the commit has it, in a ref of this clone.

    Another process that does the same at this moment wins: either is something to remember.
    """
    run_git(root, "update-ref", f"{_HERE}/{name}", f"{commit}:{folder}", accept=(0, 1, 128))


def remembered(root: Path, name: str) -> ObjectId | None:
    """The tree that this clone last remembered under the name."""
    return _resolve(root, f"{_HERE}/{name}^{{tree}}")


def keep(root: Path, remote: str, name: str, commit: CommitId, folder: str) -> bool:
    """Have the remote keep the folder, as the commit has it, for other clones.

    False if it does not: it may forbid refs beside branches, or somebody else was faster.
    """
    tree, before = _resolve(root, f"{commit}:{folder}"), kept_commit(root, remote, name)
    if tree is None or (before is not None and _resolve(root, f"{before}^{{tree}}") == tree):
        return tree is not None
    message = f"The ledger of {name}, for clones that have not seen it [skip ci]\n"
    made = run_git(root, "commit-tree", tree, "-F", "-", stdin=message.encode()).text
    ref = f"{_THERE}/{name}"
    lease = f"--force-with-lease={ref}:{before or ''}"
    command = ("push", "--quiet", "--no-verify", lease, "--", remote, f"+{made}:{ref}")
    try:
        done = run_git(root, *command, timeout=_KEEPING_SECONDS, accept=None)
    except GitTimeoutError:
        return False
    if done.exit_code == 0:
        run_git(root, "update-ref", f"{_FETCHED}/{remote}/{name}", made, accept=(0, 1, 128))
    return done.exit_code == 0


def kept_commit(root: Path, remote: str, name: str) -> ObjectId | None:
    """The commit that the remote kept under the name when it was last fetched."""
    return _resolve(root, f"{_FETCHED}/{remote}/{name}^{{commit}}")


def kept(root: Path, remote: str, name: str) -> ObjectId | None:
    """The tree that the remote kept under the name when it was last fetched."""
    return _resolve(root, f"{_FETCHED}/{remote}/{name}^{{tree}}")


def traces(root: Path, remote: str) -> dict[str, ObjectId]:
    """The trees that this clone has seen and that the remote kept, under whatever name.

    The keys tell both apart and end in the name: `seen/NAME`, `kept/REMOTE/NAME`.
    """
    listing = run_git(
        root,
        *("for-each-ref", "--format=%(refname) %(objecttype) %(objectname) %(tree)"),
        *(_HERE, f"{_FETCHED}/{remote}"),
    ).text
    found = {}
    for line in filter(None, listing.split("\n")):
        name, kind, oid, *tree = line.split(" ")
        key = name.removeprefix("refs/reconciler-memory/")
        found[key] = ObjectId(oid if kind == "tree" else tree[0])
    return found


def last_written(root: Path, commit: CommitId, folder: str, trailer: str) -> ObjectId | None:
    """The folder's tree in the newest commit, up to this one, that changed it under the trailer.

    On any line of history, for a merge can have taken the other side. None if there is no such
    commit, or a shallow clone does not reach it.
    """
    found = run_git(
        root,
        # What the user has set for reading a log must not hide what is in it.
        *("-c", "grep.patternType=basic", "-c", "i18n.logOutputEncoding=UTF-8"),
        *("-c", "log.showSignature=false"),
        *("--literal-pathspecs", "log", "-1", "--full-history", "--format=%H"),
        *(f"--grep=^{trailer}: ", commit, "--", folder),
    ).text
    return _resolve(root, f"{found}:{folder}") if found else None


def folder(root: Path, commit: CommitId, path: str) -> ObjectId | None:
    """The folder's tree as the commit has it; None if it has none."""
    return _resolve(root, f"{commit}:{path}^{{tree}}")


def _resolve(root: Path, spec: str) -> ObjectId | None:
    found = run_git(root, "rev-parse", "--verify", "--quiet", spec, accept=(0, 1, 128)).text
    return ObjectId(found) if found else None
