"""The refs that keep traces of ledgers, in a clone and on a remote, and how a clone's are listed.

Some servers take only branches and tags. On these, a trace lies on a branch of its own. Traces of
both kinds are fetched below one name, so that listing it shows all that the remote keeps.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from reconciler.git.command import run_git
from reconciler.git.objects import ObjectId

THERE = "refs/reconciler/ledger"
BRANCHES = "refs/heads/reconciler-trace"
MEMORY = "refs/reconciler-memory"  # in a clone
SEEN = f"{MEMORY}/seen"  # the trees that this clone has seen
FETCHED = f"{MEMORY}/kept"
BRANCH_MARK = "+"  # marks traces on branches: no trace has this name, as names are URL-quoted

# The patterns with which `git ls-remote` shows all traces.
EACH = (f"{THERE}/*", f"{BRANCHES}/*")


def refspecs(remote: str) -> tuple[str, str]:
    """The refspecs that fetch all traces that the remote keeps, if it keeps any."""
    return (
        f"+{THERE}/*:{FETCHED}/{remote}/*",
        f"+{BRANCHES}/*:{FETCHED}/{remote}/{BRANCH_MARK}/*",
    )


def ref_there(remote: str, key: str) -> str | None:
    """The remote's ref of the trace with that name below MEMORY; None for a clone's own trace."""
    name = key.removeprefix(f"kept/{remote}/")
    if name == key:
        return None
    on_branch = name.removeprefix(f"{BRANCH_MARK}/")
    return f"{THERE}/{name}" if on_branch == name else f"{BRANCHES}/{on_branch}"


class ListedRef(Struct, frozen=True, kw_only=True):
    """A ref of this clone, and what it points to."""

    name: str
    kind: str  # git's word for the kind of the object
    oid: ObjectId
    tree: ObjectId  # of a commit; any other object is its own: a tree, or nothing like one


def list_refs(root: Path, *names: str) -> list[ListedRef]:
    """Every ref of these names, and below them. Raises GitError."""
    form = "--format=%(refname) %(objecttype) %(objectname) %(tree)"
    listing = run_git(root, "for-each-ref", form, *names).text
    found = []
    for line in filter(None, listing.split("\n")):
        name, kind, oid, *tree = line.split(" ")
        of_commit = ObjectId(tree[0] or oid)
        found.append(ListedRef(name=name, kind=kind, oid=ObjectId(oid), tree=of_commit))
    return found


class Traces(Struct, frozen=True, kw_only=True):
    """The traces that this clone has seen, and those that a remote kept when last fetched."""

    trees: Mapping[str, ObjectId]  # by keys that tell both apart: `seen/NAME`, `kept/REMOTE/NAME`
    kept: Mapping[str, str]  # the objects in the remote's refs, by the refs' names there

    def with_kept(self, remote: str, key: str, oid: ObjectId, tree: ObjectId) -> "Traces":
        """The same after the remote has taken a trace, which a ref below MEMORY shows here."""
        there = ref_there(remote, key)
        kept = dict(self.kept) if there is None else {**self.kept, there: oid}
        return Traces(trees={**self.trees, key: tree}, kept=kept)


def trace_refs(remote: str) -> tuple[str, str]:
    """The names below which a clone has all these traces."""
    return SEEN, f"{FETCHED}/{remote}"


def traces_among(remote: str, listed: Iterable[ListedRef]) -> Traces:
    """All traces among the listed refs, whatever their names."""
    trees, kept = {}, {}
    folders = tuple(f"{folder}/" for folder in trace_refs(remote))
    for one in listed:
        if one.name.startswith(folders):
            key = one.name.removeprefix(f"{MEMORY}/")
            trees[key] = one.tree
            ref = ref_there(remote, key)
            if ref is not None:
                kept[ref] = one.oid
    return Traces(trees=trees, kept=kept)
