"""Files that git converts between its commits and its checkouts, as `.gitattributes` has it.

What a pull request shows of such a file is not what the commit holds, and an apply reads the
commit. Line ends are no such conversion: YAML takes all of them for one.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from reconciler.git.command import run_git
from reconciler.git.listing import Tracked

_NAME = ".gitattributes"
_CONVERTING = ("filter", "ident", "working-tree-encoding")  # gitattributes(5)
_NO_CONVERSION = frozenset({"unspecified", "unset", "utf-8", "utf8"})
_MOST_BYTES = 100 << 20  # of a file of attributes: git itself reads no larger one


class Conversion(Struct, frozen=True, kw_only=True):
    """One file that git converts, and the attribute that says so."""

    path: str  # relative to the repository's root
    attribute: str  # as in `.gitattributes`: `ident`, or `filter=lfs`


def find_conversions(
    root: Path, tracked: Tracked, folder: str, paths: Iterable[str]
) -> list[Conversion]:
    """Which of the paths git converts, in their order. They lie in the folder, or on the way to it.

    `tracked` is what the index holds in that folder. Raises GitError.
    """
    if not any(map(_may_convert, _files(root, tracked, folder))):
        return []
    asked = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
    said = run_git(root, "check-attr", "-z", "--stdin", *_CONVERTING, stdin=asked).stdout
    words = said.decode("utf-8", "surrogateescape").split("\0")
    return [
        Conversion(path=path, attribute=name if value == "set" else f"{name}={value}")
        for path, name, value in _group_triples(words)
        if value.casefold() not in _NO_CONVERSION
    ]


def _files(root: Path, tracked: Tracked, folder: str) -> Iterator[Path]:
    """The files of attributes that can concern the folder: on the way to it, and tracked in it."""
    for parent in (*PurePosixPath(folder).parents, PurePosixPath(folder)):
        yield root / parent / _NAME
    if f"/{_NAME}\0".encode() in tracked.listing:
        yield from (root / path for path in tracked.paths() if path.endswith(f"/{_NAME}"))


def _may_convert(path: Path) -> bool:
    """Whether the file names one of the attributes; most name none, and git need not be asked.

    A link is none: git does not follow it either.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            return False
        content = file.read(_MOST_BYTES)
    return any(name.encode() in content for name in _CONVERTING)


def _group_triples(words: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    return zip(words[::3], words[1::3], words[2::3], strict=False)
