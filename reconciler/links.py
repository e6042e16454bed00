"""Where a symbolic link leads: one rule for the working tree and for a commit's tree."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from reconciler.model import Place, Problem

_MOST_LINKS = 40  # followed on the way to one file, as Linux does


class Kind(Enum):
    """What stands at a path."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()
    SUBMODULE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What stands at a path; `target` is the text of a link."""

    kind: Kind
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a link is not followed, in words that go on from "the link …"."""

    reason: str


LEADS_TO_FOLDER = Refusal(reason="leads to a folder, and only links to files are followed")
NO_LINK = Refusal(reason="is not followed")
_BROKEN = Refusal(reason="leads to nothing that the repository holds")
_CIRCLE = Refusal(reason="goes round in a circle")
_OUTSIDE = Refusal(reason="leaves the repository")
_ABSOLUTE = Refusal(reason="leaves the repository: its target is an absolute path")
_SUBMODULE = Refusal(reason="leads into a submodule")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Onward:
    """A link was met: the path to go on with, in which its target stands in its place."""

    path: str


def resolve(path: str, look: Callable[[str], Node | None]) -> str | Refusal:
    """Follow the link at `path`, and the links on its way, to a file inside the repository.

    Paths are relative to the repository's root, `/` between their parts. `look` says what stands at
    a path without following it, None for nothing. An absolute target is refused even if it points
    into this clone: in another one it would not.
    """
    for _ in range(_MOST_LINKS + 1):
        end = _walk(path, look)
        if not isinstance(end, _Onward):
            return end
        path = end.path
    return _CIRCLE


def _walk(path: str, look: Callable[[str], Node | None]) -> str | Refusal | _Onward:
    """Go along the path, part by part, to its end or to the first link."""
    folder: list[str] = []
    ahead = [part for part in path.split("/") if part not in {"", "."}]
    while ahead:
        part, *ahead = ahead
        if part == "..":
            if not folder:
                return _OUTSIDE
            folder.pop()
            continue
        here = "/".join((*folder, part))
        node = look(here)
        if node is None or (node.kind is Kind.FILE and ahead):
            return _BROKEN
        match node.kind:
            case Kind.FILE:
                return here
            case Kind.FOLDER:
                folder.append(part)
            case Kind.LINK if node.target.startswith("/"):
                return _ABSOLUTE
            case Kind.LINK:
                return _Onward(path="/".join((*folder, node.target, *ahead)))
            case Kind.SUBMODULE:
                return _SUBMODULE
            case _:
                assert_never(node.kind)
    return LEADS_TO_FOLDER


def is_reported(path: str, *, is_wanted: bool) -> bool:
    """Whether a refused link in a folder of manifests is a problem.

    A link whose name is not a manifest's may stand for a folder of manifests, so it is one too; but
    not a hidden one, for editors mark the files that they hold open by broken links.
    """
    return is_wanted or not path.rpartition("/")[2].startswith(".")


def link_problem(path: str, refusal: Refusal) -> Problem:
    """The problem that a refused link is."""
    cure = "put the file itself here"
    if refusal is not NO_LINK:
        cure += ", or a relative link to a file of this repository"
    return Problem(
        place=Place(file=printable(path)),
        code="link",
        message=f"the link {refusal.reason}: {cure}",
    )


def name_problem(path: str) -> Problem | None:
    """The problem of a path that is not UTF-8 (its other bytes are lone surrogates)."""
    shown = printable(path)
    if shown == path:
        return None
    return Problem(
        place=Place(file=shown),
        code="file-name",
        message="the file's name is not UTF-8: rename it",
    )


def no_folder_problem(path: str) -> Problem:
    """The problem of a folder of manifests that is something else."""
    return Problem(
        place=Place(file=printable(path)),
        code="unreadable",
        message="is to hold manifests, and is not a folder",
    )


def submodule_problem(path: str) -> Problem:
    """The problem of a repository that lies inside a folder of manifests."""
    return Problem(
        place=Place(file=printable(path)),
        code="submodule",
        message="is a repository of its own: what it holds is not reviewed here and is not read",
    )


def printable(path: str) -> str:
    r"""The path with bytes that are not UTF-8 written as `\xNN`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
