"""What the read-only commands read: manifests and ledger, from here or from the remote."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from reconciler.books import (
    MOST_OF_LEDGER,
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
from reconciler.declaring import Ceiling, of_service, read_bounded, read_related
from reconciler.errors import ConfigurationError, GitError
from reconciler.git import CommitId, Git
from reconciler.git.remote import NoRemoteError
from reconciler.identity import Book, Surroundings, surroundings
from reconciler.ledger import Ledger, read_events
from reconciler.ledger.files import is_ledger_file, ledger_text
from reconciler.machine import LocalClock
from reconciler.manifest import is_manifest_path, read_file
from reconciler.manifest.left_out import no_folder, notes_of
from reconciler.model import Declared, EpochMs, Problem, Source
from reconciler.settings import CONFIGURATION, choose_environments, find_root, read_configuration
from reconciler.sparse import read_left_out, told
from reconciler.worktree import MOST_BYTES, MOST_TOGETHER, read_worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A folder with a configuration, as a command found it."""

    root: Path
    configuration: Configuration
    environments: list[Environment]  # those that the command is about
    # What was read already: by environment, what it and those related to it declare; and books.
    _declared: dict[str, dict[str, Declared]] = field(default_factory=dict, repr=False)
    _shelves: list["Shelf"] = field(default_factory=list, repr=False)
    _gits: list[Git | None] = field(default_factory=list, repr=False)
    left_out: dict[str, str] = field(default_factory=dict, repr=False)  # by folder, what to say
    _now: EpochMs = field(default_factory=LocalClock().wall, repr=False)

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
        return self._declared_by_related(environment)[environment.name]

    def _declared_by_related(self, environment: Environment) -> dict[str, Declared]:
        if environment.name not in self._declared:
            found = read_related(self.configuration, environment, self._read, now=self._now)
            self._declared.update(dict.fromkeys(found, found))
        return self._declared[environment.name]

    def _read(self, environment: Environment, ceiling: Ceiling) -> Declared:
        folder, passed_over = environment.manifests, set[str]()

        def is_wanted(path: str) -> bool:
            if is_manifest_path(path, folder):
                return True
            passed_over.add(path)
            return False

        sources, problems = self._sources(folder, is_wanted, MOST_BYTES)
        zone = environment.gateway.zone
        declared = read_bounded(
            sources,
            lambda source, bounds: read_file(source, zone, bounds),
            problems,
            ceiling,
            zone=zone,
        )
        notes = sorted(notes_of(passed_over, folder))
        if not (sources or problems or (self.root / folder).exists()):
            notes = [no_folder(environment.name, folder, CONFIGURATION)]
        return replace(declared, notes=tuple(sorted((*declared.notes, *notes))))

    def _sources(
        self, folder: str, is_wanted: Callable[[str], bool], most: int, *, is_ledger: bool = False
    ) -> tuple[list[Source], list[Problem]]:
        """The files of a folder, also those that a sparse checkout leaves out."""
        sources, problems = read_worktree(
            self.root,
            folder,
            is_wanted,
            follows=not is_ledger,  # as in a commit
            most=most,
            most_together=MOST_OF_LEDGER if is_ledger else MOST_TOGETHER,
        )
        absent, hindered = read_left_out(self.git(), folder, is_wanted, most)
        if absent:
            self.left_out[folder] = told(len(absent), folder)
        found = sorted((*sources, *absent), key=lambda source: source.path)
        return found, sorted((*problems, *hindered))

    def local_book(self, environment: Environment) -> Book:
        """The ledger in the working tree. Raises LedgerError."""
        is_wanted: Callable[[str], bool] = partial(is_ledger_file, folder=environment.state)
        sources, problems = self._sources(
            environment.state, is_wanted, MOST_OF_LEDGER, is_ledger=True
        )
        if problems:
            raise ConfigurationError(f"the ledger cannot be read: {problems[0]}")
        files = {source.path.rpartition("/")[2]: source.content for source in sources}
        return Book(
            folder=self.shelf().prefix + environment.state,
            ledger=Ledger.of(read_events(files, environment.state)),
            text=ledger_text(files, environment.state),
            environment=environment.name,
        )

    def surroundings(
        self, environment: Environment, own: Book, others: Sequence[Book] | None = None
    ) -> Surroundings:
        """What the rest of the repository says about the environment.

        `others`: the other ledgers; without them, those of the working tree. Raises LedgerError.
        """
        others = self.shelf().besides(environment) if others is None else others
        found = self._declared_by_related(environment)
        beside = of_service(self.configuration, environment)
        declared = {name: found[name].runs for name in beside if name != environment.name}
        return surroundings(environment, [own, *others], declared, own=own.folder)

    def shelf(self) -> "Shelf":
        """The ledgers of the working tree, listed once."""
        if not self._shelves:
            git = self.git()
            prefix = git.prefix if git is not None else ""
            ledgers, configurations = local_files(git)
            naming = naming_of(prefix, self.configuration, configurations)
            self._shelves.append(Shelf(prefix=prefix, naming=naming, ledgers=ledgers))
        return self._shelves[0]

    def git(self) -> Git | None:
        """The repository, or None for a folder that is none: it can be validated all the same."""
        if not self._gits:
            try:
                self._gits.append(Git.at(self.root))
            except GitError:
                self._gits.append(None)
        return self._gits[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The ledgers that git tracks and that lie in the working tree."""

    prefix: str  # the configuration's folder within the repository
    naming: Naming
    ledgers: dict[str, dict[str, bytes]]  # by folder

    def besides(self, environment: Environment) -> list[Book]:
        """The ledgers of other folders. Raises ConfigurationError, LedgerError."""
        self.naming.check_own(self.prefix, environment)
        own = self.prefix + environment.state
        others = ((folder, files) for folder, files in self.ledgers.items() if folder != own)
        return books_of(self.naming, others)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLedger:
    """A ledger, and where it was read."""

    ledger: Ledger
    surroundings: Surroundings
    commit: str | None  # None: from the working tree
    tip: CommitId | None = None  # of the shared branch; None: it was not read
    note: str | None  # what a person should know about where it was read


def read_ledgers(workspace: Workspace, *, offline: bool) -> dict[str, KnownLedger]:
    """The ledger of each environment: the remote branch's, fetched, or else the local one.

    Raises GitError where there is a remote and it cannot be read.
    """
    git = None if offline else _repository(workspace)
    if git is None:
        return {
            environment.name: _local_ledger(workspace, environment)
            for environment in workspace.environments
        }
    branch, commit, parent = _fetch(git, workspace.configuration)
    shelf = workspace.shelf()
    remote = workspace.configuration.git.remote
    tree = CommittedBooks(git, parent) if parent is not None else None
    ledgers = _moved(tree.by_folder() if tree else {}, shelf)
    beside = CommittedBooks(git, commit).by_folder() if parent != commit else {}
    known = {}
    for environment in workspace.environments:
        shelf.naming.check_own(git.prefix, environment)
        folder = git.prefix + environment.state
        if tree is not None:
            tree.check_folder(folder)
        files = ledgers.get(folder) or CommittedLedger(folder=folder, content={})
        contents = {one: found.content for one, found in (beside | ledgers).items()}
        contents.pop(folder, None)
        others = books_of(shelf.naming, contents.items())
        place = Place(
            remote=remote, branch=branch, environment=environment, commit=commit, parent=parent
        )
        others += check_continuity(git, place, files, others, read={})
        own = Book(
            folder=folder, ledger=files.ledger(), text=files.text(), environment=environment.name
        )
        known[environment.name] = KnownLedger(
            ledger=own.ledger,
            surroundings=workspace.surroundings(environment, own, others),
            commit=parent,
            tip=commit,
            note=_unpushed(git, commit, environment, remote),
        )
    return known


def _local_ledger(workspace: Workspace, environment: Environment) -> KnownLedger:
    own = workspace.local_book(environment)
    return KnownLedger(
        ledger=own.ledger,
        surroundings=workspace.surroundings(environment, own),
        commit=_head(workspace),
        note="offline: the ledger is the working tree's, and may be behind",
    )


def _moved(ledgers: Mapping[str, CommittedLedger], shelf: Shelf) -> dict[str, CommittedLedger]:
    """The remote's ledgers as they will lie once this checkout is merged.

    Where a pull request moves a ledger, the remote has it in the old folder still, and has perhaps
    gone on with it.
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


def _unpushed(git: Git, commit: CommitId, environment: Environment, remote: str) -> str | None:
    here = git.differing(commit, git.prefix + environment.manifests)
    if not here:
        return None
    what = f"{len(here)} files differ" if len(here) > 1 else f"{here[0]} differs"
    return f"{what} from {remote}'s branch: an apply goes by the branch, once they are there"


def _repository(workspace: Workspace) -> Git | None:
    """The clone, if it has any remote. Raises NoRemoteError if that is not the configured one."""
    git = workspace.git() or Git.at(workspace.root)  # the second says why there is none
    try:
        git.check_remote(workspace.configuration.git.remote)
    except NoRemoteError as error:
        if error.has_others:
            raise
        return None
    return git


def _head(workspace: Workspace) -> CommitId | None:
    git = workspace.git()  # a folder that is no repository can be planned offline as well
    try:
        return None if git is None else git.working_tree_commit()
    except GitError:
        return None


def _fetch(git: Git, configuration: Configuration) -> tuple[str, CommitId, CommitId | None]:
    """Fetch the tips of the manifests' branch, which is named, and of the ledger's, if any."""
    remote = configuration.git.remote
    named = configuration.git
    ledger_branch = [named.ledger_branch] if named.ledger_branch else []
    branch, tips = git.fetch_shared(remote, named.branch, ledger_branch)
    commit = tips[branch]
    if commit is None:
        raise GitError(
            f"{remote} has no branch {branch}",
            hint="Push it first, or name another one in reconciler.yaml (git.branch).",
        )
    return branch, commit, tips[named.ledger_branch or branch]
