"""What the read-only commands read in the working tree: configuration, manifests and ledgers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.cli.clock import LocalClock
from reconciler.cli.options import CommonOptions
from reconciler.configuration import CONFIGURATION, Configuration, Environment
from reconciler.errors import ConfigurationError, GitError
from reconciler.git import CommitId, Git, Tracked
from reconciler.identity import Book, Surroundings, surroundings
from reconciler.ledger import Ledger, read_events
from reconciler.ledger.files import Ledgers, check_places, concerns_ledger, ledger_text
from reconciler.manifest import FileResult, is_manifest_path
from reconciler.manifest.read import missing_folder_note, notes_of
from reconciler.model import Declared, EpochMs, Problem, Source
from reconciler.repository.books import (
    MOST_OF_LEDGER,
    CommittedBooks,
    Naming,
    books_of,
    list_local_files,
    naming_of,
    read_local_files,
)
from reconciler.repository.cache import ReadCache, TightError
from reconciler.repository.committed import converted_problems, describe_left_out, read_left_out
from reconciler.repository.declaring import (
    Ceiling,
    read_bounded,
    read_related,
    service_environments,
)
from reconciler.repository.manifest_files import HinderedError, ManifestReading, find_files
from reconciler.repository.settings import choose_environments, find_root, read_configuration
from reconciler.repository.worktree import MOST_BYTES, FoundFile, read_worktree


class LinkedLedgerError(ConfigurationError):
    """The ledger's place holds something that is not a plain file; `problem` says what."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"the ledger cannot be read: {problem}")
        self.problem = problem


class Workspace(Struct, frozen=True, kw_only=True):
    """The folder of a configuration, and what a command reads there."""

    root: Path
    configuration: Configuration
    environments: list[Environment]  # those that the command is about
    # What was read already. `_declared` has, by environment, what it and related ones declare.
    _declared: dict[str, dict[str, Declared]] = field(default_factory=dict)
    _shelves: list["Shelf"] = field(default_factory=list)
    _tracked: list[Tracked] = field(default_factory=list)
    _gits: list[Git | None] = field(default_factory=list)
    _heard: list["HeardBranch | None"] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # by folder, a note for the user
    parsed: dict[str, dict[str, FileResult]] = field(default_factory=dict)  # by path
    now: EpochMs = field(default_factory=LocalClock().wall)
    unwritten: Source | None = None  # a file that is checked before it is written

    @classmethod
    def find(cls, options: CommonOptions) -> "Workspace":
        """Find the folder and read its configuration. Raises ConfigurationError."""
        root = find_root(options.repo)
        configuration = read_configuration(root)
        return cls(
            root=root,
            configuration=configuration,
            environments=choose_environments(configuration, options.env),
        )

    def read_declared(self, environment: Environment) -> Declared:
        """What the manifests in the working tree declare. Raises TooManyRunsError."""
        return self._read_related(environment)[environment.name]

    def take(self, environment: Environment) -> Declared:
        """The same for the last caller: the runs are not kept here, as there may be very many."""
        self.parsed.pop(environment.name, None)
        return self._read_related(environment).pop(environment.name)

    def _read_related(self, environment: Environment) -> dict[str, Declared]:
        if environment.name not in self._declared.get(environment.name, ()):
            found = read_related(self.configuration, environment, self._read, now=self.now)
            self._declared.update(dict.fromkeys(found, found))
        return self._declared[environment.name]

    def _read(self, environment: Environment, ceiling: Ceiling) -> Declared:
        cache = ReadCache.of(self.git(), environment, ceiling.bounds)
        try:
            return self._read_manifests(cache, environment, ceiling, open_late=cache.knows_nothing)
        except TightError:
            return self._read_manifests(ReadCache(), environment, ceiling)
        except HinderedError:
            return self._read_manifests(cache, environment, ceiling)

    def _read_manifests(
        self,
        cache: ReadCache,
        environment: Environment,
        ceiling: Ceiling,
        *,
        open_late: bool = False,
    ) -> Declared:
        folder, passed_over = environment.manifests, set[str]()

        def is_wanted(path: str) -> bool:
            if is_manifest_path(path, folder):
                return True
            passed_over.add(path)
            return False

        found, problems = find_files(self.root, folder, is_wanted, cache, open_late=open_late)
        tracked = self._list_tracked(folder)
        files, problems = self._add_left_out(
            found, problems, tracked, folder, is_wanted, MOST_BYTES
        )
        problems = sorted((*problems, *self._find_conversions(tracked, folder, files)))
        zone, bounds = environment.gateway.zone, ceiling.bounds.but(left=ceiling.left)
        reading = ManifestReading.of(self.root, files, cache, zone, bounds)
        declared = read_bounded(files, reading.read, problems, ceiling, zone=zone)
        cache.keep(reading.said)
        self.parsed.setdefault(environment.name, {}).update(reading.results)
        refused = {problem.place.file for problem in problems}  # such as links: no note needed
        notes = sorted(
            one for one in notes_of(passed_over, folder) if one.place.file not in refused
        )
        if not (files or problems or (self.root / folder).exists()):
            place = environment.place_of(environment.manifests_pointer)
            notes = [missing_folder_note(environment.name, folder, place)]
        return replace(declared, notes=tuple(sorted((*declared.notes, *notes))))

    def _list_tracked(self, folder: str) -> Tracked | None:
        """What the index holds in the folder; None outside a repository."""
        git = self.git()
        return None if git is None else git.list_tracked(f":(top,literal){git.prefix}{folder}")

    def _find_conversions(
        self, tracked: Tracked | None, folder: str, files: Iterable[FoundFile]
    ) -> Iterable[Problem]:
        git = self.git()
        if git is None or tracked is None:
            return ()
        paths = (CONFIGURATION, *(file.path for file in files))
        return converted_problems(git, tracked, folder, paths)

    def _add_left_out(
        self,
        found: Iterable[FoundFile],
        problems: Iterable[Problem],
        tracked: Tracked | None,
        folder: str,
        is_wanted: Callable[[str], bool],
        most: int,
    ) -> tuple[list[FoundFile], list[Problem]]:
        """A folder's files and problems, with those of files that a sparse checkout leaves out."""
        git, absent, hindered = self.git(), list[Source](), list[Problem]()
        if git is not None and tracked is not None:
            absent, hindered = read_left_out(git, tracked, folder, is_wanted, most)
        if absent:
            self.left_out[folder] = describe_left_out(len(absent), folder)
        more = [self.unwritten] if self.unwritten and is_wanted(self.unwritten.path) else []
        files = sorted((*found, *absent, *more), key=lambda one: one.path)
        return files, sorted((*problems, *hindered))

    def local_book(self, environment: Environment) -> Book:
        """The ledger as this clone knows it (see `_find_heard_branch`).

        Raises LedgerError, LinkedLedgerError.
        """
        is_wanted: Callable[[str], bool] = partial(concerns_ledger, folder=environment.state)
        most = MOST_OF_LEDGER
        found, problems = read_worktree(
            self.root, environment.state, is_wanted, most=most, most_together=most
        )
        git, tracked = self.git(), self._list_ledgers()
        if git is not None and tracked is not None:
            tracked = tracked.under(git.prefix + environment.state)
        sources, problems = self._add_left_out(
            found, problems, tracked, environment.state, is_wanted, most
        )
        if problems:
            raise LinkedLedgerError(problems[0])
        check_places((one.path for one in sources), environment.state)
        here = {
            one.path.rpartition("/")[2]: one.content for one in sources if isinstance(one, Source)
        }
        folder = self.shelf().prefix + environment.state
        files = _newest_ledger(folder, here, self._heard_ledgers())
        return Book(
            folder=folder,
            ledger=Ledger.of(read_events(files, environment.state)),
            files=files,
            environment=environment.name,
        )

    def surroundings(
        self, environment: Environment, own: Book, others: Sequence[Book] | None = None
    ) -> Surroundings:
        """What the rest of the repository says about the environment.

        `others`: the other ledgers; None means those that this clone knows. Raises LedgerError.
        """
        others = (
            self.shelf().other_books(environment, self._heard_ledgers())
            if others is None
            else others
        )
        found = self._read_related(environment)
        beside = service_environments(self.configuration, environment)
        declared = {name: found[name].runs for name in beside if name != environment.name}
        return surroundings(environment, [own, *others], declared, own=own.folder)

    def _list_ledgers(self) -> Tracked | None:
        """What the index holds of ledgers and configurations; None outside a repository."""
        git = self.git()
        if git is not None and not self._tracked:
            folders = (one.state for one in self.configuration.environments.values())
            self._tracked.append(list_local_files(git, folders))
        return self._tracked[0] if self._tracked else None

    def shelf(self) -> "Shelf":
        """The ledgers of the working tree, which are listed only once."""
        if not self._shelves:
            git, tracked = self.git(), self._list_ledgers()
            prefix = git.prefix if git is not None else ""
            found = read_local_files(git, tracked) if git and tracked else ({}, {})
            naming = naming_of(prefix, self.configuration, found[1])
            self._shelves.append(Shelf(prefix=prefix, naming=naming, ledgers=found[0]))
        return self._shelves[0]

    def heard(self) -> "HeardBranch | None":
        """`git.ledgerBranch` as this clone last fetched it; see `_find_heard_branch`."""
        if not self._heard:
            self._heard.append(_find_heard_branch(self.git(), self.configuration))
        return self._heard[0]

    def _heard_ledgers(self) -> Ledgers:
        heard = self.heard()
        return heard.ledgers if heard else {}

    def git(self) -> Git | None:
        """The repository; None if the folder is in none, which `validate` allows."""
        if not self._gits:
            try:
                self._gits.append(Git.at(self.root))
            except GitError:
                self._gits.append(None)
        return self._gits[0]


class HeardBranch(Struct, frozen=True, kw_only=True):
    """The ledgers' own branch at one commit."""

    commit: CommitId
    ledgers: Ledgers


class Shelf(Struct, frozen=True, kw_only=True):
    """The ledgers that git tracks and that lie in the working tree."""

    prefix: str  # the configuration's folder within the repository
    naming: Naming
    ledgers: Ledgers

    def other_books(self, environment: Environment, heard: Ledgers) -> list[Book]:
        """The ledgers of other folders. Raises ConfigurationError, LedgerError."""
        self.naming.check_own(self.prefix, environment)
        own = self.prefix + environment.state
        folders = sorted({*self.ledgers, *heard} - {own})
        others = ((one, _newest_ledger(one, self.ledgers.get(one, {}), heard)) for one in folders)
        return books_of(self.naming, others)


def _find_heard_branch(git: Git | None, configuration: Configuration) -> HeardBranch | None:
    """The ledgers' own branch as this clone last fetched it.

    Where the ledger has a branch of its own, the working tree has no ledger, and would say that
    nothing was ever started. None where there is no such branch, or this clone does not have its
    content. Raises LedgerError.
    """
    named = configuration.git
    if git is None or named.ledger_branch is None:
        return None
    try:
        tip = git.resolve_commit(f"refs/remotes/{named.remote}/{named.ledger_branch}")
        found = CommittedBooks(git, tip).read_by_folder() if tip else None
    except GitError:  # a partial clone without its remote, which cannot fetch what it lacks
        return None
    if tip is None or found is None:
        return None
    return HeardBranch(commit=tip, ledgers={folder: one.content for folder, one in found.items()})


def _newest_ledger(folder: str, here: Mapping[str, bytes], heard: Ledgers) -> Mapping[str, bytes]:
    """A folder's ledger: the one last fetched, if it continues the one here, or else the one here.

    Raises LedgerError.
    """
    there = heard.get(folder)
    if there is None:
        return here
    goes_on = ledger_text(there, folder).startswith(ledger_text(here, folder))
    return there if goes_on else here
