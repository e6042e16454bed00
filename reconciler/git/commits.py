"""Writing commits by plumbing: neither the index nor the working tree is touched."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.errors import GitError
from reconciler.git.command import run_git
from reconciler.git.gitconfig import read_values
from reconciler.git.lasting import ask_once, keep_answer, keep_blobs, know_parent, known_answer
from reconciler.git.objects import (
    CommitId,
    ObjectId,
    TreeEntry,
    folder_question,
    level_listing,
    parse_entries,
    tree_listing,
    tree_question,
)
from reconciler.git.pack import Pack, sort_entries
from reconciler.git.tree import Tree, known_tree

_FILE = "100644"
_FOLDER = "040000"
_SIGN = "commit.gpgSign"


class _FileChange(Struct, frozen=True, kw_only=True):
    """The new content of a file below some tree."""

    parts: tuple[str, ...]  # of the path, from that tree on
    blob: ObjectId | None  # None: the file is removed


def commit_files(
    root: Path, parent: CommitId | None, changes: Mapping[str, bytes | None], message: str
) -> CommitId:
    """A new commit: the parent's tree with these files written, or removed where None is given.

    No ref moves. Only the trees on the way to the changed paths are read and written, so the cost
    does not grow with the repository. A file that exists keeps its mode; a file to remove may be
    absent; a folder left empty is removed. Without a parent the commit is a root. It carries the
    identity that git is configured with, and a signature if `commit.gpgSign` is set.

    Raises GitError if a path runs through a file, a link or a submodule or names a folder, if the
    identity is not known, or if the signature fails.
    """
    before = None if parent is None else known_tree(root, parent)
    growth = _Growth(root=root, pack=Pack.of(root), before=before)
    planned = [
        _FileChange(parts=_parts(path), blob=None if content is None else growth.add_file(content))
        for path, content in changes.items()
    ]
    top = growth.add_level(None if parent is None else _tree_of(root, parent), planned, "")
    tree = growth.pack.tree(()) if top is None else top
    growth.write()
    made = write_commit(root, tree, parent, message)
    for path, folder in growth.folders.items():
        keep_answer(root, *folder_question(made, path), answer=folder)
    return made


def _tree_of(root: Path, commit: CommitId) -> str:
    """The commit's tree. If its id is known, it is named by that: its content may be known too."""
    known = known_answer(root, *tree_question(commit))
    return f"{commit}^{{tree}}" if known is None else known.text


def _parts(path: str) -> tuple[str, ...]:
    parts = tuple(path.split("/"))
    if any(part in {"", ".", ".."} or part.lower() == ".git" or "\0" in part for part in parts):
        raise GitError(f"{path!r} is not a path that a commit can hold")
    return parts


class _Growth(Struct, frozen=True, kw_only=True):
    """The objects to add for a new tree: first collected, then written and kept as known."""

    root: Path
    pack: Pack
    before: Tree | None  # the parent's, if it is known
    files: dict[ObjectId, bytes] = field(default_factory=dict)  # the content of each
    levels: dict[ObjectId, list[TreeEntry]] = field(default_factory=dict)  # each in git's order
    folders: dict[str, ObjectId] = field(default_factory=dict)  # the changed folders, by path

    def add_file(self, content: bytes) -> ObjectId:
        oid = self.pack.blob(content)
        self.files[oid] = content
        return oid

    def add_level(
        self, tree: str | None, changes: list[_FileChange], folder: str
    ) -> ObjectId | None:
        """Add the tree with the changes made; None if nothing is left in it."""
        entries = {} if tree is None else self._read_level(tree, folder)
        below: dict[str, list[_FileChange]] = {}
        for change in changes:
            name, *rest = change.parts
            if rest:
                below.setdefault(name, []).append(replace(change, parts=tuple(rest)))
            else:
                _change_file(entries, name, change.blob, folder)
        for name, inner in below.items():
            path = f"{folder}{name}"
            old = entries.pop(name, None)
            if old is not None and not old.is_folder:
                if all(change.blob is None for change in inner):
                    entries[name] = old  # the files to remove below it do not exist anyway
                    continue
                raise GitError(
                    f"{path} is a {_noun(old)} in the commit, and a folder is needed there"
                )
            oid = self.add_level(None if old is None else old.oid, inner, f"{path}/")
            if oid is not None:
                entries[name] = TreeEntry(mode=_FOLDER, oid=oid, path=name)
                self.folders[path] = oid
        return self._add_tree(entries.values()) if entries else None

    def _read_level(self, tree: str, folder: str) -> dict[str, TreeEntry]:
        level = None if self.before is None else self.before.level(folder.rstrip("/"))
        if level is None:
            about = [tree.removesuffix("^{tree}")]
            level = parse_entries(ask_once(self.root, *_level_question(tree), about=about).stdout)
        return {entry.path: entry for entry in level}

    def _add_tree(self, entries: Iterable[TreeEntry]) -> ObjectId:
        level = sort_entries(entries)
        oid = self.pack.tree(level)
        self.levels[oid] = level
        return oid

    def write(self) -> None:
        """Write all objects, and keep what git would answer about them."""
        self.pack.write(self.root)
        keep_blobs(self.root, self.files.items())
        for oid, level in self.levels.items():
            listing = level_listing(level)
            keep_answer(self.root, *_level_question(oid), answer=listing)
            keep_answer(self.root, *tree_question(oid), answer=oid)
            if not any(one.is_folder for one in level):
                keep_answer(self.root, *tree_listing(oid), answer=listing)


def _change_file(
    entries: dict[str, TreeEntry], name: str, blob: ObjectId | None, folder: str
) -> None:
    old = entries.pop(name, None)
    if old is not None and not old.is_file:
        raise GitError(
            f"{folder}{name} is a {_noun(old)} in the commit, and a file is needed there"
        )
    if blob is not None:
        entries[name] = TreeEntry(mode=_FILE if old is None else old.mode, oid=blob, path=name)


def _noun(entry: TreeEntry) -> str:
    if entry.is_folder:
        return "folder"
    if entry.is_link:
        return "symbolic link"
    return "submodule" if entry.is_submodule else "file"


def _level_question(tree: str) -> tuple[str, ...]:
    return "ls-tree", "-z", "--full-tree", tree


def write_empty_tree(root: Path) -> ObjectId:
    """The empty tree, which is written into this clone."""
    pack = Pack.of(root)
    oid = pack.tree(())
    pack.write(root)
    return oid


def write_commit(root: Path, tree: ObjectId, parent: CommitId | None, message: str) -> CommitId:
    """A new commit of the tree, with git's configured identity, signed if commit.gpgSign is set."""
    is_signed = _is_signed(root)
    options = (
        *(() if parent is None else ("-p", parent)),
        *(("-S",) if is_signed else ()),
        *("-F", "-"),
    )
    # The encoding that the user has set for their own messages does not apply to this one.
    encoding = ("-c", "i18n.commitEncoding=UTF-8")
    try:
        written = run_git(root, *encoding, "commit-tree", tree, *options, stdin=message.encode())
    except GitError as error:
        if is_signed and error.hint is None:
            error.hint = _SIGNING
        raise
    keep_answer(root, *tree_question(written.text), answer=tree)
    if parent is not None:
        know_parent(root, written.text, parent)
    return CommitId(written.text)


def _is_signed(root: Path) -> bool:
    """Whether to sign commits: `commit-tree` does not look at commit.gpgSign by itself."""
    if not read_values(root, _SIGN):
        return False
    return run_git(root, "config", "--type=bool", _SIGN, accept=(0, 1)).text == "true"


_SIGNING = "commit.gpgSign is set: make signing work without a prompt, or unset it in this clone"
