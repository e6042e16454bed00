"""Reading manifests and ledger from a commit's tree."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.errors import LedgerError
from reconciler.git import CommitId, Git, ObjectId, TreeEntry
from reconciler.ledger import ACTIVE, Ledger, read_events
from reconciler.ledger.files import is_ledger_file, ledger_text
from reconciler.links import (
    Refusal,
    is_reported,
    link_problem,
    name_problem,
    no_folder_problem,
    submodule_problem,
)
from reconciler.model import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedFile:
    """A file of a commit: the blob that holds its content, and the path it is known by."""

    path: str
    oid: ObjectId


def wanted_files(
    git: Git,
    commit: CommitId,
    entries: Iterable[TreeEntry],
    folder: str,
    is_wanted: Callable[[str], bool],
) -> tuple[list[CommittedFile], list[Problem]]:
    """The wanted files among the entries of the folder, links followed, and what hinders reading.

    By the same rules as `read_worktree`, so that a pull request's checkout and the merged commit
    say the same.
    """
    files: list[CommittedFile] = []
    problems: list[Problem] = []
    links: list[TreeEntry] = []
    for entry in entries:
        problem = _unreadable(entry, folder, is_wanted)
        if problem is not None:
            problems.append(problem)
        elif entry.is_link:
            links.append(entry)
        elif is_wanted(entry.path):
            files.append(CommittedFile(path=entry.path, oid=entry.oid))
    for path, end in git.resolve_links(commit, links).items():
        if isinstance(end, Refusal):
            if is_reported(path, is_wanted=is_wanted(path)):
                problems.append(link_problem(path, end))
        elif is_wanted(path):
            files.append(CommittedFile(path=path, oid=end.oid))
    return files, problems


def _unreadable(entry: TreeEntry, folder: str, is_wanted: Callable[[str], bool]) -> Problem | None:
    """Why an entry cannot be read, whatever it holds."""
    if is_wanted(entry.path) and (problem := name_problem(entry.path)) is not None:
        return problem
    if entry.is_submodule:
        return submodule_problem(entry.path)
    return no_folder_problem(entry.path) if entry.is_file and entry.path == folder else None


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
