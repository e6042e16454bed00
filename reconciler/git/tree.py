"""A commit's whole tree: listed by git at once, folders included, and searched as it was listed."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from reconciler.git.command import run_git
from reconciler.git.lasting import keep_listing, known_listing
from reconciler.git.objects import (
    CommitId,
    ObjectId,
    TreeEntry,
    entry_line,
    parse_entry,
)

_FOLDER_RECORD = b"040000 "
_MOST_TO_SEARCH = 1 << 19  # bytes of a listing, about 5,000 files: to search more takes longer


class Tree:
    """Everything that a commit holds, listed at once; only what is asked for is parsed.

    Reading a listing from git is many times faster than making its entries here.
    """

    def __init__(self, listing: bytes) -> None:
        self._listing = b"\0" + listing  # of `ls-tree -r -t -z`

    def under(self, folder: str) -> list[TreeEntry]:
        """The entries at or in the folder, or all of them for "". No folder is an entry."""
        if not folder:
            return list(_parse_records(self._listing.split(b"\0")))
        own = self.at(folder)
        inside = list(_parse_records(self._records_inside(folder)))
        return inside if own is None else [own, *inside]

    def has_more(self, folder: str, most: int) -> bool:
        """Whether more than `most` files lie in the folder; they are not even parsed."""
        files = (one for one in self._records_inside(folder) if not one.startswith(_FOLDER_RECORD))
        return next(islice(files, most, None), None) is not None

    def at(self, path: str) -> TreeEntry | None:
        """The entry at exactly that path; None if there is nothing, or a folder."""
        found = self._entry_at(path)
        return None if found is None or found.is_folder else found

    def folder(self, path: str) -> ObjectId | None:
        """The id of the folder at exactly that path; None if there is none."""
        found = self._entry_at(path)
        return found.oid if found is not None and found.is_folder else None

    def files_of(self, folder: str) -> str:
        """What `tree_listing` lists for the folder by its id."""
        start = len(folder) + 1
        return "".join(
            entry_line(one, one.path[start:])
            for one in _parse_records(self._records_inside(folder))
        )

    def level(self, folder: str) -> list[TreeEntry] | None:
        """What lies directly in the folder ("": the top), by bare names, in git's order.

        None if git would list it faster.
        """
        if len(self._listing) > _MOST_TO_SEARCH:
            return None
        start = len(folder) + 1 if folder else 0
        inside = (
            self._records_inside(folder) if folder else filter(None, self._listing.split(b"\0"))
        )
        entries = map(parse_entry, inside)
        return [
            replace(one, path=one.path[start:]) for one in entries if "/" not in one.path[start:]
        ]

    def entries_beginning(self, *names: str) -> list[TreeEntry]:
        """The entries whose names, without their folders, begin with one of these."""
        return [
            entry for name in names for entry in _parse_records(self._records_named(name.encode()))
        ]

    def _entry_at(self, path: str) -> TreeEntry | None:
        found = self._records_from(path.encode("utf-8", "surrogateescape") + b"\0")
        return next((parse_entry(record) for record in found), None)

    def _records_inside(self, folder: str) -> Iterator[bytes]:
        return self._records_from(folder.encode("utf-8", "surrogateescape") + b"/")

    def _records_from(self, beginning: bytes) -> Iterator[bytes]:
        """The records whose paths have that beginning: in git's order they follow one another."""
        found = self._listing.find(b"\t" + beginning)
        while found >= 0 and self._tab(found) != found:  # a path can hold a tab as well
            found = self._listing.find(b"\t" + beginning, found + 1)
        if found < 0:
            return
        start = self._listing.rfind(b"\0", 0, found) + 1
        while self._listing.startswith(beginning, self._listing.find(b"\t", start) + 1):
            end = self._listing.find(b"\0", start)
            yield self._listing[start:end]
            start = end + 1

    def _records_named(self, name: bytes) -> Iterator[bytes]:
        found = self._listing.find(name)
        while found >= 0:
            end = self._listing.find(b"\0", found)
            is_own = self._listing[found - 1 : found] == b"/" or self._tab(found) == found - 1
            if is_own and b"/" not in self._listing[found:end]:
                yield self._listing[self._listing.rfind(b"\0", 0, found) + 1 : end]
                found = end
            found = self._listing.find(name, found + 1)

    def _tab(self, within: int) -> int:
        """Where the tab before the path stands, in the record that holds this position."""
        return self._listing.find(b"\t", self._listing.rfind(b"\0", 0, within))


def read_tree(root: Path, commit: CommitId) -> Tree:
    """The commit's whole tree. Raises GitError if there is no such commit."""
    listing = known_listing(root, commit)
    if listing is None:
        listing = run_git(root, "ls-tree", "-r", "-t", "-z", "--full-tree", commit).stdout
        keep_listing(root, commit, listing)
    return Tree(listing)


def known_tree(root: Path, commit: str) -> Tree | None:
    """The commit's whole tree, if git need not be asked for it."""
    listing = known_listing(root, commit)
    return None if listing is None else Tree(listing)


def _parse_records(records: Iterable[bytes]) -> Iterator[TreeEntry]:
    """The entries of these records that are no folders."""
    for record in records:
        if record and not record.startswith(_FOLDER_RECORD):
            yield parse_entry(record)
