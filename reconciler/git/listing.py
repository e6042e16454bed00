"""How a working tree differs from a commit, and what the index says of it."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from reconciler.git.command import run_git
from reconciler.git.gitconfig import list_names
from reconciler.git.objects import CommitId, ObjectId, TreeEntry

_LEFT_OUT = "S "  # git-ls-files(1): skip-worktree


def list_differing_files(root: Path, commit: CommitId, *folders: str) -> list[str]:
    """The files at or below these folders in which the working tree differs from the commit.

    New files count unless git ignores them.
    """
    literal = (*no_filter_options(root), "--literal-pathspecs")
    said = run_git(
        root,
        *literal,
        *("--no-optional-locks", "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "-z"),
        *("--untracked-files=all", "--ignore-submodules=dirty", "--no-renames", "--", *folders),
    ).stdout
    lines = said.decode("utf-8", "surrogateescape").split("\0")
    paths = {line.removeprefix(_NEW) for line in lines if line.startswith(_NEW)}
    if f"{_CHECKED_OUT}{commit}" not in lines or any(map(_is_changed, lines)):
        plainly = ("--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")
        whole = ("--ignore-submodules=dirty", "-z", commit, "--", *folders)
        changed = run_git(root, *literal, "diff", *plainly, *whole).stdout
        paths |= set(filter(None, changed.decode("utf-8", "surrogateescape").split("\0")))
    return sorted(paths)


# How lines of `git status --porcelain=v2` begin: git-status(1).
_CHECKED_OUT = "# branch.oid "
_NEW = "? "
_TOLD = ("# ", _NEW)


def _is_changed(line: str) -> bool:
    """Whether the line tells of a file that is not as the checked out commit has it."""
    return bool(line) and not line.startswith(_TOLD)


class Tracked(Struct, frozen=True, kw_only=True):
    """What the index holds under some pathspecs."""

    listing: bytes  # of `ls-files -t --stage -z`
    root: Path

    def paths(self) -> Iterator[str]:
        """Each path; in a merge conflict, once for each side."""
        for line in filter(None, self.listing.split(b"\0")):
            yield line.partition(b"\t")[2].decode("utf-8", "surrogateescape")

    def under(self, path: str) -> Self:
        """What of it is at the path, or below that."""
        at = path.encode("utf-8", "surrogateescape")
        found = ((line, line.partition(b"\t")[2]) for line in self.listing.split(b"\0"))
        kept = (line for line, its in found if its == at or its.startswith(at + b"/"))
        return replace(self, listing=b"".join(line + b"\0" for line in kept))

    def left_out(self) -> list[TreeEntry]:
        """What a sparse checkout has left out of the working tree."""
        if _LEFT_OUT.encode() not in self.listing:  # the usual case: saves parsing thousands
            return []
        found = []
        for line in self.listing.decode("utf-8", "surrogateescape").split("\0"):
            marks, _, path = line.partition("\t")
            if marks.startswith(_LEFT_OUT) and not os.path.lexists(self.root / path):
                _, mode, oid, *_ = marks.split(" ")
                found.append(TreeEntry(mode=mode, oid=ObjectId(oid), path=path))
        return found


def list_tracked(root: Path, *pathspecs: str) -> Tracked:
    """What the index holds under the pathspecs. Raises GitError."""
    listing = run_git(root, "ls-files", "-t", "--stage", "-z", "--", *pathspecs).stdout
    return Tracked(root=root, listing=listing)


_MANIFEST = r"""^[[:space:]{]*["']?apiVersion["']?[[:space:]]*:[[:space:]]*["']?reconciler/v[0-9]"""


def find_manifests_under(root: Path, prefix: str, besides: Collection[str] = ()) -> list[str]:
    """The YAML files below the folder with a manifest's `apiVersion`, unless git ignores them.

    `prefix`: the folder, as `find_checkout` gives it; `besides`: folders below it to leave out,
    relative to it. The paths are sorted.
    """
    options = ("--untracked", "--full-name", "--no-color", "-z", "-l", "-I", "-E")
    where = [f":(top,glob){_escape_pattern(prefix)}**/*.{ending}" for ending in ("yaml", "yml")]
    where += [f":(top,glob,exclude){_escape_pattern(prefix + folder)}/**" for folder in besides]
    found = run_git(root, "grep", *options, "-e", _MANIFEST, "--", *where, accept=(0, 1))
    return sorted(filter(None, found.stdout.decode("utf-8", "surrogateescape").split("\0")))


def _escape_pattern(text: str) -> str:
    """The text as a pattern that matches nothing else: gitglossary(7), `pathspec`."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)


def has_known(root: Path, folder: str) -> bool:
    """Whether any commit in the checked out history touched the folder."""
    asked = ("--literal-pathspecs", "rev-list", "-1", "--full-history", "HEAD", "--", folder)
    found = run_git(root, *asked, accept=(0, 128))  # 128: there is no commit yet
    return found.exit_code == 0 and bool(found.text)


def is_dirty(root: Path, paths: Collection[str]) -> bool:
    """Whether anything at or under the paths differs from the checked out commit.

    New files count unless git ignores them; submodules do not. Without paths, everything counts.
    """
    changed = run_git(
        root,
        *no_filter_options(root),
        *("--no-optional-locks", "--literal-pathspecs", "status", "--porcelain", "-z"),
        *("--untracked-files=all", "--ignore-submodules=all", "--"),
        *(path or "." for path in paths),
    )
    return bool(changed.stdout)


def no_filter_options(root: Path) -> list[str]:
    """Options with which git compares files as they are.

    A filter is a program. `.gitattributes` says which files go through it, and the program may well
    be a file of the checkout.
    """
    filters = {
        name.rpartition(".")[0] for name in list_names(root, "filter.") if name.count(".") > 1
    }
    off = ("clean=", "smudge=", "process=", "required=false")
    return [word for name in sorted(filters) for one in off for word in ("-c", f"{name}.{one}")]
