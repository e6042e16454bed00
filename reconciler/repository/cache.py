"""What files of manifests said the last time, so that only files that have changed are read again.

A file is known by its status in the file system, or else by a digest of its content. What it says
follows from that content, the zone, the limits and this program alone; the cache's key holds the
last three. Only files without a problem, a note or a backfill are kept: a file with a problem is
read each time, because its messages take their places from it. A commit's file is known by the id
of its blob. An apply reads what it starts again, without the cache, before it claims it.
docs/decisions/0026-a-cache-of-what-was-read.md says why.
"""

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace
from yaml._yaml import get_version_string

from reconciler import __version__
from reconciler.configuration import Environment
from reconciler.expansion import Bounds
from reconciler.git import Git, ObjectId
from reconciler.manifest import FileResult
from reconciler.model import Source
from reconciler.repository.cache_file import (
    NO_OID,
    UNSURE,
    CacheContent,
    Kept,
    load,
    oid_of,
    read_file_clock,
    save,
    status_of,
)
from reconciler.repository.worktree import KnownFile
from reconciler.times import ZONES_VERSION

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SWITCH = "RECONCILER_CACHE"  # an environment variable; `off`: neither read nor written
_LEAST_FILES = 200  # with fewer files to keep, looking them up costs what it saves
_FEW = 200  # if only one in so many files is new, it is read again rather than all written anew
_SETTLED_NS = 2_000_000_000  # some file systems count in steps of two seconds
_SKEW_NS = 1_000_000_000

# The parts of this program that decide what a file says; a test compares them with the imports.
_READERS = (
    *("__init__.py", "bundled.py", "counting.py", "enos", "errors.py", "escapes.py", "links.py"),
    *("model.py", "numerous.py", "selection.py", "times.py", "webhooks.py"),
    *("expansion", "manifest", "schema", "schemas"),
)
_LIBRARIES = ("pyyaml", "msgspec", "jsonschema", "jsonschema-rs")


class FileLetGo(Struct, frozen=True, kw_only=True):
    """A file that was read, and whose content has been let go."""

    path: str
    status: bytes  # with which the file may be kept
    digest: bytes
    oid: bytes = NO_OID


ReadFile = Source | KnownFile | FileLetGo


class _SeenFile(Struct, frozen=True, kw_only=True):
    """A file that was read here, and by what it may be known again."""

    file: Source | KnownFile
    status: bytes = UNSURE
    oid: bytes = NO_OID


class TightError(Exception):
    """So few more runs may be declared that each file must be read in its turn."""


class ReadCache(Struct, kw_only=True):
    """What the files of one environment's folder said, and what they say now."""

    path: Path | None = None  # None: nothing is known, and nothing will be kept
    asked: tuple[object, ...] = ()  # what decides what a file says, besides its content
    until: int = 0  # the instant up to which the times of manifests may lie
    _began: int = field(default_factory=time.time_ns)
    _content: CacheContent | None = None
    _results: dict[str, FileResult] = field(default_factory=dict)  # by path, once asked for
    _seen: dict[str, _SeenFile] = field(default_factory=dict)  # by path

    @classmethod
    def of(cls, git: Git | None, environment: Environment, bounds: Bounds) -> "ReadCache":
        """The environment's cache; it keeps nothing outside a repository, or if switched off."""
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
        """Read what was kept, if it can be believed.

        Times that were allowed once still are, unless the clock went back or the limit was lowered.
        """
        if self.path is None or not os.path.lexists(self.path):
            return  # there is no need to work out the key
        from reconciler.manifest.packing import UnpackError, unpack

        content = load(self.path, self._key())
        if content is None or content.until > self.until:
            return
        with suppress(UnpackError):
            self._results = {one.file: one for one in unpack(content.results)}
            if content.numbers.keys() <= self._results.keys():
                self._content = content

    def _key(self) -> bytes:
        """A digest of all that decides what a file says, except the file's own content."""
        return hashlib.sha256(repr((self.asked, _program())).encode()).digest()

    def find_by_status(self, path: str, entry: os.DirEntry[bytes]) -> KnownFile | None:
        """The file, if its status has not changed since it was read; else None."""
        number = self._content.numbers.get(path) if self._content else None
        if self._content is None or number is None:
            return None
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # opening the file will tell what is wrong with it
            return None
        status = status_of(found)
        if self._content.statuses[number] != status or status == UNSURE:
            return None
        return KnownFile(path=path, size=found.st_size, number=number)

    def find_by_content(self, source: Source, found: os.stat_result) -> Source | KnownFile:
        """The file, known if its content is unchanged; `found`: its status before it was read."""
        file = self._compare(source)
        self._seen[source.path] = _SeenFile(file=file, status=self._sure_status(found))
        return file

    def find_by_oid(self, path: str, oid: ObjectId) -> KnownFile | None:
        """The file, if it was read from the blob of that id before; else None.

        Its size is not known.
        """
        number = self._content.numbers.get(path) if self._content else None
        if self._content is None or number is None or self._content.oid(number) != oid_of(oid):
            return None
        return KnownFile(path=path, size=0, number=number)

    def find_by_blob(self, source: Source, oid: ObjectId) -> KnownFile | FileLetGo:
        """The file that was read from that blob, known if its content is unchanged."""
        file = self._compare(source)
        if isinstance(file, KnownFile):
            self._seen[source.path] = _SeenFile(file=file, oid=oid_of(oid))
            return file
        digest = _digest(source)
        return FileLetGo(path=source.path, status=UNSURE, digest=digest, oid=oid_of(oid))

    def _compare(self, source: Source) -> Source | KnownFile:
        number = self._content.numbers.get(source.path) if self._content else None
        if self._content is None or number is None:
            return source
        if self._content.find_kept(number).digest != _digest(source):
            return source
        return KnownFile(path=source.path, size=len(source.content), number=number)

    def _sure_status(self, found: os.stat_result) -> bytes:
        """The file's status, or UNSURE if it changed so late that another change might not show.

        Of two changes in one tick of the file system's clock, the second leaves the times as they
        are. Git calls such a file racy.
        """
        newest = max(found.st_mtime_ns, found.st_ctime_ns)
        return status_of(found) if newest <= self._began - _SETTLED_NS else UNSURE

    @property
    def knows_nothing(self) -> bool:
        """Whether nothing was kept, so that each file must be read."""
        return self._content is None

    def note(self, source: Source, found: os.stat_result) -> bytes:
        """What to keep of the file, as bytes; `found`: its status before it was read."""
        return b"" if self.path is None else self._sure_status(found) + _digest(source)

    @staticmethod
    def let_go(path: str, note: bytes) -> FileLetGo:
        """The file, from its path and the note that was made of it."""
        size = len(UNSURE)
        return FileLetGo(path=path, status=note[:size], digest=note[size:])

    def result(self, file: KnownFile, bounds: Bounds) -> FileResult:
        """What the file says. Raises TightError if that could depend on how much others declare."""
        result = self.find_result(file)
        if bounds.left - result.made < bounds.backfill:
            raise TightError
        return result

    def find_result(self, file: KnownFile) -> FileResult:
        """What the file says, however much others declare."""
        return self._results[file.path]

    def keep(self, found: Sequence[tuple[ReadFile, FileResult]]) -> None:
        """Keep what the files say, if enough of it is new; other files are dropped from the cache.

        Nothing is kept of files that were read elsewhere, or that do not exist yet.
        """
        if self.path is None:
            return
        # Most files are known and were not read, so that there is nothing to find out about them.
        seen = self._seen
        others = [one for one in found if one[0].path in seen or not isinstance(one[0], KnownFile)]
        kept = [file for file, result in others if self._may_be_kept(file, result)]
        lacking, number = sum(map(self._is_lacking, kept)), len(found) - len(others) + len(kept)
        held = len(self._content.numbers) if self._content else 0
        if self.is_worth_it(lacking, number) or held > 2 * max(number, _LEAST_FILES):
            self._save(self.path, [one for one in found if self._may_be_kept(*one)])

    def is_worth_it(self, new: int, files: int) -> bool:
        """Whether so many of the files are new that the cache should be written anew."""
        return self.path is not None and new > max(_LEAST_FILES, files // _FEW)

    def _is_lacking(self, file: ReadFile) -> bool:
        """Whether the next command would gain if the file were kept as it is now."""
        if not isinstance(file, KnownFile):
            return True
        seen = self._find_seen(file)
        return seen is not None and (seen.status, seen.oid) != (UNSURE, NO_OID)

    def _may_be_kept(self, file: ReadFile, result: FileResult) -> bool:
        if isinstance(file, KnownFile):
            return True
        of_backfill = any("/" in run.name for run in result.runs)
        is_plain = not (result.problems or result.notes or of_backfill)
        return is_plain and (isinstance(file, FileLetGo) or self._find_seen(file) is not None)

    def _find_seen(self, file: Source | KnownFile) -> _SeenFile | None:
        """By what a file that was read here may be known again; None for any other file."""
        seen = self._seen.get(file.path)
        return seen if seen is not None and seen.file is file else None

    def _save(self, path: Path, found: Sequence[tuple[ReadFile, FileResult]]) -> None:
        from reconciler.manifest.packing import pack

        try:
            is_sure = _is_in_step(path)
        except OSError:  # this user may not write to git's folder
            return
        files = {file.path: self._build_kept(file, is_sure=is_sure) for file, _ in found}
        if len(files) < _LEAST_FILES:
            files.clear()
        save(path, self._key(), self.until, files, pack(result for _, result in found))

    def _build_kept(self, file: ReadFile, *, is_sure: bool) -> Kept:
        """What to keep of a file. `is_sure`: whether the times of files prove anything here."""
        if isinstance(file, FileLetGo):
            status = file.status if is_sure else UNSURE
            return Kept(status=status, digest=file.digest, oid=file.oid)
        seen = self._find_seen(file)
        status = seen.status if seen is not None and is_sure else UNSURE
        if isinstance(file, Source):
            return Kept(status=status, digest=_digest(file))
        if self._content is None:
            raise ValueError(f"{file.path} is known, and nothing is kept")
        old = self._content.find_kept(file.number)
        if seen is None:  # known without being read
            return old
        # Its content is what it was, so the other sign by which it is known holds as before.
        is_of_commit = seen.oid != NO_OID
        return replace(old, oid=seen.oid) if is_of_commit else replace(old, status=status)

    def drop(self) -> None:
        """Forget everything, and delete the file: something that it says is not so."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
        self.path, self._content = None, None


def _is_off() -> bool:
    return os.environ.get(SWITCH, "").lower() == "off"


def _is_in_step(path: Path) -> bool:
    """Whether files have their times from the clock that this process reads.

    A file server in the network may have another clock. Raises OSError.
    """
    return abs(read_file_clock(path) - time.time_ns()) < _SKEW_NS


def _digest(source: Source) -> bytes:
    return hashlib.sha256(source.content).digest()


@cache
def _program() -> tuple[str, ...]:
    """The versions of this program and of what it runs on, where they decide what a file says."""
    # Slow imports: they take longer than all of a small repository.
    from importlib.metadata import version
    from importlib.resources import files

    return (
        __version__,
        sys.version,
        ZONES_VERSION,
        *map(version, _LIBRARIES),
        str(get_version_string()),
        _source_digest(files("reconciler")),
    )


def _source_digest(package: "Traversable") -> str:
    """A digest of the modules and schemas, for many states of them share one development version.

    It is made of their content, so it is the same wherever and whenever the program is installed.
    """
    whole = hashlib.sha256()
    for name in _READERS:
        for one in _files_of(package / name):
            content = one.read_bytes()
            whole.update(f"{one.name} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def _files_of(place: "Traversable") -> list["Traversable"]:
    if not place.is_dir():  # nothing at all if only compiled modules exist: the version must do
        return [place] if place.is_file() else []
    found = sorted(place.iterdir(), key=lambda one: one.name)
    return [one for one in found if one.name.endswith((".py", ".json"))]
