"""Reading manifests and ledger from a commit's tree.

What a sparse checkout leaves out is read as git has it too, and never taken for deleted. Such a
file is in the index, with a mark, and not on the disk. So what it holds is known, also where a
partial clone must fetch it first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from reconciler.errors import LedgerError
from reconciler.git import Git, ObjectId, TreeEntry
from reconciler.ledger import ACTIVE, Ledger, read_events
from reconciler.ledger.files import is_ledger_file, ledger_text
from reconciler.links import (
    is_reported,
    link_problem,
    name_problem,
    no_folder_problem,
    submodule_problem,
)
from reconciler.model import Problem, Source
from reconciler.repository.worktree import too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedFile:
    """A file of a commit: the blob that holds its content, and the path it is known by."""

    path: str
    oid: ObjectId


def wanted_files(
    entries: Iterable[TreeEntry], folder: str, is_wanted: Callable[[str], bool]
) -> tuple[list[CommittedFile], list[Problem]]:
    """The wanted files among the entries, and what hinders reading.

    The entries are those in the folder, and whatever stands in its place or on the way to it.
    By the same rules as `read_worktree`, so that a pull request's checkout and the merged commit
    say the same.
    """
    files: list[CommittedFile] = []
    problems: list[Problem] = []
    for entry in entries:
        problem = _hindrance(entry, folder, is_wanted)
        if problem is not None:
            problems.append(problem)
        elif entry.is_file and is_wanted(entry.path):
            files.append(CommittedFile(path=entry.path, oid=entry.oid))
    return files, problems


def _hindrance(entry: TreeEntry, folder: str, is_wanted: Callable[[str], bool]) -> Problem | None:
    """Why an entry cannot be read, whatever it holds."""
    path, wanted = entry.path, is_wanted(entry.path)
    in_its_place = not path.startswith(f"{folder}/") and bool(folder)  # it, or one on the way to it
    if entry.is_submodule:
        return submodule_problem(path)
    if entry.is_link and (in_its_place or is_reported(path, is_wanted=wanted)):
        return link_problem(path)
    if in_its_place:
        return no_folder_problem(path)
    return name_problem(path) if wanted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedLedger:
    """The ledger's files as one commit holds them."""

    folder: str  # relative to the repository's root
    content: dict[str, bytes] = field(repr=False)  # by name within the folder

    @classmethod
    def read(cls, git: Git, folder: str, entries: Iterable[TreeEntry]) -> "CommittedLedger":
        """Read the ledger's files among the entries of a commit's tree.

        Raises GitError, and LedgerError where a link or a repository has taken a file's place.
        """
        files: dict[str, ObjectId] = {}
        for entry in entries:
            if is_ledger_file(entry.path, folder):
                if not entry.is_file:
                    raise LedgerError(f"{entry.path}: not a file; restore it from the history")
                files[entry.path.rpartition("/")[2]] = entry.oid
        blobs = git.read_blobs(files.values())
        return cls(folder=folder, content={name: blobs[oid] for name, oid in files.items()})

    def ledger(self) -> Ledger:
        """Fold the events. Raises LedgerError."""
        return Ledger.of(read_events(self.content, self.folder))

    def with_changes(self, changes: dict[str, bytes | None]) -> "CommittedLedger":
        """The same ledger after those files were written or (None) deleted."""
        content = self.content | {name: new for name, new in changes.items() if new is not None}
        for name, new in changes.items():
            if new is None:
                del content[name]
        return CommittedLedger(folder=self.folder, content=content)

    def continues(self, before: "CommittedLedger") -> bool:
        """Whether everything that stood in the ledger before stands there still, in its place.

        Sealing and folding only move the borders between files, so all files together are one
        text that only grows.
        """
        new, old = self.text(), before.text()
        return new.startswith(old)

    def text(self) -> bytes:
        """All files together, in the order in which they were written."""
        return ledger_text(self.content, self.folder)

    @property
    def active(self) -> bytes:
        """The content of the file that is appended to."""
        return self.content.get(ACTIVE, b"")


def read_left_out(
    git: Git | None, folder: str, is_wanted: Callable[[str], bool], most: int
) -> tuple[list[Source], list[Problem]]:
    """Every wanted file at or below the folder that is left out here, and what hinders reading.

    Paths are relative to the folder in which the repository was looked for. A file of more than
    `most` bytes is a problem, and so is a link. Raises GitError if git cannot read one.
    """
    if git is None:
        return [], []
    listed = git.tracked(f":(top,literal){git.prefix}{folder}").left_out()
    shown = [replace(one, path=_shown(git, one)) for one in listed]
    files, problems = wanted_files(shown, folder, is_wanted)
    blobs, large = git.read_bounded_blobs((one.oid for one in files), most)
    problems.extend(too_large(one.path, most) for one in files if one.oid in large)
    kept = [one for one in files if one.oid not in large]
    return [Source(path=one.path, content=blobs[one.oid]) for one in kept], problems


def told(count: int, folder: str) -> str:
    """What to say of so many files."""
    files = "1 file is" if count == 1 else f"{count} files are"
    return (
        f"{files} left out of {folder} by a sparse checkout, and read as git has "
        f"{'it' if count == 1 else 'them'}"
    )


def _shown(git: Git, entry: TreeEntry) -> str:
    return str(PurePosixPath(entry.path).relative_to(git.prefix or "."))
