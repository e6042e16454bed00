"""What files of manifests said the last time, so that only those that are others are read again.

A file is known by what the system says of it, or else by a digest of what it holds; what it says
follows from that content, the zone, the limits and this program alone, all of which the cache's key
holds. Only files without a problem are kept: one with a problem is read each time, and its messages
have their places from there. The commands that start nothing use it; an apply does not.
docs/decisions/0026-a-cache-of-what-was-read.md says why.
"""

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace
from yaml._yaml import get_version_string

from reconciler import __version__
from reconciler.configuration import Environment
from reconciler.expansion import Bounds
from reconciler.git import Git
from reconciler.manifest import FileResult
from reconciler.manifest.packing import pack, unpack
from reconciler.model import Source
from reconciler.repository.cache_file import (
    UNSURE,
    CacheContent,
    Kept,
    clock_of,
    load,
    save,
    status_of,
)
from reconciler.repository.worktree import KnownFile
from reconciler.times import ZONES_VERSION

SWITCH = "RECONCILER_CACHE"  # an environment variable; `off`: neither read nor written
_LEAST_FILES = 200  # with fewer to keep, looking for what is kept costs what it saves
_FEW = 200  # one in so many files is read again, rather than all be written anew
_SETTLED_NS = 2_000_000_000  # some file systems count in steps of two seconds
_SKEW_NS = 1_000_000_000

# All of this program that decides what a file says; a test compares it with what is imported.
_READERS = (
    *("__init__.py", "counting.py", "errors.py", "links.py", "model.py", "numerous.py"),
    *("selection.py", "times.py", "expansion", "manifest", "schema", "schemas", "webhooks.py"),
)
_LIBRARIES = ("pyyaml", "msgspec", "jsonschema", "jsonschema-rs")


class FileLetGo(Struct, frozen=True, kw_only=True):
    """A file that was read, and whose content nobody holds any more."""

    path: str
    status: bytes  # with which it may be kept
    digest: bytes


ReadFile = Source | KnownFile | FileLetGo


class TightError(Exception):
    """So few more runs may be declared that each file must be read in its turn."""


class ReadCache(Struct, kw_only=True):
    """What the files of one environment's folder said, and what they say now."""

    path: Path | None = None  # None: nothing is known, and nothing will be kept
    asked: tuple[object, ...] = ()  # of whoever reads a file, besides what it holds
    until: int = 0  # the instant up to which the times of manifests may lie
    _began: int = field(default_factory=time.time_ns)
    _content: CacheContent | None = None
    _results: dict[str, FileResult] = field(default_factory=dict)  # by path, once asked for
    # What was read here, by path, and the status with which it may be kept.
    _seen: dict[str, tuple[Source | KnownFile, bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, git: Git | None, environment: Environment, bounds: Bounds) -> "ReadCache":
        """The environment's; outside a repository, or where nobody wants one, it keeps nothing."""
        if git is None or git.own is None or bounds.window is None or _is_off():
            return cls()
        named = f"{git.prefix}\0{environment.name}\0{environment.manifests}"
        name = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        window = bounds.window
        found = cls(
            path=git.own / "reconciler" / f"{name}.cache",
            asked=(
                str(environment.gateway.zone),
                bounds.backfill,
                window.since,
                bounds.sensitive,
            ),
            until=window.until,
        )
        found._read()
        return found

    def _read(self) -> None:
        """Read what was kept, if it is to be believed.

        Times that were allowed once still are, unless the clock went back or the limit was lowered.
        """
        if self.path is None or not os.path.lexists(self.path):
            return  # without having worked out the key
        content = load(self.path, self._key())
        if content is not None and content.until <= self.until:
            self._content = content

    def _key(self) -> bytes:
        """A digest of everything besides a file's content that decides what it says."""
        return hashlib.sha256(repr((self.asked, _program())).encode()).digest()

    def by_status(self, path: str, entry: os.DirEntry[bytes]) -> KnownFile | None:
        """The file, if nothing that the system says of it has changed since it was read."""
        number = self._content.numbers.get(path) if self._content else None
        if self._content is None or number is None:
            return None
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # what is wrong with it, opening it will tell
            return None
        status = status_of(found)
        if self._content.statuses[number] != status or status == UNSURE:
            return None
        return KnownFile(path=path, size=found.st_size, number=number)

    def by_content(self, source: Source, found: os.stat_result) -> Source | KnownFile:
        """The file, if it holds what it held; `found` was told of it before it was read."""
        file = self._compared(source)
        self._seen[source.path] = file, self._sure_status(found)
        return file

    def _compared(self, source: Source) -> Source | KnownFile:
        number = self._content.numbers.get(source.path) if self._content else None
        if self._content is None or number is None:
            return source
        if self._content.kept(number).digest != _digest(source):
            return source
        return KnownFile(path=source.path, size=len(source.content), number=number)

    def _sure_status(self, found: os.stat_result) -> bytes:
        """The file's status, unless it changed so late that another change would not show in it.

        Of two changes in one tick of the file system's clock the second leaves the times as they
        are: git calls such a file racy.
        """
        newest = max(found.st_mtime_ns, found.st_ctime_ns)
        return status_of(found) if newest <= self._began - _SETTLED_NS else UNSURE

    @property
    def knows_nothing(self) -> bool:
        """Whether each file must be read, as for the first time."""
        return self._content is None

    def note(self, source: Source, found: os.stat_result) -> bytes:
        """What is kept of the file, as bytes; `found` was told of it before it was read."""
        return b"" if self.path is None else self._sure_status(found) + _digest(source)

    @staticmethod
    def let_go(path: str, note: bytes) -> FileLetGo:
        """The file of which that was noted."""
        size = len(UNSURE)
        return FileLetGo(path=path, status=note[:size], digest=note[size:])

    def result(self, file: KnownFile, bounds: Bounds) -> FileResult:
        """What the file says. Raises TightError where that could depend on how many others say."""
        if not self._results and self._content is not None:
            self._results = {one.file: one for one in unpack(self._content.results)}
        result = self._results[file.path]
        if bounds.left - result.made < bounds.backfill:
            raise TightError
        return result

    def keep(self, found: Sequence[tuple[ReadFile, FileResult]]) -> None:
        """Keep what the files say, if enough of it is new; all that is not among them is let go.

        Of those that were read elsewhere, or are not there yet, nothing is kept.
        """
        if self.path is None:
            return
        kept = [(file, result) for file, result in found if self._may_be_kept(file, result)]
        lacking = sum(self._is_lacking(file) for file, _ in kept)
        held = len(self._content.numbers) if self._content else 0
        if lacking > max(_LEAST_FILES, len(kept) // _FEW) or held > 2 * max(
            len(kept), _LEAST_FILES
        ):
            self._save(self.path, kept)

    def _is_lacking(self, file: ReadFile) -> bool:
        """Whether the next command would gain from it, were it kept as it is now."""
        return not isinstance(file, KnownFile) or self._status(file) not in {None, UNSURE}

    def _may_be_kept(self, file: ReadFile, result: FileResult) -> bool:
        if isinstance(file, KnownFile):
            return True
        of_backfill = any("/" in run.name for run in result.runs)
        is_plain = not (result.problems or result.notes or of_backfill)
        return is_plain and self._status(file) is not None

    def _status(self, file: ReadFile) -> bytes | None:
        """The status with which a file that was read here may be kept; None of any other."""
        if isinstance(file, FileLetGo):
            return file.status
        seen, status = self._seen.get(file.path, (None, None))
        return status if seen is file else None

    def _save(self, path: Path, found: Sequence[tuple[ReadFile, FileResult]]) -> None:
        try:
            is_sure = _is_in_step(path)
        except OSError:  # git's folder is not for this user to write
            return
        files: dict[str, Kept] = {}
        for file, _ in found:
            status = (self._status(file) if is_sure else None) or UNSURE
            if isinstance(file, Source):
                files[file.path] = Kept(status=status, digest=_digest(file))
            elif isinstance(file, FileLetGo):
                files[file.path] = Kept(status=status, digest=file.digest)
            elif self._content is not None:
                old = self._content.kept(file.number)
                is_known_by_status = self._status(file) is None
                files[file.path] = old if is_known_by_status else replace(old, status=status)
        if len(files) < _LEAST_FILES:
            files.clear()
        save(path, self._key(), self.until, files, pack(result for _, result in found))


def _is_off() -> bool:
    return os.environ.get(SWITCH, "").lower() == "off"


def _is_in_step(path: Path) -> bool:
    """Whether files have their times from the clock that this process reads.

    That of a network's file server may be another. Raises OSError.
    """
    return abs(clock_of(path) - time.time_ns()) < _SKEW_NS


def _digest(source: Source) -> bytes:
    return hashlib.sha256(source.content).digest()


@cache
def _program() -> tuple[str, ...]:
    """This program, and what else it runs on, as far as it decides what a file says."""
    from importlib.metadata import version  # which takes longer than all else of a small repository

    return (
        __version__,
        sys.version,
        ZONES_VERSION,
        *map(version, _LIBRARIES),
        str(get_version_string()),
        _source_digest(),
    )


def _source_digest() -> str:
    """A digest of the modules and schemas: a development version has one number for many of them.

    By content, so that it is the same wherever and whenever the program is installed.
    """
    whole = hashlib.sha256()
    package = files("reconciler")
    for name in _READERS:
        for one in _files_of(package / name):
            content = one.read_bytes()
            whole.update(f"{one.name} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def _files_of(place: Traversable) -> list[Traversable]:
    if not place.is_dir():  # or, where there are compiled modules alone, the version must do
        return [place] if place.is_file() else []
    found = sorted(place.iterdir(), key=lambda one: one.name)
    return [one for one in found if one.name.endswith((".py", ".json"))]
