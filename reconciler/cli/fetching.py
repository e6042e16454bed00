"""The ledgers for the read-only commands, fetched from the shared branch or as this clone has them.

The ledgers of a checkout are also compared with those of the branch that it will be merged into,
because only the reconciler may write them.
"""

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.cli.reading import Shelf, Workspace
from reconciler.cli.saying import say
from reconciler.configuration import Configuration, Environment
from reconciler.errors import ConfigurationError, GitError, LedgerError, ReconcilerError
from reconciler.git import CommitId, FetchedBranch, Git
from reconciler.git.endpoints import NoRemoteError
from reconciler.identity import Book, Surroundings
from reconciler.ledger import Ledger
from reconciler.ledger.files import ledger_text
from reconciler.ledger.guarding import Files, Guarded, Ledgers, edited, way_back
from reconciler.ledger.lines import RESTORE
from reconciler.model import Problem
from reconciler.repository.books import CommittedBooks, Naming, books_of, is_ours
from reconciler.repository.committed import CommittedLedger
from reconciler.repository.continuity import LedgerPlace, check_continuity
from reconciler.repository.settings import other_branch


class KnownLedger(Struct, frozen=True, kw_only=True):
    """A ledger, and where it was read."""

    ledger: Ledger
    surroundings: Surroundings
    commit: str | None  # that has the ledger; None: there is none yet, or none is known
    tip: CommitId | None = None  # of the shared branch; None: the branch was not read
    remote: str | None = None  # that the branch was fetched from
    branch: str | None = None  # the name of the shared branch
    books: Mapping[str, CommittedLedger] = field(default_factory=dict)  # fetched ones, by folder
    apart: frozenset[str] = frozenset()  # folders of `books` that only the ledger's own branch has
    note: str | None  # what a person should know about where the ledger was read


def read_ledgers(workspace: Workspace, *, offline: bool) -> dict[str, KnownLedger]:
    """The ledger of each environment: fetched, or else (offline, or with no remote) the local one.

    Raises GitError where there is a remote that cannot be read.
    """
    git = None if offline else _repository(workspace)
    if git is None:
        return {
            environment.name: _local_ledger(workspace, environment)
            for environment in workspace.environments
        }
    return _shared_ledgers(workspace, git)


def _shared_ledgers(workspace: Workspace, git: Git) -> dict[str, KnownLedger]:
    fetched, commit, parent = _fetch(git, workspace.configuration)
    shelf = workspace.shelf()
    remote = workspace.configuration.git.remote
    branch, traces = fetched.name, fetched.traces
    tree = CommittedBooks(git, parent) if parent is not None else None
    there = tree.by_folder() if tree else {}
    beside = CommittedBooks(git, commit).by_folder() if parent != commit else {}
    books, ledgers = beside | there, _moved(there, shelf)
    every = {folder: found.content for folder, found in (beside | ledgers).items()}
    known = {}
    for environment in workspace.environments:
        shelf.naming.check_own(git.prefix, environment)
        folder = git.prefix + environment.state
        if tree is not None:
            tree.check_folder(folder)
        files = ledgers.get(folder) or CommittedLedger.read(git, folder, ())
        others = books_of(shelf.naming, (one for one in every.items() if one[0] != folder))
        place = LedgerPlace(
            remote=remote,
            branch=branch,
            environment=environment,
            commit=commit,
            ledger_branch=workspace.configuration.git.ledger_branch or branch,
            parent=parent,
        )
        with files.readable():
            others += check_continuity(git, place, files, others, traces, read={})
        name = environment.name
        own = Book(folder=folder, ledger=files.ledger(), files=files.content, environment=name)
        known[name] = KnownLedger(
            ledger=own.ledger,
            surroundings=workspace.surroundings(environment, own, others),
            commit=parent,
            tip=commit,
            remote=remote,
            branch=branch,
            books=books,
            apart=frozenset(there.keys() - beside.keys() if parent != commit else ()),
            note=unpushed(
                git, BranchPlace(remote=remote, branch=branch, commit=commit), environment
            ),
        )
    return known


def _local_ledger(workspace: Workspace, environment: Environment) -> KnownLedger:
    try:
        own = workspace.local_book(environment)
        around = workspace.surroundings(environment, own)
    except LedgerError as error:
        raise with_way_back(workspace, error) from None
    return KnownLedger(
        ledger=own.ledger,
        surroundings=around,
        commit=_commit_here(workspace),
        note=_where_read(workspace),
    )


def _where_read(workspace: Workspace) -> str:
    """Words on which ledger this clone has, and what that means."""
    named = workspace.configuration.git
    if _has_no_remote(workspace):
        return (
            f"offline: the ledger is the working tree's, for this clone has no remote "
            f"{named.remote} yet, so nothing can be started from it: "
            f"git remote add {named.remote} URL"
        )
    if named.ledger_branch is None:
        return "offline: the ledger is the working tree's, and may be behind"
    apart = f"{named.remote}/{named.ledger_branch}"
    if workspace.heard() is None:
        return (
            f"offline: this clone has fetched no {apart}: nothing was started yet, or what was is "
            "not known here"
        )
    return f"offline: the ledger is that of {apart} as last fetched, and may be behind"


def _has_no_remote(workspace: Workspace) -> bool:
    """Whether the clone has no remote at all, like one that was just begun."""
    git = workspace.git()
    try:
        if git is not None:
            git.check_remote(workspace.configuration.git.remote)
    except NoRemoteError as error:
        return not error.has_others
    return False


def _moved(ledgers: Mapping[str, CommittedLedger], shelf: Shelf) -> dict[str, CommittedLedger]:
    """The remote's ledgers, in the folders where they will be once this checkout is merged.

    Where a pull request moves a ledger, the remote still has it in the old folder, and may have
    appended to it there.
    """
    found = dict(ledgers)
    named = shelf.naming.environments.keys() | shelf.naming.retired
    for folder in sorted(named & shelf.ledgers.keys() - ledgers.keys()):
        text = ledger_text(shelf.ledgers[folder], folder)
        for old in sorted(found.keys() - named - shelf.ledgers.keys()):
            if text and found[old].text().startswith(text):
                found[folder] = replace(found.pop(old), folder=folder)
                break
    return found


class BranchPlace(Struct, frozen=True, kw_only=True):
    """The shared branch at one commit."""

    remote: str
    branch: str
    commit: CommitId


def unpushed(git: Git, place: BranchPlace, environment: Environment) -> str | None:
    """What to say where manifests here differ from the branch's; None where they do not.

    Raises GitError.
    """
    folder = git.prefix + environment.manifests
    here = git.differing(place.commit, folder)
    if not here:
        return None
    what = f"{len(here)} files differ" if len(here) > 1 else f"{here[0]} differs"
    there = f"{place.remote}/{place.branch}"
    return f"{what} from {there}, and an apply does what is there: {_way_there(git, place, folder)}"


def _way_there(git: Git, place: BranchPlace, folder: str) -> str:
    """What a person should do to end the difference, as far as this clone's history tells."""
    head, current = git.working_tree_commit(), git.current_branch()
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


def _repository(workspace: Workspace) -> Git | None:
    """The clone; None if it has no remote. Raises NoRemoteError if it only has other remotes."""
    git = workspace.git() or Git.at(workspace.root)  # which raises, and says why there is none
    try:
        git.check_remote(workspace.configuration.git.remote)
    except NoRemoteError as error:
        if error.has_others:
            raise
        return None
    return git


def _commit_here(workspace: Workspace) -> CommitId | None:
    """The commit whose ledger this clone has; None if it knows none."""
    if workspace.configuration.git.ledger_branch is not None:
        heard = workspace.heard()
        return heard.commit if heard else None
    git = workspace.git()  # None is fine: a folder outside a repository can be planned offline
    try:
        return None if git is None else git.working_tree_commit()
    except GitError:
        return None


def _fetch(
    git: Git, configuration: Configuration
) -> tuple[FetchedBranch, CommitId, CommitId | None]:
    """Fetch the branches: the shared one, its tip, and the tip of the ledger's."""
    remote = configuration.git.remote
    named = configuration.git
    ledger_branch = [named.ledger_branch] if named.ledger_branch else []
    fetched = git.fetch_shared(remote, named.branch, ledger_branch)
    commit = fetched.tips[fetched.name]
    if commit is None:
        raise GitError(
            f"{remote} has no branch {fetched.name}",
            hint=f"Push it first, or {other_branch()}.",
        )
    return fetched, commit, fetched.tips[named.ledger_branch or fetched.name]


def edited_ledgers(workspace: Workspace, known: KnownLedger, *, quiet: bool) -> list[Problem]:
    """A problem for each ledger in the working tree that is no beginning of the shared branch's.

    Empty where that branch was not read. Raises GitError.
    """
    git = workspace.git()
    if git is None or known.tip is None:
        return []
    named = f"{known.remote}/{known.branch}"
    there = _Compared(tip=known.tip, books=known.books, named=named, apart=known.apart)
    return _edited(workspace, git, there, remote=known.remote, quiet=quiet)


def edited_since(workspace: Workspace, revision: str, *, quiet: bool) -> list[Problem]:
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
    books = CommittedBooks(git, commit).by_folder()
    there = _Compared(tip=commit, books=books, named=revision)
    return _edited(workspace, git, there, remote=None, quiet=quiet)


def with_way_back(workspace: Workspace, error: LedgerError) -> LedgerError:
    """The error with the command that brings the ledger back, where this clone knows the branch."""
    git, named = workspace.git(), workspace.configuration.git
    if git is None or error.hint != RESTORE:
        return error
    branch = named.branch or git.remembered_branch(named.remote)
    try:
        problems = edited_since(workspace, f"{named.remote}/{branch}", quiet=True) if branch else []
    except ReconcilerError:  # such as a clone that never fetched it: the ledger's own error counts
        return error
    ways = dict.fromkeys(map(way_back, problems))
    if not ways:  # what the clone knows of the branch is broken as well
        return error
    hint = f"Undo it: {'; '.join(ways)}. Nothing is started until it can be read."
    return LedgerError(str(error), hint=hint)


class _Compared(Struct, frozen=True, kw_only=True):
    """What the ledgers of the working tree are compared with."""

    tip: CommitId
    books: Mapping[str, CommittedLedger]  # by folder
    named: str  # what git calls the tip
    apart: frozenset[str] = frozenset()  # folders of `books` that the tip does not have


def _edited(
    workspace: Workspace,
    git: Git,
    there: _Compared,
    *,
    remote: str | None,
    quiet: bool,
) -> list[Problem]:
    naming = workspace.shelf().naming
    here = _ours(naming, workspace.shelf().ledgers)
    branch = _ours(naming, {folder: one.content for folder, one in there.books.items()})
    if here == branch:
        return []
    # Read all files before judging any: a ledger that cannot be read must not pass for edited.
    here = {folder: dict(files) for folder, files in here.items()}
    fork = None
    if workspace.configuration.git.ledger_branch is None:
        fork = _at_fork(naming, git, there.tip, remote, quiet=quiet)
    return edited(
        Guarded(
            fork=fork,
            here=here,
            branch=branch,
            named=there.named,
            apart=there.apart,
            prefix=git.prefix,
        )
    )


def _at_fork(
    naming: Naming, git: Git, tip: CommitId, remote: str | None, *, quiet: bool
) -> Ledgers | None:
    """The ledgers of the commit where the checkout left the branch; None where it is unknown."""
    forks = git.forks(remote, tip)
    if forks is None:
        if not quiet:
            say(_UNSEEN)
        return None
    try:
        found = CommittedBooks(git, forks[0]).by_folder()
    except LedgerError:  # a link was in a ledger's place then; reading the branch reports it
        return None
    return _ours(naming, {folder: one.content for folder, one in found.items()})


_UNSEEN = (
    "note: this clone does not show where the checkout parted from the branch, so lines that it "
    "took away from the end of a ledger are not seen: fetch more of the history"
)


def _ours(naming: Naming, ledgers: Mapping[str, Files]) -> Ledgers:
    """The ledgers that are a reconciler's: files of others may have the same names."""
    named = naming.environments.keys() | naming.retired
    return {folder: files for folder, files in ledgers.items() if folder in named or is_ours(files)}
