"""How this checkout differs from the shared branch: manifests not pushed, and edited ledgers.

An apply does what the branch says, so a person should know which manifests differ. The ledgers are
compared because only the reconciler may write them.
"""

from collections.abc import Mapping

from msgspec import Struct

from reconciler.cli.reading import Workspace
from reconciler.cli.saying import say
from reconciler.configuration import Environment
from reconciler.errors import ConfigurationError, LedgerError, ReconcilerError
from reconciler.git import CommitId, Git
from reconciler.ledger.files import Files, Ledgers
from reconciler.ledger.guarding import Guarded, find_edited_ledgers, undo_advice
from reconciler.ledger.lines import RESTORE
from reconciler.model import Problem
from reconciler.repository.books import CommittedBooks, Naming, is_ours
from reconciler.repository.committed import CommittedLedger


class BranchPlace(Struct, frozen=True, kw_only=True):
    """The shared branch at one commit."""

    remote: str
    branch: str
    commit: CommitId

    @property
    def name(self) -> str:
        """What git calls the branch here, once it was fetched."""
        return f"{self.remote}/{self.branch}"


class SharedLedgers(Struct, frozen=True, kw_only=True):
    """All ledgers that the shared branch has, or the branch that they have for themselves."""

    place: BranchPlace
    books: Mapping[str, CommittedLedger]  # by folder
    apart: frozenset[str]  # folders of `books` that only the ledgers' own branch has


def find_unpushed_note(git: Git, place: BranchPlace, environment: Environment) -> str | None:
    """What to say where manifests here differ from the branch's; None where they do not.

    Raises GitError.
    """
    folder = git.prefix + environment.manifests
    here = git.differing(place.commit, folder)
    if not here:
        return None
    what = f"{len(here)} files differ" if len(here) > 1 else f"{here[0]} differs"
    way = _advise_push(git, place, folder)
    return f"{what} from {place.name}, and an apply does what is there: {way}"


def _advise_push(git: Git, place: BranchPlace, folder: str) -> str:
    """What a person should do to end the difference, as far as this clone's history tells."""
    head, current = git.read_worktree_commit(), git.read_current_branch()
    if head is None or git.is_dirty([folder]):
        commit, push = "commit, and ", "commit and push"
    else:
        commit, push = "", "push"
        if git.is_ancestor(head, place.commit):
            return "this checkout is behind, bring it up to date (git pull)"
        if not git.is_ancestor(place.commit, head):
            push = "bring this checkout up to date (git pull), then push"
    if current == place.branch:
        return push
    on = f"{current} is" if current else "no branch is"
    return f"{on} checked out here; {commit}merge it into {place.branch}"


def find_ledger_edits(workspace: Workspace, shared: SharedLedgers, *, quiet: bool) -> list[Problem]:
    """A problem for each ledger in the working tree that is no beginning of the shared branch's.

    Raises GitError.
    """
    git, place = workspace.git(), shared.place
    if git is None:
        return []
    there = _Compared(tip=place.commit, books=shared.books, named=place.name, apart=shared.apart)
    return _compare_ledgers(workspace, git, there, remote=place.remote, quiet=quiet)


def find_edits_since(workspace: Workspace, revision: str, *, quiet: bool) -> list[Problem]:
    """The same in comparison with a revision that this clone has; without network.

    Raises ConfigurationError where there is no such revision, GitError and LedgerError.
    """
    git = workspace.git()
    commit = git.resolve_commit(revision) if git is not None else None
    if git is None or commit is None:
        raise ConfigurationError(
            f"--base {revision}: there is no such commit in this clone",
            hint="Fetch it first: `validate` asks nobody.",
        )
    books = CommittedBooks(git, commit).read_by_folder()
    there = _Compared(tip=commit, books=books, named=revision)
    return _compare_ledgers(workspace, git, there, remote=None, quiet=quiet)


def with_restore_command(workspace: Workspace, error: LedgerError) -> LedgerError:
    """The error with the command that brings the ledger back, where this clone knows the branch."""
    git, named = workspace.git(), workspace.configuration.git
    if git is None or error.hint != RESTORE:
        return error
    branch = named.branch or git.read_remembered_branch(named.remote)
    try:
        problems = (
            find_edits_since(workspace, f"{named.remote}/{branch}", quiet=True) if branch else []
        )
    except ReconcilerError:  # such as a clone that never fetched it: the ledger's own error counts
        return error
    ways = dict.fromkeys(map(undo_advice, problems))
    if not ways:  # what the clone knows of the branch is broken as well
        return error
    hint = f"Undo it: {'; '.join(ways)}. Nothing is started until it can be read."
    return LedgerError(error.what, hint=hint, file=error.file, line=error.line)


class _Compared(Struct, frozen=True, kw_only=True):
    """What the ledgers of the working tree are compared with."""

    tip: CommitId
    books: Mapping[str, CommittedLedger]  # by folder
    named: str  # what git calls the tip
    apart: frozenset[str] = frozenset()  # folders of `books` that the tip does not have


def _compare_ledgers(
    workspace: Workspace,
    git: Git,
    there: _Compared,
    *,
    remote: str | None,
    quiet: bool,
) -> list[Problem]:
    naming = workspace.shelf().naming
    here = _own_ledgers(naming, workspace.shelf().ledgers)
    branch = _own_ledgers(naming, {folder: one.content for folder, one in there.books.items()})
    if here == branch:
        return []
    # Read all files before judging any: a ledger that cannot be read must not pass for edited.
    here = {folder: dict(files) for folder, files in here.items()}
    fork = None
    if workspace.configuration.git.ledger_branch is None:
        fork = _read_fork_ledgers(naming, git, there.tip, remote, quiet=quiet)
    return find_edited_ledgers(
        Guarded(
            fork=fork,
            here=here,
            branch=branch,
            named=there.named,
            apart=there.apart,
            prefix=git.prefix,
        )
    )


def _read_fork_ledgers(
    naming: Naming, git: Git, tip: CommitId, remote: str | None, *, quiet: bool
) -> Ledgers | None:
    """The ledgers of the commit where the checkout left the branch; None where it is unknown."""
    forks = git.find_forks(remote, tip)
    if forks is None:
        if not quiet:
            say(_UNSEEN)
        return None
    try:
        found = CommittedBooks(git, forks[0]).read_by_folder()
    except LedgerError:  # a link was in a ledger's place then; reading the branch reports it
        return None
    return _own_ledgers(naming, {folder: one.content for folder, one in found.items()})


_UNSEEN = (
    "note: this clone does not show where the checkout parted from the branch, so lines that it "
    "took away from the end of a ledger are not seen: fetch more of the history"
)


def _own_ledgers(naming: Naming, ledgers: Mapping[str, Files]) -> Ledgers:
    """The ledgers that are a reconciler's: files of others may have the same names."""
    named = naming.environments.keys() | naming.retired.keys()
    return {folder: files for folder, files in ledgers.items() if folder in named or is_ours(files)}
