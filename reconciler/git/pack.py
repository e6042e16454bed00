"""Writing files and folders into a clone: all that a commit needs by one process.

To have git write each of them takes a process for each file and for each folder on the way to it.
Their ids follow from what they hold, so they are worked out here and all is handed to git at once,
as it comes over a connection: gitformat-pack(5). Git works the ids out for itself as it stores
them, so one that was wrong here would name an object that is not there.
"""

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field

from reconciler.git.command import run_git
from reconciler.git.gitconfig import value
from reconciler.git.objects import ObjectId, TreeEntry

_KINDS = {"tree": 2, "blob": 3}
_STORED = 0  # of zlib: git compresses it as it stores it


class Pack(Struct, kw_only=True):
    """Objects to be written, which have their ids already."""

    hashing: str  # `sha1` or `sha256`, as the repository names its objects
    _contents: dict[ObjectId, tuple[str, bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> "Pack":
        """An empty one for that clone. Raises GitError."""
        return cls(hashing=value(root, "extensions.objectFormat") or "sha1")

    def blob(self, content: bytes) -> ObjectId:
        """Add what a file holds."""
        return self._add("blob", content)

    def tree(self, entries: Iterable[TreeEntry]) -> ObjectId:
        """Add a folder with these entries, in git's order; their paths are their names alone."""
        return self._add("tree", b"".join(map(_line, entries)))

    def _add(self, kind: str, content: bytes) -> ObjectId:
        whole = hashlib.new(self.hashing, b"%s %d\0" % (kind.encode(), len(content)))
        whole.update(content)
        oid = ObjectId(whole.hexdigest())
        self._contents[oid] = kind, content
        return oid

    def write(self, root: Path) -> None:
        """Have git store them all. Raises GitError."""
        run_git(root, "unpack-objects", "-q", stdin=self.packed())

    def packed(self) -> bytes:
        """All of it, as git reads it."""
        parts = [b"PACK", (2).to_bytes(4, "big"), len(self._contents).to_bytes(4, "big")]
        for kind, content in self._contents.values():
            parts += [_head(_KINDS[kind], len(content)), zlib.compress(content, _STORED)]
        body = b"".join(parts)
        return body + hashlib.new(self.hashing, body).digest()


def in_order(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """The entries of one folder, in git's order."""
    return sorted(entries, key=_sorted_as)


def _head(kind: int, size: int) -> bytes:
    """The kind in three bits and the size in all others, the lowest first, seven to a byte."""
    found = [kind << 4 | size & 0xF]
    size >>= 4
    while size:
        found[-1] |= 0x80
        found.append(size & 0x7F)
        size >>= 7
    return bytes(found)


def _sorted_as(entry: TreeEntry) -> bytes:
    """A folder's name counts as if it had a slash at its end."""
    return _name(entry) + (b"/" if entry.is_folder else b"")


def _line(entry: TreeEntry) -> bytes:
    mode = entry.mode.lstrip("0").encode()
    return b"%s %s\0%s" % (mode, _name(entry), bytes.fromhex(entry.oid))


def _name(entry: TreeEntry) -> bytes:
    return entry.path.encode("utf-8", "surrogateescape")
