"""The first commit of a clone as git writes it, without the two processes that git needs for it."""

import hashlib
import os
import struct
import time
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

_FILE, _FOLDER = "100644", "40000"
_NEW = 0o644
_WHO = "Test <test@example.test>"  # as in the settings of tests/repositories.py
_MESSAGE = "Change files"


def first_commit(clone: Path, paths: Iterable[str]) -> str:
    """Commit the files of those paths, none of which is executable or a link, to `main`.

    Returns the commit. The index knows them as `git add` would have it: no status reads them again.
    """
    inner = clone / ".git"
    blobs = {path: _write(inner, "blob", (clone / path).read_bytes()) for path in paths}
    now = f"{int(time.time())} {time.strftime('%z')}"
    tree = _write_tree(inner, blobs)
    said = f"tree {tree}\nauthor {_WHO} {now}\ncommitter {_WHO} {now}\n\n{_MESSAGE}\n"
    made = _write(inner, "commit", said.encode())
    (inner / "index").write_bytes(_index(clone, blobs))
    (inner / "refs/heads/main").write_text(f"{made}\n")
    line = f"{'0' * 40} {made} {_WHO} {now}\tcommit (initial): {_MESSAGE}\n"
    for log in (inner / "logs/HEAD", inner / "logs/refs/heads/main"):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(line)
    return made


def _write(inner: Path, kind: str, content: bytes) -> str:
    name, packed = _packed(kind, content)
    file = inner / "objects" / name[:2] / name[2:]
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        file.write_bytes(packed)
        file.chmod(0o444)
    return name


@cache  # most of what tests commit is in one commit of each of them
def _packed(kind: str, content: bytes) -> tuple[str, bytes]:
    whole = f"{kind} {len(content)}\0".encode() + content
    return hashlib.sha1(whole).hexdigest(), zlib.compress(whole, 1)  # noqa: S324 - as git names it


def _write_tree(inner: Path, blobs: Mapping[str, str]) -> str:
    folders: dict[str, dict[str, str]] = {}
    entries: dict[bytes, bytes] = {}
    for path, blob in blobs.items():
        name, is_deeper, rest = path.partition("/")
        if is_deeper:
            folders.setdefault(name, {})[rest] = blob
        else:
            entries[os.fsencode(name)] = os.fsencode(f"{_FILE} {name}\0") + bytes.fromhex(blob)
    for name, inside in folders.items():
        tree = _write_tree(inner, inside)
        entry = os.fsencode(f"{_FOLDER} {name}\0") + bytes.fromhex(tree)
        entries[os.fsencode(f"{name}/")] = entry  # so git puts them in order
    return _write(inner, "tree", b"".join(entries[name] for name in sorted(entries)))


def _index(clone: Path, blobs: Mapping[str, str]) -> bytes:
    """Version 2 of gitformat-index."""
    entries = [
        _entry(os.fsencode(path), blob, (clone / path).stat())
        for path, blob in sorted(blobs.items(), key=lambda one: os.fsencode(one[0]))
    ]
    content = struct.pack(">4sII", b"DIRC", 2, len(entries)) + b"".join(entries)
    return content + hashlib.sha1(content).digest()  # noqa: S324 - as git checks it


def _entry(path: bytes, blob: str, its: os.stat_result) -> bytes:
    numbers = (
        *divmod(its.st_ctime_ns, 10**9),
        *divmod(its.st_mtime_ns, 10**9),
        *(its.st_dev, its.st_ino, 0o100000 | _NEW, its.st_uid, its.st_gid, its.st_size),
    )
    fixed = struct.pack(">10I", *(number & 0xFFFFFFFF for number in numbers))
    entry = fixed + bytes.fromhex(blob) + struct.pack(">H", min(len(path), 0xFFF)) + path
    return entry + bytes(8 - len(entry) % 8)
