"""The ledgers for the read-only commands: fetched from the remote, or as this clone has them."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from reconciler.cli.differing import (
    BranchPlace,
    SharedLedgers,
    find_unpushed_note,
    with_restore_command,
)
from reconciler.cli.reading import Shelf, Workspace
from reconciler.configuration import Configuration, Environment
from reconciler.errors import GitError, LedgerError
from reconciler.git import CommitId, Git
from reconciler.git.default import FetchedBranch
from reconciler.git.endpoints import NoRemoteError
from reconciler.identity import Book, Surroundings
from reconciler.ledger import Ledger
from reconciler.ledger.files import ledger_text
from reconciler.repository.books import CommittedBooks, books_of
from reconciler.repository.committed import CommittedLedger
from reconciler.repository.continuity import LedgerPlace, check_continuity
from reconciler.repository.settings import other_branch_hint


class KnownLedger(Struct, frozen=True, kw_only=True):
    """A ledger, and where it was read."""

    ledger: Ledger
    surroundings: Surroundings
    commit: str | None  # that has the ledger; None: there is none yet, or none is known
    shared: SharedLedgers | None = None  # None: the shared branch was not read
    note: str | None  # what a person should know about where the ledger was read


def read_ledgers(workspace: Workspace, *, offline: bool) -> dict[str, KnownLedger]:
    """The ledger of each environment: fetched, or else (offline, or with no remote) the local one.

    Raises GitError where there is a remote that cannot be read.
    """
    git = None if offline else _find_repository(workspace)
    if git is None:
        return {
            environment.name: _read_local_ledger(workspace, environment)
            for environment in workspace.environments
        }
    return _read_shared_ledgers(workspace, git)


def _read_shared_ledgers(workspace: Workspace, git: Git) -> dict[str, KnownLedger]:
    fetched, commit, parent = _fetch(git, workspace.configuration)
    shelf = workspace.shelf()
    remote = workspace.configuration.git.remote
    branch, traces = fetched.name, fetched.traces
    tree = CommittedBooks(git, parent) if parent is not None else None
    there = tree.read_by_folder() if tree else {}
    beside = CommittedBooks(git, commit).read_by_folder() if parent != commit else {}
    books, ledgers = beside | there, _relocate_ledgers(there, shelf)
    every = {folder: found.content for folder, found in (beside | ledgers).items()}
    place = BranchPlace(remote=remote, branch=branch, commit=commit)
    apart = there.keys() - beside.keys() if parent != commit else ()
    shared = SharedLedgers(place=place, books=books, apart=frozenset(apart))
    known = {}
    for environment in workspace.environments:
        shelf.naming.check_own(git.prefix, environment)
        folder = git.prefix + environment.state
        if tree is not None:
            tree.check_folder(folder)
        files = ledgers.get(folder) or CommittedLedger.read(git, folder, ())
        others = books_of(shelf.naming, (one for one in every.items() if one[0] != folder))
        own_place = LedgerPlace(
            remote=remote,
            branch=branch,
            environment=environment,
            commit=commit,
            ledger_branch=workspace.configuration.git.ledger_branch or branch,
            parent=parent,
        )
        with files.report_unreadable():
            others += check_continuity(git, own_place, files, others, traces, read={})
        name, ledger = environment.name, files.ledger()
        own = Book(folder=folder, ledger=ledger, files=files.content, environment=name)
        known[name] = KnownLedger(
            ledger=ledger,
            surroundings=workspace.surroundings(environment, own, others),
            commit=parent,
            shared=shared,
            note=find_unpushed_note(git, place, environment),
        )
    return known


def _read_local_ledger(workspace: Workspace, environment: Environment) -> KnownLedger:
    try:
        own = workspace.local_book(environment)
        around = workspace.surroundings(environment, own)
    except LedgerError as error:
        raise with_restore_command(workspace, error) from None
    return KnownLedger(
        ledger=own.ledger,
        surroundings=around,
        commit=_find_local_commit(workspace),
        note=_describe_source(workspace),
    )


def _describe_source(workspace: Workspace) -> str:
    """Words on which ledger this clone has, and what that means."""
    named = workspace.configuration.git
    if _has_no_remote(workspace):
        return (
            f"offline: the ledger is the working tree's, because this clone has no remote "
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


def _relocate_ledgers(
    ledgers: Mapping[str, CommittedLedger], shelf: Shelf
) -> dict[str, CommittedLedger]:
    """The remote's ledgers, in the folders where they will be once this checkout is merged.

    Where a pull request moves a ledger, the remote still has it in the old folder, and may have
    appended to it there.
    """
    found = dict(ledgers)
    named = shelf.naming.environments.keys() | shelf.naming.retired.keys()
    for folder in sorted(named & shelf.ledgers.keys() - ledgers.keys()):
        text = ledger_text(shelf.ledgers[folder], folder)
        for old in sorted(found.keys() - named - shelf.ledgers.keys()):
            if text and found[old].text().startswith(text):
                found[folder] = replace(found.pop(old), folder=folder)
                break
    return found


def _find_repository(workspace: Workspace) -> Git | None:
    """The clone; None if it has no remote. Raises NoRemoteError if it only has other remotes."""
    git = workspace.git() or Git.at(workspace.root)  # which raises, and says why there is none
    try:
        git.check_remote(workspace.configuration.git.remote)
    except NoRemoteError as error:
        if error.has_others:
            raise
        return None
    return git


def _find_local_commit(workspace: Workspace) -> CommitId | None:
    """The commit whose ledger this clone has; None if it knows none."""
    if workspace.configuration.git.ledger_branch is not None:
        heard = workspace.heard()
        return heard.commit if heard else None
    git = workspace.git()  # None is fine: a folder outside a repository can be planned offline
    try:
        return None if git is None else git.read_worktree_commit()
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
            hint=f"Push it first, or {other_branch_hint()}.",
        )
    return fetched, commit, fetched.tips[named.ledger_branch or fetched.name]
