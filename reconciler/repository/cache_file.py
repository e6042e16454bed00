"""What a cache keeps of files, as one file that is believed whole or not at all.

It lies in git's own folder, where no checkout can write. Anybody may delete it at any time. It is
written under another name and then moved into place, so a reader always finds a file that was
written whole. A crash can leave the name without the content; the checksum shows that. The file is
read into memory rather than mapped, because a mapped file that somebody truncates ends the process.
"""

import hashlib
import os
import stat
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

_HEADING = b"reconciler cache 2\n"  # raise the number with any change of the format below
_CHECKSUM = 32  # bytes: SHA-256 of all that follows it
_NUMBERS = struct.Struct("<qqqQQ")  # of a file's status
MOST_BYTES = 512 << 20
_MOST_FILES = 16  # caches in one clone: of environments, folders and configurations
_FORSAKEN_SECONDS = 60.0  # after which nobody is still writing

UNSURE = bytes(_NUMBERS.size)  # stands for a status that an edited file could have as well
_OID = 32  # bytes of an object's id, filled up with zeros where the repository has SHA-1
NO_OID = bytes(_OID)  # stands for a blob whose id is not known


class Kept(Struct, frozen=True, kw_only=True):
    """What is kept of one file."""

    status: bytes  # by which the file is known without being read, or UNSURE
    digest: bytes  # SHA-256 of what it held
    oid: bytes = NO_OID  # by which git gave it, as `oid_of` has it


class _KeptColumns(msgspec.Struct, frozen=True, array_like=True):
    """Columns, because a hundred thousand rows take long to make."""

    key: bytes
    until: int
    paths: bytes  # ended by NUL
    statuses: bytes
    digests: bytes
    oids: bytes
    results: bytes  # what the files say, as `reconciler.manifest.packing` has it


class CacheContent(Struct, frozen=True, kw_only=True):
    """All that a cache file holds. A file's number is its place in there."""

    numbers: Mapping[str, int]  # by path
    statuses: list[bytes]
    digests: bytes
    oids: bytes
    until: int  # the instant up to which times were allowed when it was written
    results: bytes

    def find_kept(self, number: int) -> Kept:
        """What is kept of the file with that number."""
        start = number * _CHECKSUM
        digest = self.digests[start : start + _CHECKSUM]
        return Kept(status=self.statuses[number], digest=digest, oid=self.oid(number))

    def oid(self, number: int) -> bytes:
        """By which id git gave that file; NO_OID if it was read in the working tree only."""
        return self.oids[number * _OID : (number + 1) * _OID]


def oid_of(oid: str) -> bytes:
    """An object's id, given in hex, as it is kept."""
    return bytes.fromhex(oid).ljust(_OID, b"\0")


def status_of(found: os.stat_result) -> bytes:
    """A file's status in the file system, which almost always changes with its content."""
    numbers = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev
    try:
        return _NUMBERS.pack(*numbers)
    except struct.error:  # a time that few systems have
        return UNSURE


def load(path: Path, key: bytes) -> CacheContent | None:
    """What the file holds; None if it is absent, damaged, another user's or of another key."""
    try:
        whole = _read_own(path)
    except OSError:  # not there, or not for this user to read: then nothing is known
        return None
    start = len(_HEADING) + _CHECKSUM
    body = memoryview(whole)[start:]
    if not whole.startswith(_HEADING) or _checksum(body) != whole[len(_HEADING) : start]:
        return None
    try:
        found = msgspec.msgpack.decode(body, type=_KeptColumns)
    except msgspec.DecodeError:
        return None
    return _content(found) if found.key == key else None


def _read_own(path: Path) -> bytes:
    """The content of a regular file that belongs to this user; empty for any other file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        is_own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        return file.read(MOST_BYTES + 1) if is_own and found.st_size <= MOST_BYTES else b""


def _checksum(body: memoryview | bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _content(body: _KeptColumns) -> CacheContent:
    paths = body.paths.decode("utf-8", "surrogateescape").split("\0")[:-1]
    size = _NUMBERS.size
    starts = range(0, len(body.statuses), size)
    return CacheContent(
        numbers=dict(zip(paths, range(len(paths)), strict=True)),
        statuses=[body.statuses[start : start + size] for start in starts],
        digests=body.digests,
        oids=body.oids,
        until=body.until,
        results=body.results,
    )


def save(path: Path, key: bytes, until: int, files: Mapping[str, Kept], results: bytes) -> None:
    """Write the cache anew, with these files by their paths, or remove it if there are none.

    If it cannot be written, or another process is writing it, all stays as it is.
    """
    try:
        if not files:
            path.unlink(missing_ok=True)
            return
        whole = _encode_cache(key, until, files, results)
        if len(whole) <= MOST_BYTES:
            path.parent.mkdir(exist_ok=True)
            _put(path, whole)
            _thin(path.parent)
    except OSError:  # the disk is full, or this user may not write to git's folder: no cache
        return


def _encode_cache(key: bytes, until: int, files: Mapping[str, Kept], results: bytes) -> bytes:
    body = msgspec.msgpack.encode(
        _KeptColumns(
            key=key,
            until=until,
            paths=b"".join([f"{path}\0".encode("utf-8", "surrogateescape") for path in files]),
            statuses=b"".join([one.status for one in files.values()]),
            digests=b"".join([one.digest for one in files.values()]),
            oids=b"".join([one.oid for one in files.values()]),
            results=results,
        )
    )
    return _HEADING + _checksum(body) + body


def _put(path: Path, whole: bytes) -> None:
    """Put the content in the file's place at once. Raises OSError."""
    if not stat.S_ISDIR(os.lstat(path.parent).st_mode):
        return  # a link may lead anywhere
    beside = path.with_suffix(".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(beside, flags, 0o600)
    except FileExistsError:
        if not _is_forsaken(beside):
            return  # another process is writing it
        beside.unlink()  # the process that wrote it was killed
        descriptor = os.open(beside, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(whole)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _is_forsaken(beside: Path) -> bool:
    """Whether nobody writes it any more: it is old, or from the future, as a clock went back."""
    return abs(time.time() - beside.lstat().st_mtime) > _FORSAKEN_SECONDS


def _thin(folder: Path) -> None:
    """Remove what killed processes left, and the oldest caches if there are too many."""
    found = sorted(folder.glob("*.cache"), key=lambda one: one.lstat().st_mtime)
    for one in (*found[:-_MOST_FILES], *filter(_is_forsaken, folder.glob("*.new"))):
        one.unlink(missing_ok=True)


def read_file_clock(path: Path) -> int:
    """The time, in ns, by the clock of the file system that will hold the cache. Raises OSError."""
    from tempfile import TemporaryFile

    path.parent.mkdir(exist_ok=True)
    with TemporaryFile(dir=path.parent) as file:
        return os.fstat(file.fileno()).st_mtime_ns
