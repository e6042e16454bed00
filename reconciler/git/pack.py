"""Writing files and folders into a clone: all that a commit needs, with one process of git.

Having git write them one by one takes a process for each file and for each folder on the way to it.
An object's id follows from its content, so the ids are worked out here, and all objects are handed
to git at once, as they would come over a connection: gitformat-pack(5). Git works the ids out again
as it stores the objects, so an id that was wrong here would name an object that is not there.
"""

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field

from reconciler.git.command import run_git
from reconciler.git.gitconfig import read_value
from reconciler.git.objects import ObjectId, TreeEntry

_KINDS = {"tree": 2, "blob": 3}
_STORED = 0  # zlib's level: not compressed, as git compresses objects when it stores them


class Pack(Struct, kw_only=True):
    """Objects to be written, whose ids are known already."""

    hashing: str  # `sha1` or `sha256`, as the repository names its objects
    _contents: dict[ObjectId, tuple[str, bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> "Pack":
        """An empty pack for the clone. Raises GitError."""
        return cls(hashing=read_value(root, "extensions.objectFormat") or "sha1")

    def blob(self, content: bytes) -> ObjectId:
        """Add the content of a file."""
        return self._add("blob", content)

    def tree(self, entries: Iterable[TreeEntry]) -> ObjectId:
        """Add a folder with these entries, in git's order; each path must be a bare name."""
        return self._add("tree", b"".join(map(_line, entries)))

    def _add(self, kind: str, content: bytes) -> ObjectId:
        whole = hashlib.new(self.hashing, b"%s %d\0" % (kind.encode(), len(content)))
        whole.update(content)
        oid = ObjectId(whole.hexdigest())
        self._contents[oid] = kind, content
        return oid

    def write(self, root: Path) -> None:
        """Have git store all objects. Raises GitError."""
        run_git(root, "unpack-objects", "-q", stdin=self.pack_bytes())

    def pack_bytes(self) -> bytes:
        """All objects, as git reads a pack."""
        parts = [b"PACK", (2).to_bytes(4, "big"), len(self._contents).to_bytes(4, "big")]
        for kind, content in self._contents.values():
            parts += [_head(_KINDS[kind], len(content)), zlib.compress(content, _STORED)]
        body = b"".join(parts)
        return body + hashlib.new(self.hashing, body).digest()


def sort_entries(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    """The entries of one folder, in git's order."""
    return sorted(entries, key=_sort_key)


def _head(kind: int, size: int) -> bytes:
    """An object's header: three bits for the kind, the others for the size, lowest bits first."""
    found = [kind << 4 | size & 0xF]
    size >>= 4
    while size:
        found[-1] |= 0x80
        found.append(size & 0x7F)
        size >>= 7
    return bytes(found)


def _sort_key(entry: TreeEntry) -> bytes:
    """The sort key: a folder's name counts as if it ended in a slash."""
    return _name(entry) + (b"/" if entry.is_folder else b"")


def _line(entry: TreeEntry) -> bytes:
    mode = entry.mode.lstrip("0").encode()
    return b"%s %s\0%s" % (mode, _name(entry), bytes.fromhex(entry.oid))


def _name(entry: TreeEntry) -> bytes:
    return entry.path.encode("utf-8", "surrogateescape")
