"""Every ledger of a repository: those of a commit and those of a working tree."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import PurePosixPath

from reconciler.configuration import (
    CONFIGURATION,
    Configuration,
    Environment,
    folders_overlap,
    parse_configuration,
)
from reconciler.errors import ConfigurationError, LedgerError
from reconciler.git import CommitId, Git, ObjectId, Tracked, TreeEntry
from reconciler.git.lasting import MOST_KEPT
from reconciler.identity import Book, Listed, service_of
from reconciler.ledger import Ledger, read_events
from reconciler.ledger.events import Service
from reconciler.ledger.files import LEDGER, check_places, is_ledger_name
from reconciler.ledger.lines import looks_like_event
from reconciler.model import Problem, Source
from reconciler.repository.committed import CommittedLedger, FilesOnDemand
from reconciler.repository.settings import MOST_OF_CONFIGURATION
from reconciler.repository.worktree import read_one
from reconciler.schema.paths import pointer

MOST_OF_LEDGER = 1 << 30  # bytes: more than a million runs

_LEDGERS = ":(top,glob)**/ledger*.jsonl"
_CONFIGURATIONS = f":(top,glob)**/{CONFIGURATION}"


class Naming:
    """Which folders the configurations of a repository name, and as what.

    Folders are relative to the repository's root, though each configuration may lie in a folder of
    its own.
    """

    def __init__(self) -> None:
        self.environments: dict[str, tuple[str, Service]] = {}  # by folder: environment and service
        self.retired: dict[str, Listed] = {}  # by folder: where it is listed
        self.unreadable: list[str] = []  # folders of configurations that cannot be read
        self._folders: list[tuple[str, str, str]] = []  # configuration, folder, what it is there
        self._books: dict[str, tuple[Mapping[str, bytes], Book | None]] = {}  # by folder

    def add(self, prefix: str, configuration: Configuration) -> None:
        """Add a configuration that lies in the folder `prefix` (`""`, or ending in a slash)."""
        for environment in configuration.environments.values():
            service = service_of(environment.gateway)
            self.environments[prefix + environment.state] = environment.name, service
            for folder, what in _folders_of(environment):
                self._folders.append((prefix + CONFIGURATION, prefix + folder, what))
        for number, folder in enumerate(configuration.retired):
            listed = pointer(("retired", number))
            place = configuration.place_of(listed)
            self.retired[prefix + folder] = Listed(pointer=listed, place=place)

    def add_file(self, path: str, content: bytes) -> None:
        """Add another configuration of the repository, or note that it cannot be read."""
        prefix = path.removesuffix(CONFIGURATION)
        try:
            self.add(prefix, parse_configuration(Source(path=path, content=content)))
        except ConfigurationError:
            self.unreadable.append(prefix)

    def check_own(self, prefix: str, environment: Environment) -> None:
        """Raise ConfigurationError if folders of another configuration overlap the environment's.

        `prefix`: the folder in which the configuration of the environment lies.
        """
        for path, folder, what in self._folders:
            for own, kind in _folders_of(environment):
                if path != prefix + CONFIGURATION and folders_overlap(prefix + own, folder):
                    raise ConfigurationError(
                        f"{path} names {folder} as {what}, which lies in, around or at "
                        f"{prefix + own}, the {kind}",
                        hint="Give each environment of the repository folders of its own.",
                    )

    def book(self, folder: str, content: Mapping[str, bytes]) -> Book | None:
        """The ledger in the folder; None if no configuration names it and it is none of ours.

        Each is read once, however many environments ask. Raises LedgerError for one that is named,
        or ours, and cannot be read.
        """
        known = self._books.get(folder)
        if known is None or known[0] is not content:
            known = self._books[folder] = content, self._book(folder, content)
        return known[1]

    def _book(self, folder: str, content: Mapping[str, bytes]) -> Book | None:
        named = folder in self.environments or folder in self.retired
        if not named and not is_ours(content):
            return None
        environment, service = self.environments.get(folder, (None, None))
        known = named or any(folder.startswith(prefix) for prefix in self.unreadable if prefix)
        return Book(
            folder=folder,
            ledger=Ledger.of(read_events(content, folder)),
            files=content,
            environment=environment,
            configured=service,
            named=known,
            retired=None if folder in self.environments else self.retired.get(folder),
        )


def _folders_of(environment: Environment) -> list[tuple[str, str]]:
    return [
        (environment.manifests, f"manifests of environment {environment.name}"),
        (environment.state, f"state of environment {environment.name}"),
    ]


def is_ours(content: Mapping[str, bytes]) -> bool:
    """Whether any line looks like one of our events, in whatever format.

    One such line is enough, so that a damaged ledger is not passed over: reading all of it says
    where the damage is.
    """
    return any(map(looks_like_event, b"\n".join(content.values()).splitlines()))


class CommittedBooks:
    """The ledgers and configurations of one commit's whole tree."""

    def __init__(self, git: Git, commit: CommitId) -> None:
        self._git = git
        self._tree = git.read_tree(commit)
        self._ledgers: dict[str, CommittedLedger] = {}

    def under(self, folder: str) -> list[TreeEntry]:
        """The entries at or in the folder."""
        return self._tree.under(folder)

    def folder(self, path: str) -> ObjectId | None:
        """The id of the folder's tree; None if there is no folder."""
        return self._tree.folder(path)

    def read_ahead(self, folder: str) -> None:
        """Read at once what an apply asks for one by one: ledgers, configurations, and the folder.

        Raises GitError.
        """
        if self._tree.has_more(folder, MOST_KEPT):
            return  # none of them would be kept
        entries = (*self._tree.entries_beginning(CONFIGURATION, LEDGER), *self.under(folder))
        self._git.read_small_blobs(one.oid for one in entries if one.is_file)

    def entries_above(self, folder: str) -> list[TreeEntry]:
        """What stands in place of a folder above this one: one entry, or none."""
        parts = folder.split("/")
        above = (self._tree.at("/".join(parts[:count])) for count in range(1, len(parts)))
        return [entry for entry in above if entry is not None]

    def check_folder(self, folder: str) -> None:
        """Raise LedgerError if anything but a folder stands at a ledger's folder or on the way.

        Likewise if a folder stands where one of the ledger's files belongs.
        """
        own = self._tree.at(folder)
        for entry in (*self.entries_above(folder), *(() if own is None else (own,))):
            raise LedgerError(
                f"{entry.path} is a link, a file or a repository of its own, and the ledger's "
                f"folder {folder} lies there",
                hint="Put the folder itself in its place (`git mv`), or name another as `state`.",
            )
        check_places((one.path for one in self.under(folder)), folder)

    def read_configurations(self, besides: str) -> dict[str, bytes]:
        """Every `reconciler.yaml` of the tree except `besides`, by its path."""
        found = {
            one.path: one.oid
            for one in self._tree.entries_beginning(CONFIGURATION)
            if one.is_file and one.path != besides and _base(one.path) == CONFIGURATION
        }
        blobs = self._git.read_blobs(found.values())
        return {path: blobs[oid] for path, oid in found.items()}

    @cached_property
    def _in_folders(self) -> dict[str, list[TreeEntry]]:
        found: dict[str, list[TreeEntry]] = {}
        for one in self._tree.entries_beginning(LEDGER):
            folder, _, name = one.path.rpartition("/")
            if is_ledger_name(name):
                found.setdefault(folder, []).append(one)
        return found

    @property
    def folders(self) -> list[str]:
        """The folders that hold a file with the name of a ledger file."""
        return list(self._in_folders)

    def read_by_folder(self) -> dict[str, CommittedLedger]:
        """Every ledger of the tree. Raises GitError, LedgerError."""
        return {folder: self.ledger(folder) for folder in self.folders}

    def ledger(self, folder: str) -> CommittedLedger:
        """The ledger's files in that folder. Raises GitError, LedgerError."""
        if folder not in self._ledgers:
            entries = self._in_folders.get(folder, [])
            self._ledgers[folder] = CommittedLedger.read(self._git, folder, entries)
        return self._ledgers[folder]


class LocalLedger(FilesOnDemand):
    """A ledger's files in the working tree; none is kept. Reading may raise LedgerError."""

    def __init__(self, paths: Mapping[str, str], read: Callable[[str], bytes]) -> None:
        self._paths = paths  # by name
        self._read = read

    def __getitem__(self, name: str) -> bytes:
        return self._read(self._paths[name])

    def __contains__(self, name: object) -> bool:
        return name in self._paths  # the method that Mapping has would read the file

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def list_local_files(git: Git, folders: Iterable[str] = ()) -> Tracked:
    """What git tracks of ledgers and configurations here, and at or in these folders of ledgers."""
    whole = (f":(top,literal){git.prefix}{folder}" for folder in folders)
    return git.list_tracked(_LEDGERS, _CONFIGURATIONS, *whole)


def read_local_files(
    git: Git, tracked: Tracked
) -> tuple[Mapping[str, Mapping[str, bytes]], dict[str, bytes]]:
    """The ledgers by folder, and the other configurations by path, among the tracked files.

    Files that a sparse checkout leaves out count as git has them. Paths are relative to the
    repository's root.
    """
    left_out = [one for one in tracked.left_out() if one.is_file]
    blobs = git.read_blobs(one.oid for one in left_out)
    absent = {one.path: blobs[one.oid] for one in left_out}
    ledgers: dict[str, dict[str, str]] = {}  # paths, by folder and name
    configurations: dict[str, bytes] = {}

    def read(path: str, most: int) -> bytes:
        return absent[path] if path in absent else _read_local(git, path, most)

    for path in tracked.paths():
        place = git.root / os.fsdecode(path.encode("utf-8", "surrogateescape"))
        is_here = place.is_file() and not place.is_symlink()
        if not is_here and path not in absent:
            continue  # deleted here, or a link: `read_worktree` reports those in named folders
        folder, _, name = path.rpartition("/")
        if name == CONFIGURATION:
            configurations[path] = read(path, MOST_OF_CONFIGURATION)
        elif is_ledger_name(name):
            ledgers.setdefault(folder, {})[name] = path
    configurations.pop((git.prefix + CONFIGURATION), None)
    read_ledger = partial(read, most=MOST_OF_LEDGER)
    found = {folder: LocalLedger(paths, read_ledger) for folder, paths in ledgers.items()}
    return found, configurations


def _read_local(git: Git, path: str, most: int) -> bytes:
    """The content of a file here. Raises LedgerError if it cannot be read."""
    found = read_one(git.root, path, most)
    if isinstance(found, Problem):
        raise LedgerError(f"what is recorded here cannot be known: {found}")
    return found.content


def naming_of(prefix: str, configuration: Configuration, others: Mapping[str, bytes]) -> Naming:
    """What all configurations of a repository name; `configuration` lies in `prefix`."""
    naming = Naming()
    naming.add(prefix, configuration)
    for path, content in others.items():
        naming.add_file(path, content)
    return naming


def books_of(naming: Naming, ledgers: Iterable[tuple[str, Mapping[str, bytes]]]) -> list[Book]:
    """The ledgers that are named, or are ours. Raises LedgerError."""
    found = (naming.book(folder, content) for folder, content in ledgers)
    return [book for book in found if book is not None]


def _base(path: str) -> str:
    return PurePosixPath(path).name
