"""Reading manifests and ledger from a commit's tree.

Files that a sparse checkout leaves out are read as git has them too, and never taken for deleted.
Such a file is in the index, with a mark, and not on the disk. So its content is known, even if a
partial clone must fetch it first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, takewhile
from pathlib import PurePosixPath
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from reconciler.counting import format_count
from reconciler.errors import LedgerError
from reconciler.git import Git, ObjectId, Tracked, TreeEntry
from reconciler.ledger import ACTIVE, Ledger, read_events
from reconciler.ledger.files import is_folded, is_ledger_file, ledger_order, ledger_text
from reconciler.links import (
    is_reported,
    link_problem,
    name_problem,
    no_folder_problem,
    submodule_problem,
)
from reconciler.model import Place, Problem, Source
from reconciler.repository.worktree import too_large_problem


class CommittedFile(Struct, frozen=True, kw_only=True):
    """A file of a commit: the blob that holds its content, and the path it is known by."""

    path: str
    oid: ObjectId


def wanted_files(
    entries: Iterable[TreeEntry], folder: str, is_wanted: Callable[[str], bool]
) -> tuple[list[CommittedFile], list[Problem]]:
    """The wanted files among the entries, and what hinders reading.

    The entries are those in the folder, and whatever stands in its place or on the way to it. The
    rules are those of `read_worktree`, so that a pull request's checkout and the merged commit say
    the same.
    """
    files: list[CommittedFile] = []
    problems: list[Problem] = []
    for entry in entries:
        problem = _entry_problem(entry, folder, is_wanted)
        if problem is not None:
            problems.append(problem)
        elif entry.is_file and is_wanted(entry.path):
            files.append(CommittedFile(path=entry.path, oid=entry.oid))
    return files, problems


def _entry_problem(
    entry: TreeEntry, folder: str, is_wanted: Callable[[str], bool]
) -> Problem | None:
    """The problem that an entry is, whatever it holds; None if it may be read."""
    path, wanted = entry.path, is_wanted(entry.path)
    in_its_place = not path.startswith(f"{folder}/") and bool(folder)  # or on the way to it
    if entry.is_submodule:
        return submodule_problem(path)
    if entry.is_link and (in_its_place or is_reported(path, is_wanted=wanted)):
        return link_problem(path)
    if in_its_place:
        return no_folder_problem(path)
    return name_problem(path) if wanted else None


_FOLDED_AT_ONCE = 4  # some megabytes: content that is let go leaves gaps of that size in memory


class FilesOnDemand(Mapping[str, bytes]):
    """A ledger's files by name. Each is read when somebody asks for it.

    A ledger of 100,000 runs has 60 MB, and most callers only compare it, file by file.
    """

    def is_as_in(self, other: Mapping[str, bytes], name: str) -> bool:
        """Whether a file that both ledgers have is the same in both."""
        return self[name] == other[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.keys() == other.keys() and all(self.is_as_in(other, name) for name in self)

    __hash__ = None  # type: ignore[assignment] # as that of a dict


class LedgerFiles(FilesOnDemand):
    """A ledger's files as git holds them.

    If two ledgers have a file's blob in common, the file is known to be the same without reading
    it. Only the files that were read last are kept. Reading raises GitError.
    """

    def __init__(
        self,
        git: Git,
        blobs: Mapping[str, ObjectId],
        written: Mapping[str, bytes] | None = None,  # those whose blobs are not known
    ) -> None:
        self._git = git
        self.blobs = blobs
        self._written = written or {}
        self._read: Mapping[ObjectId, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        if name in self._written:
            return self._written[name]
        oid = self.blobs[name]
        if oid not in self._read:
            self._read = self._git.read_blobs(self._portion(name))
        return self._read[oid]

    def _portion(self, name: str) -> list[ObjectId]:
        """The blobs that one process of git reads: the file's and those beside it.

        They are a few folded files, which are large, or all other files, which are small: an append
        may fold all of these.
        """
        alike = sorted(one for one in self.blobs if is_folded(one) == is_folded(name))
        first = alike.index(name) // _FOLDED_AT_ONCE * _FOLDED_AT_ONCE
        wanted = alike[first : first + _FOLDED_AT_ONCE] if is_folded(name) else alike
        return [self.blobs[one] for one in wanted]

    def __contains__(self, name: object) -> bool:
        return name in self.blobs or name in self._written  # Mapping's method would read the file

    def __iter__(self) -> Iterator[str]:
        return chain(self.blobs, self._written)

    def __len__(self) -> int:
        return len(self.blobs) + len(self._written)

    def is_as_in(self, other: Mapping[str, bytes], name: str) -> bool:
        """Whether a file that both have is the same in both; one blob is always the same."""
        if isinstance(other, LedgerFiles) and name in self.blobs and name in other.blobs:
            return self.blobs[name] == other.blobs[name]
        return super().is_as_in(other, name)

    def with_changes(self, changes: Mapping[str, bytes | None]) -> Self:
        """The same files after the changes: written, or (None) deleted."""
        blobs = {name: oid for name, oid in self.blobs.items() if name not in changes}
        written = {**self._written, **changes}
        new = {name: content for name, content in written.items() if content is not None}
        return type(self)(self._git, blobs, new)


class CommittedLedger(Struct, frozen=True, kw_only=True):
    """The ledger's files as one commit holds them."""

    folder: str  # relative to the repository's root
    content: LedgerFiles  # by name within the folder

    @classmethod
    def read(cls, git: Git, folder: str, entries: Iterable[TreeEntry]) -> "CommittedLedger":
        """The ledger's files among the entries of a commit's tree.

        Raises LedgerError where a link or a repository has taken a file's place.
        """
        files: dict[str, ObjectId] = {}
        for entry in entries:
            if is_ledger_file(entry.path, folder):
                if not entry.is_file:
                    raise LedgerError(f"{entry.path}: not a file; restore it from the history")
                files[entry.path.rpartition("/")[2]] = entry.oid
        return cls(folder=folder, content=LedgerFiles(git, files))

    def ledger(self) -> Ledger:
        """Fold the events. Raises GitError, LedgerError."""
        return Ledger.of(read_events(self.content, self.folder))

    @contextmanager
    def report_unreadable(self) -> Iterator[None]:
        """If the block finds the ledger wrong, report first a line of it that cannot be read.

        A conflict marker, for instance, makes the text differ from what is remembered. Its file and
        line help more than a message that events are lost. Raises LedgerError.
        """
        try:
            yield
        except LedgerError:
            deque(read_events(self.content, self.folder), maxlen=0)
            raise

    def with_changes(self, changes: dict[str, bytes | None]) -> "CommittedLedger":
        """The same ledger after the changes to its files: written, or (None) deleted."""
        return replace(self, content=self.content.with_changes(changes))

    def continues(self, before: "CommittedLedger") -> bool:
        """Whether everything that the ledger held before is still there, in its place.

        Sealing and folding only move the borders between files, so all files together are one
        text that only grows. Raises GitError, LedgerError.
        """
        alike = before.alike(self.content, self.folder)
        return self.text(without=alike).startswith(before.text(without=alike))

    def alike(self, files: Mapping[str, bytes], folder: str) -> int:
        """How many files, counted from the oldest, are the same as those of another ledger.

        Raises GitError, LedgerError.
        """
        pairs = zip(
            _order_names(self.content, self.folder), _order_names(files, folder), strict=False
        )
        same = takewhile(
            lambda two: two[0] == two[1] and self.content.is_as_in(files, two[0]), pairs
        )
        return sum(1 for _ in same)

    def text(self, *, without: int = 0) -> bytes:
        """All files together in the order in which they were written, without the oldest `without`.

        Raises GitError, LedgerError.
        """
        return ledger_text(self.content, self.folder, without=without)

    @property
    def active(self) -> bytes:
        """The content of the file that is appended to."""
        return self.content.get(ACTIVE, b"")


def _order_names(files: Mapping[str, bytes], folder: str) -> list[str]:
    names = ledger_order(files, folder)
    return [*names, ACTIVE] if ACTIVE in files else names


def converted_problems(
    git: Git, tracked: Tracked, folder: str, paths: Iterable[str]
) -> Iterator[Problem]:
    """A problem for each attribute that has git convert files, placed at the first such file.

    An apply reads the commit, so it would read another text than was reviewed in the checkout.
    """
    found: dict[str, list[str]] = {}
    asked = (git.prefix + path for path in paths)
    for one in git.find_conversions(tracked, git.prefix + folder, asked):
        found.setdefault(one.attribute, []).append(one.path.removeprefix(git.prefix))
    for attribute, its in found.items():
        more = f" and {format_count(len(its) - 1, 'more file')}" if len(its) > 1 else ""
        yield Problem(
            place=Place(file=its[0]),
            code="converted",
            message=f".gitattributes has git convert this file{more} between commit and checkout "
            f"({attribute}), and an apply reads the commit: what is reviewed here may not be what "
            "is started; take the attribute off manifests and configuration",
        )


def read_left_out(
    git: Git, tracked: Tracked, folder: str, is_wanted: Callable[[str], bool], most: int
) -> tuple[list[Source], list[Problem]]:
    """Every wanted file at or below the folder that is not checked out, and what hinders reading.

    Paths are relative to the folder in which the repository was looked for. A file of more than
    `most` bytes is a problem, and so is a link. Raises GitError if git cannot read one.
    """
    shown = [replace(one, path=_shown_path(git, one)) for one in tracked.left_out()]
    files, problems = wanted_files(shown, folder, is_wanted)
    blobs, large = git.read_bounded_blobs((one.oid for one in files), most)
    problems.extend(too_large_problem(one.path, most) for one in files if one.oid in large)
    kept = [one for one in files if one.oid not in large]
    return [Source(path=one.path, content=blobs[one.oid]) for one in kept], problems


def describe_left_out(count: int, folder: str) -> str:
    """What to say of so many files that are not checked out."""
    files = "1 file is" if count == 1 else f"{count} files are"
    return (
        f"{files} left out of {folder} by a sparse checkout, and read as git has "
        f"{'it' if count == 1 else 'them'}"
    )


def _shown_path(git: Git, entry: TreeEntry) -> str:
    return str(PurePosixPath(entry.path).relative_to(git.prefix or "."))
