"""What the read-only commands read: manifests and ledger, from here or from the remote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from reconciler.books import (
    CommittedBooks,
    Naming,
    books_of,
    local_files,
    naming_of,
)
from reconciler.cli.options import CommonOptions
from reconciler.committed import CommittedLedger
from reconciler.configuration import Configuration, Environment
from reconciler.continuity import Place, check_continuity
from reconciler.declaring import Ceiling, read_bounded, read_service
from reconciler.errors import ConfigurationError, GitError
from reconciler.git import CommitId, Git
from reconciler.identity import Book, Surroundings, surroundings
from reconciler.ledger import Ledger, read_events
from reconciler.ledger.files import is_ledger_file
from reconciler.manifest import is_manifest_path, read_file
from reconciler.model import Declared
from reconciler.settings import choose_environments, find_root, read_configuration
from reconciler.worktree import read_worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A folder with a configuration, as a command found it."""

    root: Path
    configuration: Configuration
    environments: list[Environment]  # those that the command is about
    # What was read already: by environment, what its service's environments declare; and books.
    _declared: dict[str, dict[str, Declared]] = field(default_factory=dict, repr=False)
    _shelves: list["_Shelf"] = field(default_factory=list, repr=False)

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
        """What the manifests in the working tree declare. Raises TooManyRunsError."""
        return self._declared_at_service(environment)[environment.name]

    def _declared_at_service(self, environment: Environment) -> dict[str, Declared]:
        if environment.name not in self._declared:
            found = read_service(self.configuration, environment, self._read)
            self._declared.update(dict.fromkeys(found, found))
        return self._declared[environment.name]

    def _read(self, environment: Environment, ceiling: Ceiling) -> Declared:
        is_wanted = partial(is_manifest_path, folder=environment.manifests)
        sources, problems = read_worktree(self.root, environment.manifests, is_wanted)
        zone = environment.gateway.zone
        return read_bounded(
            sources, lambda source, bounds: read_file(source, zone, bounds), problems, ceiling
        )

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
        shelf = self._shelf()
        folder = shelf.prefix + environment.state
        own = Book(folder=folder, ledger=ledger, text=b"")
        others = shelf.besides(folder) if books is None else books
        declared = {
            name: other.runs
            for name, other in self._declared_at_service(environment).items()
            if name != environment.name
        }
        return surroundings(environment, [own, *others], declared, own=folder)

    def _shelf(self) -> "_Shelf":
        if not self._shelves:
            git = self._git()
            prefix = git.prefix if git is not None else ""
            ledgers, configurations = local_files(git)
            naming = naming_of(prefix, self.configuration, configurations)
            self._shelves.append(_Shelf(prefix=prefix, naming=naming, ledgers=ledgers))
        return self._shelves[0]

    def _git(self) -> Git | None:
        """The repository, or None for a folder that is none: it can be validated all the same."""
        try:
            return Git.at(self.root)
        except GitError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """The ledgers that git tracks and that lie in the working tree."""

    prefix: str  # the configuration's folder within the repository
    naming: Naming
    ledgers: dict[str, dict[str, bytes]]  # by folder

    def besides(self, own: str) -> list[Book]:
        """The ledgers of other folders. Raises ConfigurationError, LedgerError."""
        self.naming.check_own(own)
        others = ((folder, files) for folder, files in self.ledgers.items() if folder != own)
        return books_of(self.naming, others)


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
        files = tree.ledger(folder) if tree else CommittedLedger(folder=folder, content={})
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
