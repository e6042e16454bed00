"""Reading a folder of manifests from the working tree."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.links import (
    LEADS_TO_FOLDER,
    Kind,
    Node,
    Refusal,
    is_reported,
    link_problem,
    name_problem,
    printable,
    resolve,
    submodule_problem,
)
from reconciler.model import Place, Problem, Source


def read_worktree(
    root: Path, folder: str, is_wanted: Callable[[str], bool]
) -> tuple[list[Source], list[Problem]]:
    """Every wanted file in the folder and below, in git's order of paths, and what hinders reading.

    `folder`, and the paths that `is_wanted` is asked about, are relative to the root. A link to a
    file inside the root is read under the link's own path; linked folders and repositories inside
    the folder are problems and are not entered. A folder that does not exist holds nothing, as in a
    commit. Raises nothing for what a person can put into a folder: that gives problems.
    """
    reading = _Reading(root=os.fsencode(root), is_wanted=is_wanted)
    found = list(reading.from_root(folder.strip("/")))
    sources = sorted((f for f in found if isinstance(f, Source)), key=lambda source: source.path)
    return sources, sorted(f for f in found if isinstance(f, Problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Paths are bytes to the file system and UTF-8 with surrogates to the rest, as in git."""

    root: bytes
    is_wanted: Callable[[str], bool]

    def from_root(self, folder: str) -> Iterator[Source | Problem]:
        """What the folder holds, unless a link or another repository stands on the way to it."""
        parts = folder.split("/") if folder else []
        for count in range(1, len(parts)):
            path = "/".join(parts[:count])
            if not self._is_plain_folder(path):
                yield from self._in_the_way(path)
                return
        if not folder or self._is_plain_folder(folder):
            yield from self._folder(folder)
        else:
            yield from self._in_the_way(folder)

    def _is_plain_folder(self, path: str) -> bool:
        node = self._look(path)
        return node is not None and node.kind is Kind.FOLDER

    def _in_the_way(self, path: str) -> Iterator[Problem]:
        node = self._look(path)
        if node is None:
            return
        if node.kind is Kind.LINK:
            yield link_problem(path, LEADS_TO_FOLDER)
        elif node.kind is Kind.SUBMODULE:
            yield submodule_problem(path)
        else:
            yield _unreadable(path, "it is not a folder")

    def _folder(self, path: str) -> Iterator[Source | Problem]:
        try:
            with os.scandir(self._real(path)) as listing:
                entries = list(listing)
        except OSError as error:
            yield _unreadable(path, error.strerror)
            return
        for entry in entries:
            name = _decode(entry.name)
            yield from self._entry(entry, f"{path}/{name}" if path else name)

    def _entry(self, entry: os.DirEntry[bytes], path: str) -> Iterator[Source | Problem]:
        if entry.is_symlink():
            yield from self._link(path)
        elif not entry.is_dir():
            if self.is_wanted(path):
                yield self._file(path, path)
        elif self._is_plain_folder(path):
            yield from self._folder(path)
        else:
            yield from self._in_the_way(path)

    def _link(self, path: str) -> Iterator[Source | Problem]:
        is_wanted = self.is_wanted(path)
        end = resolve(path, self._look)
        if isinstance(end, Refusal):
            if is_reported(path, is_wanted=is_wanted):
                yield link_problem(path, end)
        elif is_wanted:
            yield self._file(path, end)

    def _file(self, path: str, real: str) -> Source | Problem:
        """The content of the file `real`, under the name `path`."""
        problem = name_problem(path)
        if problem is not None:
            return problem
        try:
            # To open a pipe would wait for somebody to write into it.
            descriptor = os.open(self._real(real), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return Source(path=path, content=file.read())
        except OSError as error:
            return _unreadable(path, error.strerror)
        return _unreadable(path, "it is not a regular file")

    def _look(self, path: str) -> Node | None:
        """What stands at the path. Git's own folder counts as nothing, as it does in a commit."""
        if path == ".git":
            return None
        real = self._real(path)
        try:
            mode = os.lstat(real).st_mode
            if stat.S_ISLNK(mode):
                return Node(kind=Kind.LINK, target=_decode(os.readlink(real)))  # noqa: PTH115 - a Path cannot hold bytes
        except OSError:
            return None  # to a link that leads there it is as good as absent
        if not stat.S_ISDIR(mode):
            return Node(kind=Kind.FILE)
        is_repository = os.path.lexists(self._real(f"{path}/.git"))
        return Node(kind=Kind.SUBMODULE if is_repository else Kind.FOLDER)

    def _real(self, path: str) -> bytes:
        return b"/".join((self.root, path.encode("utf-8", "surrogateescape")))


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _unreadable(path: str, why: str | None) -> Problem:
    return Problem(
        place=Place(file=printable(path) or "."),
        code="unreadable",
        message=f"cannot be read: {why or 'the system does not say why'}",
    )
