"""Reading what a commit holds."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NewType

from msgspec import Struct

from reconciler.errors import GitError
from reconciler.git.command import NETWORK_SECONDS, run_git
from reconciler.git.lasting import (
    MOST_KEPT,
    MOST_KEPT_BYTES,
    ask_once,
    keep_blobs,
    known_ancestors,
    known_blob,
)

ObjectId = NewType("ObjectId", str)  # lower-case hex, 40 digits (SHA-1) or 64 (SHA-256)
CommitId = NewType("CommitId", str)  # the object id of a commit

_LINK = "120000"
_SUBMODULE = "160000"
_TREE = "040000"


class TreeEntry(Struct, frozen=True, kw_only=True):
    """One entry of a commit's tree.

    `path` is relative to the repository's root. Bytes in it that are not UTF-8 stand as lone
    surrogates (`surrogateescape`), so that every name survives.
    """

    mode: str  # as git writes it: 100644, 100755, 120000 (link), 160000 (submodule), 040000
    oid: ObjectId
    path: str

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link, whose blob holds the target's path."""
        return self.mode == _LINK

    @property
    def is_submodule(self) -> bool:
        """Whether it is a commit of another repository, which cannot be read from this one."""
        return self.mode == _SUBMODULE

    @property
    def is_folder(self) -> bool:
        """Whether it is a tree; only a listing of a single level has entries for trees."""
        return self.mode == _TREE

    @property
    def kind(self) -> str:
        """Git's word for the kind of the object."""
        if self.is_folder:
            return "tree"
        return "commit" if self.is_submodule else "blob"

    @property
    def is_file(self) -> bool:
        """Whether it is a blob with the content of a file."""
        return not (self.is_link or self.is_submodule or self.is_folder)


def list_tree(
    root: Path, commit: CommitId | ObjectId, paths: Collection[str] = ()
) -> list[TreeEntry]:
    """Every file, link and submodule of the commit that lies at or under one of the paths.

    Without paths, or with "" among them, the whole tree. In git's order (bytes of the path). A path
    that the commit does not have gives nothing. Raises GitError if there is no such commit.
    """
    wanted = [path.strip("/") for path in paths]
    limits = [] if "" in wanted else wanted
    listing = ask_once(root, *tree_listing(commit), *limits, about=[commit])
    return parse_entries(listing.stdout)


def tree_listing(tree: str) -> tuple[str, ...]:
    """The command that lists all files of a commit or tree; paths after it narrow that down."""
    return "--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", tree, "--"


def parse_entries(listing: bytes) -> list[TreeEntry]:
    """The entries in the output of `ls-tree -z`."""
    return [parse_entry(record) for record in listing.split(b"\0") if record]


def level_listing(entries: Iterable[TreeEntry]) -> str:
    """The output of `ls-tree -z` for a folder that holds these entries."""
    return "".join(entry_line(one, one.path) for one in entries)


def entry_line(entry: TreeEntry, path: str) -> str:
    """The record of the entry, by that path."""
    return f"{entry.mode} {entry.kind} {entry.oid}\t{path}\0"


def parse_entry(record: bytes) -> TreeEntry:
    """The entry in one record of that output."""
    head, _, path = record.partition(b"\t")
    mode, _, oid = head.decode("ascii").split(" ")
    return TreeEntry(mode=mode, oid=ObjectId(oid), path=path.decode("utf-8", "surrogateescape"))


_whole: set[Path] = set()  # the roots of the clones whose history was whole when they were found


def note_history(root: Path, *, is_whole: bool) -> None:
    """Note whether the history was whole as a command began; no command cuts a whole history."""
    (_whole.add if is_whole else _whole.discard)(root)


def is_shallow(root: Path) -> bool:
    """Whether the clone's history is cut off somewhere."""
    if root in _whole:
        return False
    return run_git(root, "rev-parse", "--is-shallow-repository").text == "true"


def is_ancestor(root: Path, ancestor: CommitId, descendant: CommitId) -> bool:
    """Whether the first commit is the second or lies in its history, as far as this clone has it.

    Where a shallow clone's history is cut off, this cannot be seen, and the answer is no. Raises
    GitError if one of the commits is not in this clone.
    """
    if ancestor == descendant or ancestor in known_ancestors(root, descendant):
        return True
    question = ("merge-base", "--is-ancestor", ancestor, descendant)
    asked = ask_once(root, *question, about=(ancestor, descendant), accept=(0, 1))
    return asked.exit_code == 0


def tree_question(commit: str) -> tuple[str, ...]:
    """The command that asks for the tree of a commit."""
    return "rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}"


def folder_question(commit: str, path: str) -> tuple[str, ...]:
    """The command that asks for what stands at the path in a commit."""
    return "rev-parse", "--verify", "--quiet", f"{commit}:{path}"


def read_blobs(root: Path, oids: Iterable[ObjectId]) -> dict[ObjectId, bytes]:
    """The contents of all these blobs, read by one process. Raises GitError if one is missing.

    In a partial clone git fetches those that are not here yet.
    """
    wanted = list(dict.fromkeys(oids))
    known = {oid: blob for oid in wanted if (blob := known_blob(root, oid)) is not None}
    if len(known) < len(wanted):
        read = _read_blobs(root, [oid for oid in wanted if oid not in known])
        keep_blobs(root, read.items())
        known |= read
    return {oid: known[oid] for oid in wanted}


def _read_blobs(root: Path, wanted: list[ObjectId]) -> dict[ObjectId, bytes]:
    contents = run_git(
        root,
        "cat-file",
        "--batch",
        "--buffer",
        stdin="".join(f"{oid}\n" for oid in wanted).encode(),
        timeout=NETWORK_SECONDS,
    ).stdout
    return dict(_parse_blobs(wanted, memoryview(contents)))


def read_bounded_blobs(
    root: Path, oids: Iterable[ObjectId], most: int
) -> tuple[dict[ObjectId, bytes], frozenset[ObjectId]]:
    """The contents of the blobs of at most `most` bytes, and the ids of those that have more.

    Raises GitError if one is missing.
    """
    wanted = list(dict.fromkeys(oids))
    unknown = [oid for oid in wanted if known_blob(root, oid) is None]
    sizes = {oid: len(known_blob(root, oid) or b"") for oid in wanted}
    sizes |= zip(unknown, _read_sizes(root, unknown), strict=True)
    large = frozenset(oid for oid, size in sizes.items() if size > most)
    return read_blobs(root, (oid for oid in wanted if oid not in large)), large


def read_small_blobs(root: Path, oids: Iterable[ObjectId]) -> None:
    """Read ahead the blobs that will be kept, so that two processes answer many questions.

    If there are more than can be kept, nothing is read. Raises GitError if one is missing.
    """
    unknown = [oid for oid in dict.fromkeys(oids) if known_blob(root, oid) is None]
    if len(unknown) <= MOST_KEPT:
        sizes = zip(unknown, _read_sizes(root, unknown), strict=True)
        read_blobs(root, (oid for oid, size in sizes if size <= MOST_KEPT_BYTES))


def _read_sizes(root: Path, oids: Iterable[ObjectId]) -> list[int]:
    """How many bytes each of these blobs has. Raises GitError if one is missing."""
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    if not asked:
        return []
    form = "--batch-check=%(objectsize)"
    told = run_git(root, "cat-file", form, stdin=asked, timeout=NETWORK_SECONDS).text.split("\n")
    for line in told:
        if not line.isdecimal():
            raise GitError(f"in this clone is {line}", hint="look for damage with: git fsck")
    return [int(line) for line in told]


def _parse_blobs(
    oids: Iterable[ObjectId], contents: memoryview
) -> Iterator[tuple[ObjectId, bytes]]:
    start = 0
    for oid in oids:
        # The line before a blob is `<oid> blob <size>`, or `<oid> missing`: never longer than 128.
        line = bytes(contents[start : start + 128]).partition(b"\n")[0]
        kind, _, size = line.decode("ascii", "replace").partition(" ")[2].partition(" ")
        if kind != "blob":
            raise GitError(
                f"{oid} should be a file's content, and is {kind or 'missing'} in this clone",
                hint="look for damage with: git fsck",
            )
        first = start + len(line) + 1
        start = first + int(size) + 1
        yield oid, bytes(contents[first : start - 1])
