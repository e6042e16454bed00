"""Reading the files of a folder of manifests, each in the cheapest way.

Files that are known are not read. If nothing is known and there are many files, the process that
reads a file opens it and lets go of its content afterwards: opening the files takes a fifth of the
whole time, and their content a third of the memory. This works only while nothing hinders it. A
caller that finds a file that cannot be opened, or more than anybody can mean, begins anew with
`read_unfamiliar`, which finds all that is wrong, and counts no file that cannot be opened.
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import assert_never

from msgspec import Struct, field

from reconciler.expansion import Bounds
from reconciler.manifest import CrowdedError, FileResult, read_file
from reconciler.model import Problem, Source
from reconciler.repository.cache import ReadCache, ReadFile
from reconciler.repository.together import LEAST_FILES, Reader, is_ample, read_unopened, reader
from reconciler.repository.worktree import (
    MOST_TOGETHER,
    FoundFile,
    KnownFile,
    Unopened,
    list_worktree,
    opener,
    read_unfamiliar,
)

_SIZE = 8  # bytes of a note that say how large the file is


class HinderedError(Exception):
    """A file cannot be opened, or all files together are too large or declare too much."""


def find_files(
    root: Path,
    folder: str,
    is_wanted: Callable[[str], bool],
    cache: ReadCache,
    *,
    open_late: bool,
) -> tuple[Sequence[FoundFile], Sequence[Problem]]:
    """The wanted files of the folder, as `read_worktree` finds them, and what hinders reading.

    `open_late`: if there are many files, they are only listed.
    """
    if open_late:
        listed, problems = list_worktree(root, folder, is_wanted)
        if len(listed) >= LEAST_FILES:
            return listed, problems
    return read_unfamiliar(root, folder, is_wanted, cache)


class ManifestReading(Struct, kw_only=True):
    """Reads files one by one, after many of them were read at once."""

    cache: ReadCache
    zone: tzinfo
    open_one: Callable[[str], tuple[Source, bytes] | None]
    read_source: Reader
    opens_late: bool  # whether any file was only listed and must still be opened
    opened: dict[str, tuple[FileResult, bytes]]  # by path, what was opened and read before
    results: dict[str, FileResult] = field(default_factory=dict)  # by path, what was read
    said: list[tuple[ReadFile, FileResult]] = field(default_factory=list)  # for the cache to keep
    size: int = 0  # bytes of what was opened late

    @classmethod
    def of(
        cls,
        root: Path,
        files: Sequence[FoundFile],
        cache: ReadCache,
        zone: tzinfo,
        bounds: Bounds,
    ) -> "ManifestReading":
        """Read what can be read at once. `bounds`: those for the first file.

        Raises ReconcilerError if a process that helps is killed.
        """
        opened = opener(root)

        def open_one(path: str) -> tuple[Source, bytes] | None:
            found = opened(path)
            if isinstance(found, Problem):
                return None
            source, status = found
            return source, len(source.content).to_bytes(_SIZE, "big") + cache.note(source, status)

        unopened = [one.path for one in files if isinstance(one, Unopened)]
        at_once = bool(unopened) and is_ample(bounds, len(unopened))
        return cls(
            cache=cache,
            zone=zone,
            open_one=open_one,
            read_source=reader([one for one in files if isinstance(one, Source)], zone, bounds),
            opens_late=bool(unopened),
            opened=read_unopened(unopened, open_one, zone, bounds) if at_once else {},
        )

    def read(self, file: FoundFile, bounds: Bounds) -> FileResult:
        """What the file says. Raises CrowdedError, TightError, HinderedError."""
        try:
            result = self._read(file, bounds)
        except CrowdedError:
            if self.opens_late:  # the error counts the files left, and some may be unreadable
                raise HinderedError from None
            raise
        self.results[file.path] = result
        return result

    def _read(self, file: FoundFile, bounds: Bounds) -> FileResult:
        match file:
            case Source():
                result = self.read_source(file, bounds)
                self.said.append((file, result))
            case KnownFile():
                result = self.cache.result(file, bounds)
                self.said.append((file, result))
            case Unopened():
                result = self._read_unopened(file.path, bounds)
            case _:
                assert_never(file)
        return result

    def _read_unopened(self, path: str, bounds: Bounds) -> FileResult:
        result, note = self._read_by_path(path, bounds)
        self.size += int.from_bytes(note[:_SIZE], "big")
        if self.size > MOST_TOGETHER:
            raise HinderedError
        if self.cache.path is not None:
            self.said.append((self.cache.let_go(path, note[_SIZE:]), result))
        return result

    def _read_by_path(self, path: str, bounds: Bounds) -> tuple[FileResult, bytes]:
        known = self.opened.pop(path, None)
        if known is not None and bounds.left - known[0].made >= bounds.backfill:
            return known
        opened = self.open_one(path)
        if opened is None:
            raise HinderedError
        return read_file(opened[0], self.zone, bounds), opened[1]
