"""What git stores, in memory: blobs, trees and commits, which all repositories of a seed share."""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

FILE, FOLDER = "100644", "040000"
_BLOB = 3  # in a pack
_OID = 20  # bytes


class Entry(Struct, frozen=True, kw_only=True):
    """One entry of a single tree."""

    mode: str
    oid: str
    name: str

    @property
    def sorted_as(self) -> str:
        """By what git puts the entries of a tree in order."""
        return f"{self.name}/" if self.mode == FOLDER else self.name

    @property
    def line(self) -> str:
        kind = "tree" if self.mode == FOLDER else "blob"
        return f"{self.mode} {kind} {self.oid}\t{self.name}\0"

    @property
    def raw(self) -> bytes:
        """As it stands in the tree."""
        mode = self.mode.lstrip("0")
        return f"{mode} {self.name}\0".encode() + bytes.fromhex(self.oid)


class Written(Struct, frozen=True, kw_only=True):
    """A commit. A later one has a higher number."""

    number: int
    tree: str
    parents: tuple[str, ...]
    message: str


@dataclass(slots=True, eq=False)
class Objects:
    """Everything that was ever written, by its id."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    trees: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    commits: dict[str, Written] = field(default_factory=dict)

    def blob(self, content: bytes) -> str:
        oid = _id(b"blob", content)
        self.blobs[oid] = content
        return oid

    def tree(self, entries: Mapping[str, Entry]) -> str:
        listed = tuple(sorted(entries.values(), key=lambda entry: entry.sorted_as))
        oid = _id(b"tree", b"".join(entry.raw for entry in listed))
        self.trees[oid] = listed
        return oid

    def unpack(self, pack: bytes) -> None:
        """Take in the objects of a pack, none of which is a difference to another one."""
        count, rest = int.from_bytes(pack[8:12], "big"), pack[12:]
        for _ in range(count):
            kind = rest[0] >> 4 & 0x7
            while rest[0] & 0x80:
                rest = rest[1:]
            inflating = zlib.decompressobj()
            content = inflating.decompress(rest[1:])
            rest = inflating.unused_data
            if kind == _BLOB:
                self.blob(content)
            else:
                self.tree({entry.name: entry for entry in _entries(content)})

    def commit(self, tree: str, parents: tuple[str, ...], message: str) -> str:
        number = len(self.commits)
        oid = _id(b"commit", f"{number} {tree} {parents} {message}".encode())
        self.commits[oid] = Written(number=number, tree=tree, parents=parents, message=message)
        return oid

    def folder(self, files: Mapping[str, bytes]) -> str:
        """The tree of these files, by their paths."""
        entries: dict[str, Entry] = {}
        below: dict[str, dict[str, bytes]] = {}
        for path, content in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = content
            else:
                entries[name] = Entry(mode=FILE, oid=self.blob(content), name=name)
        for name, inner in below.items():
            entries[name] = Entry(mode=FOLDER, oid=self.folder(inner), name=name)
        return self.tree(entries)

    def tree_of(self, oid: str) -> str | None:
        """The tree of a commit, or the tree itself."""
        written = self.commits.get(oid)
        if written is not None:
            return written.tree
        return oid if oid in self.trees else None

    def at(self, oid: str, path: str) -> str | None:
        """What stands at the path in a commit or tree; the tree itself for no path."""
        found = self.tree_of(oid)
        for part in filter(None, path.split("/")):
            entries = self.trees.get(found or "", ())
            found = next((entry.oid for entry in entries if entry.name == part), None)
        return found

    def walk(self, oid: str, prefix: str = "", *, folders: bool = False) -> Iterator[Entry]:
        """Every file (and folder) of a commit or tree, each with its whole path as its name."""
        for entry in self.trees.get(self.tree_of(oid) or "", ()):
            path = f"{prefix}{entry.name}"
            if entry.mode == FOLDER:
                if folders:
                    yield Entry(mode=FOLDER, oid=entry.oid, name=path)
                yield from self.walk(entry.oid, f"{path}/", folders=folders)
            else:
                yield Entry(mode=entry.mode, oid=entry.oid, name=path)

    def files(self, oid: str) -> dict[str, bytes]:
        """The contents of every file, by its path."""
        return {entry.name: self.blobs[entry.oid] for entry in self.walk(oid)}

    def history(self, oid: str, cut: frozenset[str] = frozenset()) -> Iterator[str]:
        """The commit and all before it, the newest first; those in `cut` show no parents."""
        left = {oid}
        while left:
            newest = max(left, key=lambda one: self.commits[one].number)
            left.remove(newest)
            yield newest
            if newest not in cut:
                left.update(self.commits[newest].parents)

    def is_ancestor(self, old: str, new: str, cut: frozenset[str] = frozenset()) -> bool:
        return any(one == old for one in self.history(new, cut))


def _entries(tree: bytes) -> Iterator[Entry]:
    while tree:
        head, _, rest = tree.partition(b"\0")
        mode, _, name = head.decode().partition(" ")
        yield Entry(mode=mode.zfill(len(FOLDER)), oid=rest[:_OID].hex(), name=name)
        tree = rest[_OID:]


def _id(kind: bytes, content: bytes) -> str:
    whole = b"%s %d\0%s" % (kind, len(content), content)
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()
