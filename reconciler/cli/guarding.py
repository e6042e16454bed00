"""Comparing the ledgers of a checkout with those of the branch that it will be merged into."""

from collections.abc import Mapping

from reconciler.cli.fetching import KnownLedger
from reconciler.cli.reading import Workspace
from reconciler.cli.saying import say
from reconciler.errors import ConfigurationError, LedgerError
from reconciler.git import CommitId, Git
from reconciler.ledger.guarding import Files, Guarded, Ledgers, edited
from reconciler.model import Problem
from reconciler.repository.books import CommittedBooks, Naming, is_ours
from reconciler.repository.committed import CommittedLedger


def edited_ledgers(workspace: Workspace, known: KnownLedger, *, quiet: bool) -> list[Problem]:
    """The ledgers of the working tree that are no beginning of the shared branch's.

    None where that branch was not read. Raises GitError.
    """
    git = workspace.git()
    if git is None or known.tip is None:
        return []
    named = f"{known.remote}/{known.branch}"
    return _edited(workspace, git, known.tip, known.books, named, remote=known.remote, quiet=quiet)


def edited_since(workspace: Workspace, revision: str, *, quiet: bool) -> list[Problem]:
    """The same, compared with what a revision has that this clone knows; without network.

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
    return _edited(workspace, git, commit, books, revision, remote=None, quiet=quiet)


def _edited(
    workspace: Workspace,
    git: Git,
    tip: CommitId,
    books: Mapping[str, CommittedLedger],
    named: str,
    *,
    remote: str | None,
    quiet: bool,
) -> list[Problem]:
    naming = workspace.shelf().naming
    here = _ours(naming, workspace.shelf().ledgers)
    branch = _ours(naming, {folder: one.content for folder, one in books.items()})
    if here == branch:
        return []
    fork = None
    if workspace.configuration.git.ledger_branch is None:
        fork = _at_fork(naming, git, tip, remote, quiet=quiet)
    return edited(Guarded(fork=fork, here=here, branch=branch, named=named, prefix=git.prefix))


def _at_fork(
    naming: Naming, git: Git, tip: CommitId, remote: str | None, *, quiet: bool
) -> Ledgers | None:
    """The ledgers that the checkout set out from; None where this cannot be told."""
    forks = git.forks(remote, tip)
    if forks is None:
        if not quiet:
            say(_UNSEEN)
        return None
    try:
        found = CommittedBooks(git, forks[0]).by_folder()
    except LedgerError:  # a link in a ledger's place, long ago: whoever reads the branch tells
        return None
    return _ours(naming, {folder: one.content for folder, one in found.items()})


_UNSEEN = (
    "note: this clone does not show where the checkout parted from the branch, so lines that it "
    "took away from the end of a ledger are not seen: fetch more of the history"
)


def _ours(naming: Naming, ledgers: Mapping[str, Files]) -> Ledgers:
    """Those that are a reconciler's: other files may have the same names."""
    named = naming.environments.keys() | naming.retired
    return {folder: files for folder, files in ledgers.items() if folder in named or is_ours(files)}
