"""A clone on this machine, and everything that is asked of it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.git import attributes, checkout, listing, objects
from reconciler.git.command import LOCAL_SECONDS, CompletedGit, run_git
from reconciler.git.objects import CommitId, ObjectId, TreeEntry

if TYPE_CHECKING:
    from reconciler.git.default import FetchedBranch
    from reconciler.git.endpoints import Addresses
    from reconciler.git.kept_refs import Traces
    from reconciler.git.origins import Origin
    from reconciler.git.push import PushResult
    from reconciler.git.remote import Others
    from reconciler.git.traces import Trace
    from reconciler.git.tree import Tree


class Git(Struct, frozen=True, kw_only=True):
    """A git repository with a working tree.

    It holds no state besides its paths, so threads may share it. Every method raises GitError if
    git fails; the functions that the methods call document the rest. What asks a remote or writes
    is loaded when it is called: `validate` does neither.
    """

    root: Path  # the top of the working tree
    prefix: str  # the folder that was asked for, relative to the root: "" or `data/`
    own: Path | None = None  # git's folder of this working tree

    @classmethod
    def at(cls, folder: Path) -> "Git":
        """The repository that the folder lies in.

        See `checkout.find`.
        """
        root, prefix, own = checkout.find_checkout(folder)
        return cls(root=root, prefix=prefix, own=own)

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        timeout: float = LOCAL_SECONDS,
        accept: Collection[int] | None = (0,),
    ) -> CompletedGit:
        """Run git at the root: see `run_git`."""
        return run_git(self.root, *args, stdin=stdin, timeout=timeout, accept=accept)

    def check_remote(self, name: str) -> None:
        """See `endpoints.check_remote`."""
        from reconciler.git import endpoints

        endpoints.check_remote(self.root, name)

    def ask_default_branch(self, of_remote: str) -> str:
        """See `default.ask_default_branch`."""
        from reconciler.git import default

        return default.ask_default_branch(self.root, of_remote)

    def read_remembered_branch(self, of_remote: str) -> str | None:
        """See `default.read_remembered_branch`."""
        from reconciler.git import default

        return default.read_remembered_branch(self.root, of_remote)

    def fetch_shared(
        self, from_remote: str, branch: str | None, more: Sequence[str]
    ) -> "FetchedBranch":
        """See `default.fetch_shared`."""
        from reconciler.git import default

        return default.fetch_shared(self.root, from_remote, branch, more)

    def fetch(self, from_remote: str, branches: Sequence[str]) -> dict[str, CommitId | None]:
        """See `remote.fetch`."""
        from reconciler.git import remote

        return remote.fetch(self.root, from_remote, branches)

    def may_be_branch(self, name: str) -> bool:
        """See `remote.may_be_branch`."""
        from reconciler.git import remote

        return remote.may_be_branch(self.root, name)

    def push(
        self,
        to_remote: str,
        commit: CommitId,
        branch: str,
        *,
        expected: CommitId | None,
        timeout: float,
        trace: "Trace | None" = None,
        is_default: bool = False,
        others: "Others | None" = None,
    ) -> "PushResult":
        """See `push.push`; `trace` travels along if it can, and `remember_next` notes it then."""
        from reconciler.git import push, traces

        result, became = push.push(
            self.root,
            to_remote,
            commit,
            branch,
            expected=expected,
            timeout=timeout,
            along=None if trace is None else trace.move,
            is_default=is_default,
            others=others,
        )
        if trace is not None and isinstance(result, push.PushLanded):
            if became is push.Along.APART:
                traces.note_apart(self.root, to_remote, trace)
            return push.PushLanded(with_trace=became is push.Along.MOVED)
        return result

    def list_tree(
        self, commit: CommitId | ObjectId, paths: Collection[str] = ()
    ) -> list[TreeEntry]:
        """See `objects.list_tree`."""
        return objects.list_tree(self.root, commit, paths)

    def read_tree(self, commit: CommitId) -> "Tree":
        """See `tree.read_tree`."""
        from reconciler.git import tree

        return tree.read_tree(self.root, commit)

    def read_blobs(self, oids: Iterable[ObjectId]) -> dict[ObjectId, bytes]:
        """See `objects.read_blobs`."""
        return objects.read_blobs(self.root, oids)

    def read_small_blobs(self, oids: Iterable[ObjectId]) -> None:
        """See `objects.read_small_blobs`."""
        objects.read_small_blobs(self.root, oids)

    def read_bounded_blobs(
        self, oids: Iterable[ObjectId], most: int
    ) -> tuple[dict[ObjectId, bytes], frozenset[ObjectId]]:
        """See `objects.read_bounded_blobs`."""
        return objects.read_bounded_blobs(self.root, oids, most)

    def list_tracked(self, *pathspecs: str) -> listing.Tracked:
        """See `listing.list_tracked`."""
        return listing.list_tracked(self.root, *pathspecs)

    def find_conversions(
        self, tracked: listing.Tracked, folder: str, paths: Iterable[str]
    ) -> list[attributes.Conversion]:
        """See `attributes.find_conversions`."""
        return attributes.find_conversions(self.root, tracked, folder, paths)

    def origins(self, commit: CommitId, folder: str) -> "dict[str, Origin]":
        """See `origins.find_origins`."""
        from reconciler.git import origins

        return origins.find_origins(self.root, commit, folder)

    def commit_files(
        self, parent: CommitId | None, changes: Mapping[str, bytes | None], message: str
    ) -> CommitId:
        """See `commits.commit_files`."""
        from reconciler.git import commits

        return commits.commit_files(self.root, parent, changes, message)

    def remember(self, name: str, commit: CommitId, folder: str) -> None:
        """See `traces.remember`."""
        from reconciler.git import traces

        traces.remember(self.root, name, commit, folder)

    def remember_next(
        self,
        name: str,
        tree: ObjectId,
        before: ObjectId | None,
        trace: "Trace | None" = None,
    ) -> bool:
        """See `traces.remember_next`."""
        from reconciler.git import traces

        return traces.remember_next(self.root, name, tree, before, trace)

    def read_remembered(self, name: str) -> ObjectId | None:
        """See `traces.read_remembered`."""
        from reconciler.git import traces

        return traces.read_remembered(self.root, name)

    def keep(
        self,
        on_remote: str,
        name: str,
        commit: CommitId,
        folder: str,
        continues: Callable[[ObjectId, ObjectId], bool],
        known: "Traces | None" = None,
    ) -> str | None:
        """See `traces.keep`."""
        from reconciler.git import traces

        return traces.keep(self.root, on_remote, name, commit, folder, continues, known)

    def make_next_trace(
        self,
        on_remote: str,
        name: str,
        commit: CommitId,
        folder: str,
        continues: Callable[[ObjectId, ObjectId], bool],
        known: "Traces | None" = None,
    ) -> "Trace | None":
        """See `traces.make_next_trace`."""
        from reconciler.git import traces

        return traces.make_next_trace(self.root, on_remote, name, commit, folder, continues, known)

    def author(self, ref: str) -> str:
        """See `traces.author`."""
        from reconciler.git import traces

        return traces.read_author(self.root, ref)

    def read_addresses(self, of_remote: str) -> "Addresses":
        """See `endpoints.read_addresses`."""
        from reconciler.git import endpoints

        return endpoints.read_addresses(self.root, of_remote)

    def folder(self, commit: CommitId, path: str) -> ObjectId | None:
        """See `traces.read_folder_tree`."""
        from reconciler.git import traces

        return traces.read_folder_tree(self.root, commit, path)

    def find_last_written(self, commit: CommitId, folder: str, trailer: str) -> ObjectId | None:
        """See `traces.find_last_written`."""
        from reconciler.git import traces

        return traces.find_last_written(self.root, commit, folder, trailer)

    def is_ancestor(self, ancestor: CommitId, descendant: CommitId) -> bool:
        """See `objects.is_ancestor`."""
        return objects.is_ancestor(self.root, ancestor, descendant)

    def fast_forward_checkout(self, branch: str, commit: CommitId) -> checkout.CheckoutResult:
        """See `checkout.fast_forward_checkout`."""
        return checkout.fast_forward_checkout(self.root, branch, commit)

    def read_worktree_commit(self) -> CommitId | None:
        """See `checkout.read_worktree_commit`."""
        return checkout.read_worktree_commit(self.root)

    def read_current_branch(self) -> str | None:
        """See `checkout.read_current_branch`."""
        return checkout.read_current_branch(self.root)

    def differing(self, commit: CommitId, *folders: str) -> list[str]:
        """See `listing.differing`."""
        return listing.list_differing_files(self.root, commit, *folders)

    def resolve_commit(self, revision: str) -> CommitId | None:
        """See `checkout.resolve_commit`."""
        return checkout.resolve_commit(self.root, revision)

    def bring_commit(self, remote: str, name: str) -> CommitId | None:
        """See `checkout.bring_commit`."""
        return checkout.bring_commit(self.root, remote, name)

    def find_forks(self, remote: str | None, commit: CommitId) -> list[CommitId] | None:
        """See `checkout.find_forks`."""
        return checkout.find_forks(self.root, remote, commit)

    def find_manifests_under(self, prefix: str, besides: Collection[str] = ()) -> list[str]:
        """See `listing.find_manifests_under`."""
        return listing.find_manifests_under(self.root, prefix, besides)

    def has_known(self, folder: str) -> bool:
        """See `listing.has_known`."""
        return listing.has_known(self.root, folder)

    def is_dirty(self, paths: Collection[str] = ()) -> bool:
        """See `listing.is_dirty`."""
        return listing.is_dirty(self.root, paths)
