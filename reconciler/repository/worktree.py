"""Reading the working tree without waiting for anything and without following a link.

A checkout can bring links to anywhere. Pipes and devices could make a command wait for ever, or
give more than any memory holds. `named_files` reads the files that a person names.
"""

import os
import stat
from collections.abc import Callable, Iterator
from enum import Enum, auto
from pathlib import Path
from typing import Protocol, assert_never

from msgspec import Struct

from reconciler.configuration import CONFIGURATION
from reconciler.links import (
    is_reported,
    link_problem,
    name_problem,
    no_folder_problem,
    readable_path,
    submodule_problem,
)
from reconciler.model import Place, Problem, Source
from reconciler.numerous import Numerous

MOST_BYTES = 8 << 20  # of one file of manifests: twenty thousand manifests fit
MOST_TOGETHER = 256 << 20  # of all files of a folder
_AHEAD = 1 << 16  # bytes to ask for at once where a file ought to have ended


class KnownFile(Struct, frozen=True, kw_only=True):
    """A wanted file whose content need not be read, because what it says is known."""

    path: str  # relative to the root
    size: int  # bytes
    number: int  # by which its Familiar finds what it says


class Unopened(Numerous, frozen=True, kw_only=True, gc=False):
    """A wanted file that was found, and that its reader must still open."""

    path: str  # relative to the root


FoundFile = Source | KnownFile | Unopened


class Familiar(Protocol):
    """Knows what files say that were read before."""

    def find_by_status(self, path: str, entry: os.DirEntry[bytes]) -> KnownFile | None:
        """The file, if its status shows that it is unchanged; else None."""

    def find_by_content(self, source: Source, found: os.stat_result) -> Source | KnownFile:
        """The file, known if its content is unchanged; `found`: its status before it was read."""


class _FileKind(Enum):
    """What stands at a path."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()
    SUBMODULE = auto()


def read_worktree(
    root: Path,
    folder: str,
    is_wanted: Callable[[str], bool],
    *,
    most: int = MOST_BYTES,
    most_together: int = MOST_TOGETHER,
) -> tuple[list[Source], list[Problem]]:
    """Every wanted file in the folder and below, in git's order of paths, and what hinders reading.

    `folder`, and the paths that `is_wanted` is asked about, are relative to the root. Links in the
    folder or on the way to it from the root, and repositories inside it, are problems and are not
    entered; how the root itself is reached does not matter. A folder that does not exist holds
    nothing, as in a commit. A file of more than `most` bytes is a problem, and reading ends once
    all files together have more than `most_together`. Whatever a person can put into a folder
    raises nothing, and gives problems.
    """
    reading = _FolderReading(root=os.fsencode(root), is_wanted=is_wanted, most=most)
    found, problems = reading.whole(folder, most_together)
    return [one for one in found if isinstance(one, Source)], problems


def read_unfamiliar(
    root: Path, folder: str, is_wanted: Callable[[str], bool], familiar: Familiar
) -> tuple[list[Source | KnownFile], list[Problem]]:
    """As `read_worktree`, but files that are known are not read."""
    reading = _FolderReading(root=os.fsencode(root), is_wanted=is_wanted, familiar=familiar)
    found, problems = reading.whole(folder, MOST_TOGETHER)
    return [one for one in found if not isinstance(one, Unopened)], problems


def list_worktree(
    root: Path, folder: str, is_wanted: Callable[[str], bool]
) -> tuple[list[Unopened], list[Problem]]:
    """As `read_worktree`, but no file is opened, so what hinders that is not found yet."""
    reading = _FolderReading(root=os.fsencode(root), is_wanted=is_wanted, opens=False)
    found, problems = reading.whole(folder, MOST_TOGETHER)
    return [one for one in found if isinstance(one, Unopened)], problems


def opener(root: Path) -> Callable[[str], tuple[Source, os.stat_result] | Problem]:
    """A function from a file's path to its content and its status before it was read."""
    return _FolderReading(root=os.fsencode(root), is_wanted=lambda _: True).open_file


def read_one(root: Path, path: str, most: int) -> Source | Problem:
    """The file at exactly that path, of at most `most` bytes, or the problem that hinders reading.

    Neither the file nor a folder on the way may be a link. As everywhere here, the problem quotes
    nothing that the file holds.
    """
    reading = _FolderReading(root=os.fsencode(root), is_wanted=lambda _: True, most=most)
    return reading.read_path(path)


class _FolderReading(Struct, frozen=True, kw_only=True):
    """Paths are bytes for the file system, and UTF-8 with surrogates elsewhere, as in `git`."""

    root: bytes
    is_wanted: Callable[[str], bool]
    most: int = MOST_BYTES
    familiar: Familiar | None = None
    opens: bool = True

    def whole(self, folder: str, most_together: int) -> tuple[list[FoundFile], list[Problem]]:
        """Every wanted file, in git's order of paths, and what hinders reading."""
        files: list[FoundFile] = []
        problems: list[Problem] = []
        together = 0
        for found in self.walk_from_root(folder.strip("/")):
            if isinstance(found, Problem):
                problems.append(found)
                continue
            together += _size(found)
            if together > most_together:
                problems.append(_too_large_folder_problem(folder, most_together))
                break
            files.append(found)
        return sorted(files, key=lambda one: one.path), sorted(problems)

    def read_path(self, path: str) -> Source | Problem:
        """The file, or a problem if something else stands there or on the way."""
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            part = "/".join(parts[:count])
            if self._look(part) is _FileKind.LINK:
                return link_problem(part)
        return self._read_file(path)

    def walk_from_root(self, folder: str) -> Iterator[FoundFile | Problem]:
        """What the folder holds, unless a link or another repository stands on the way to it."""
        parts = folder.split("/") if folder else []
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            if self._look(path) is not _FileKind.FOLDER:
                yield from self._obstacle_problems(path)
                return
        yield from self._walk_folder(folder)

    def _obstacle_problems(self, path: str) -> Iterator[Problem]:
        match self._look(path):
            case _FileKind.LINK:
                yield link_problem(path)
            case _FileKind.SUBMODULE:
                yield submodule_problem(path)
            case _FileKind.FILE:
                yield no_folder_problem(path)
            case _FileKind.FOLDER | None:
                return

    def _walk_folder(self, top: str) -> Iterator[FoundFile | Problem]:
        """Everything in the folder. Without recursion: a checkout may nest as deep as it likes."""
        ahead = [top]
        while ahead:
            path = ahead.pop()
            try:
                with os.scandir(self._real_path(path)) as listing:
                    entries = list(listing)
            except OSError as error:
                yield _unreadable_problem(path, error.strerror)
                continue
            for entry in entries:
                name = _decode(entry.name)
                inner = f"{path}/{name}" if path else name
                if entry.is_symlink():
                    if is_reported(inner, is_wanted=self.is_wanted(inner)):
                        yield link_problem(inner)
                elif entry.is_dir():
                    if self._look(inner) is _FileKind.FOLDER:
                        ahead.append(inner)
                    else:
                        yield from self._obstacle_problems(inner)
                elif self.is_wanted(inner):
                    yield self._read_wanted(inner, entry)

    def _read_wanted(self, path: str, entry: os.DirEntry[bytes]) -> FoundFile | Problem:
        """The content of the file, unless it is known, or files are not opened."""
        if not self.opens:
            return name_problem(path) or Unopened(path=path)
        if self.familiar is None:
            return self._read_file(path)
        known = self.familiar.find_by_status(path, entry)
        if known is not None:
            return known
        opened = self.open_file(path)
        return opened if isinstance(opened, Problem) else self.familiar.find_by_content(*opened)

    def _read_file(self, path: str) -> Source | Problem:
        """The content of the file."""
        opened = self.open_file(path)
        return opened if isinstance(opened, Problem) else opened[0]

    def open_file(self, path: str) -> tuple[Source, os.stat_result] | Problem:
        """The content of the file, and its status before it was read."""
        problem = name_problem(path)
        if problem is not None:
            return problem
        try:
            # Without O_NONBLOCK, opening a pipe would wait for somebody to write into it.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._real_path(path), flags)
            try:
                found = os.fstat(descriptor)
                if stat.S_ISREG(found.st_mode):
                    content = _read_content(descriptor, found.st_size, self.most)
                    if len(content) > self.most:
                        return too_large_problem(path, self.most)
                    return Source(path=path, content=content), found
            finally:
                os.close(descriptor)
        except OSError as error:
            return _unreadable_problem(path, error.strerror)
        return _unreadable_problem(path, "it is not a regular file")

    def _look(self, path: str) -> _FileKind | None:
        """What stands at the path. Git's own folder counts as nothing, as it does in a commit."""
        if path == ".git":
            return None
        try:
            mode = os.lstat(self._real_path(path)).st_mode
        except OSError:
            return None
        if stat.S_ISLNK(mode):
            return _FileKind.LINK
        if not stat.S_ISDIR(mode):
            return _FileKind.FILE
        is_repository = os.path.lexists(self._real_path(f"{path}/.git"))
        return _FileKind.SUBMODULE if is_repository else _FileKind.FOLDER

    def _real_path(self, path: str) -> bytes:
        return b"/".join((self.root, path.encode("utf-8", "surrogateescape")))


def _size(found: FoundFile) -> int:
    """The file's size in bytes; 0 as long as it is not known."""
    match found:
        case Source():
            return len(found.content)
        case KnownFile():
            return found.size
        case Unopened():
            return 0
        case _:
            assert_never(found)


def _read_content(descriptor: int, size: int, most: int) -> bytes:
    """The file's content, up to one byte more than `most`; the system's `size` may be wrong."""
    content = os.read(descriptor, min(size, most) + 1)
    if len(content) == size:  # less than was asked for, so it ended there
        return content
    while more := os.read(descriptor, min(_AHEAD, most + 1 - len(content))):
        content += more
    return content


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def too_large_problem(path: str, most: int) -> Problem:
    """The problem of a file of more than `most` bytes."""
    remedy = "divide it into several files"
    if path.rpartition("/")[2] == CONFIGURATION:  # of which a folder has one
        remedy = "give some of its environments a folder with a configuration of their own"
    return Problem(
        place=Place(file=readable_path(path)),
        code="too-large",
        message=f"is larger than {most:,} bytes: {remedy}",
    )


def _too_large_folder_problem(folder: str, most: int) -> Problem:
    return Problem(
        place=Place(file=readable_path(folder)),
        code="too-large",
        message=f"holds more than {most:,} bytes of files that are read: take some out of it",
    )


def _unreadable_problem(path: str, why: str | None) -> Problem:
    return Problem(
        place=Place(file=readable_path(path) or "."),
        code="unreadable",
        message=f"cannot be read: {why or 'the system does not say why'}",
    )
