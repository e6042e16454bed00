"""What the read-only commands read: manifests and ledger, from here or from the remote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.books import (
    CommittedBooks,
    books_of,
    local_files,
    naming_of,
    of_the_same_service,
)
from reconciler.cli.options import CommonOptions
from reconciler.committed import CommittedLedger
from reconciler.configuration import Configuration, Environment
from reconciler.continuity import Place, check_continuity
from reconciler.errors import ConfigurationError, GitError
from reconciler.git import CommitId, Git
from reconciler.identity import Book, Surroundings, surroundings
from reconciler.ledger import Ledger, read_events
from reconciler.ledger.files import is_ledger_file
from reconciler.manifest import combine, is_manifest_path, read_file
from reconciler.model import Declared
from reconciler.settings import choose_environments, find_root, read_configuration
from reconciler.worktree import read_worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A folder with a configuration, as a command found it."""

    root: Path
    configuration: Configuration
    environments: list[Environment]  # those that the command is about

    @classmethod
    def find(cls, options: CommonOptions) -> "Workspace":
        """Find and read it. Raises ConfigurationError."""
        root = find_root(options.repo)
        configuration = read_configuration(root)
        return cls(
            root=root,
            configuration=configuration,
            environments=choose_environments(configuration, options.env),
        )

    def declared(self, environment: Environment) -> Declared:
        """What the manifests in the working tree declare."""
        is_wanted = partial(is_manifest_path, folder=environment.manifests)
        sources, problems = read_worktree(self.root, environment.manifests, is_wanted)
        zone, limits = environment.gateway.zone, environment.limits
        results = (
            read_file(source, zone, max_runs=limits.max_runs_per_backfill, most=limits.max_runs)
            for source in sources
        )
        return combine(results, problems, most=limits.max_runs)

    def local_ledger(self, environment: Environment) -> Ledger:
        """The ledger in the working tree. Raises LedgerError."""
        is_wanted: Callable[[str], bool] = partial(is_ledger_file, folder=environment.state)
        sources, problems = read_worktree(self.root, environment.state, is_wanted)
        if problems:
            raise ConfigurationError(f"the ledger cannot be read: {problems[0]}")
        files = {source.path.rpartition("/")[2]: source.content for source in sources}
        return Ledger.of(read_events(files, environment.state))

    def surroundings(
        self, environment: Environment, ledger: Ledger, books: Sequence[Book] | None = None
    ) -> Surroundings:
        """What the rest of the repository says about the environment; `books`: its other ledgers.

        Without `books`, they are those of the working tree. Raises LedgerError.
        """
        git = self._git()
        prefix = git.prefix if git is not None else ""
        own = Book(folder=prefix + environment.state, ledger=ledger, text=b"")
        others = self.local_books(git, own.folder) if books is None else books
        declared = {
            other.name: self.declared(other).runs
            for other in of_the_same_service(self.configuration, environment)
        }
        return surroundings(environment, [own, *others], declared, own=own.folder)

    def local_books(self, git: Git | None, own: str) -> list[Book]:
        """The other ledgers that git tracks and that lie in the working tree."""
        ledgers, configurations = local_files(git)
        naming = naming_of(
            git.prefix if git is not None else "", self.configuration, configurations
        )
        naming.check_own(own)
        return books_of(naming, ((one, files) for one, files in ledgers.items() if one != own))

    def _git(self) -> Git | None:
        """The repository, or None for a folder that is none: it can be validated all the same."""
        try:
            return Git.at(self.root)
        except GitError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLedger:
    """A ledger, and where it was read."""

    ledger: Ledger
    surroundings: Surroundings
    commit: str | None  # None: from the working tree
    note: str | None  # what a person should know about where it was read


def read_ledgers(workspace: Workspace, *, offline: bool) -> dict[str, KnownLedger]:
    """The ledger of each environment: the remote branch's, fetched, or else the local one.

    Raises GitError where there is a remote and it cannot be read.
    """
    git = None if offline else _repository(workspace)
    if git is None:
        note = "offline: the ledger is the working tree's, and may be behind"
        return {
            environment.name: KnownLedger(
                ledger=(ledger := workspace.local_ledger(environment)),
                surroundings=workspace.surroundings(environment, ledger),
                commit=_head(workspace),
                note=note,
            )
            for environment in workspace.environments
        }
    branch, commit, parent = _fetch(git, workspace.configuration)
    _, configurations = local_files(git)
    naming = naming_of(git.prefix, workspace.configuration, configurations)
    tree = CommittedBooks(git, parent) if parent is not None else None
    remote = workspace.configuration.git.remote
    known = {}
    for environment in workspace.environments:
        folder = git.prefix + environment.state
        naming.check_own(folder)
        files = CommittedLedger.read(git, folder, tree.under(folder) if tree else [])
        folders = [one for one in tree.folders if one != folder] if tree else []
        others = books_of(naming, ((one, tree.ledger(one).content) for one in folders if tree))
        place = Place(
            remote=remote, branch=branch, environment=environment, commit=commit, parent=parent
        )
        others += check_continuity(git, place, files, others)
        ledger = files.ledger()
        known[environment.name] = KnownLedger(
            ledger=ledger,
            surroundings=workspace.surroundings(environment, ledger, others),
            commit=parent,
            note=_unpushed(git, commit, environment, remote),
        )
    return known


def _unpushed(git: Git, commit: CommitId, environment: Environment, remote: str) -> str | None:
    here = git.differing(commit, git.prefix + environment.manifests)
    if not here:
        return None
    what = f"{len(here)} files differ" if len(here) > 1 else f"{here[0]} differs"
    return f"{what} from {remote}'s branch: an apply goes by the branch, once they are there"


def _repository(workspace: Workspace) -> Git | None:
    """The clone, if it has the configured remote."""
    git = Git.at(workspace.root)
    return git if git.has_remote(workspace.configuration.git.remote) else None


def _head(workspace: Workspace) -> CommitId | None:
    try:
        return Git.at(workspace.root).working_tree_commit()
    except GitError:  # a folder that is no repository can be planned offline as well
        return None


def _fetch(git: Git, configuration: Configuration) -> tuple[str, CommitId, CommitId | None]:
    """Fetch the tips of the manifests' branch, which is named, and of the ledger's, if any."""
    remote = configuration.git.remote
    branch = configuration.git.branch or git.default_branch(remote)
    ledger_branch = configuration.git.ledger_branch or branch
    tips = git.fetch(remote, sorted({branch, ledger_branch}))
    commit = tips[branch]
    if commit is None:
        raise GitError(
            f"{remote} has no branch {branch}",
            hint="Push it first, or name another one in reconciler.yaml (git.branch).",
        )
    return branch, commit, tips[ledger_branch]
