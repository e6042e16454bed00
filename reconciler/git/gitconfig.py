"""Git's configuration of a clone: read as a whole, and again only once a file of it has changed.

A command looks up a dozen variables, each more than once, and a process for each look costs more
than all that it says. What git makes of a value (a path, a truth) is still asked of git.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from reconciler.git.command import run_git

_FILE = "file:"
_SCOPES_OF_A_CLONE = frozenset({"local", "worktree"})  # the files lie in the clone, or are included

_Status = tuple[int, int, int]  # of a file: whoever writes one puts a new one in its place


class Variable(Struct, frozen=True, kw_only=True):
    """One value of a variable, and where git has read it."""

    scope: str  # git-config(1): system, global, local, worktree, command
    origin: str  # `file:PATH`, relative to the root, or what else it came from
    name: str  # the section and the last word in small letters
    value: str | None  # None: it stands there without one, which means true

    @property
    def file(self) -> str | None:
        """The file that it stands in, relative to the root, if it stands in one."""
        return self.origin.removeprefix(_FILE) if self.origin.startswith(_FILE) else None

    @property
    def is_of_clone(self) -> bool:
        """Whether the clone itself has it, and not the user or the machine."""
        return self.scope in _SCOPES_OF_A_CLONE


class _KnownVariables(Struct, frozen=True, kw_only=True):
    """What was read, and what the system says of the files that it was read from."""

    variables: Sequence[Variable]
    by_name: Mapping[str, Sequence[str | None]]
    files: Mapping[str, _Status | None]


_readings: dict[Path, _KnownVariables] = {}  # by the top of the working tree


def read_variables(root: Path) -> Sequence[Variable]:
    """Read every variable, in the order in which later ones count. Raises GitError."""
    return _read(root).variables


def values(root: Path, name: str) -> list[str | None]:
    """All values of the variable, the last of which counts where there can be one only.

    Raises GitError.
    """
    return list(_known(root).get(_normal(name), ()))


def value(root: Path, name: str) -> str:
    """The variable's value; "" where it has none. Raises GitError."""
    found = values(root, name)
    return (found[-1] or "") if found else ""


def names(root: Path, beginning: str) -> list[str]:
    """The names of all variables that begin so: a section in small letters, with its dot."""
    return [name for name in _known(root) if name.startswith(beginning)]


def set_value(root: Path, name: str, text: str) -> None:
    """Have the clone's own configuration say that.

    It does not, if another process holds the file's lock: nobody may depend on it.
    """
    run_git(root, "config", name, text, accept=None)
    _readings.pop(root, None)  # whatever the system says of the file


def forget() -> None:
    """Let everything be read anew."""
    _readings.clear()


def _known(root: Path) -> Mapping[str, Sequence[str | None]]:
    """The values by their names, as the files say that there are now."""
    known = _readings.get(root)
    if known is None or any(_status(root, file) != was for file, was in known.files.items()):
        known = _read(root)
    return known.by_name


def _read(root: Path) -> _KnownVariables:
    found = list(_listed(root))
    by_name: dict[str, list[str | None]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one.value)
    files = {file: _status(root, file) for one in found if (file := one.file)}
    reading = _KnownVariables(variables=found, by_name=by_name, files=files)
    _readings[root] = reading
    return reading


def _listed(root: Path) -> Iterator[Variable]:
    listing = run_git(root, "config", "--list", "--show-scope", "--show-origin", "-z").stdout
    words = listing.decode("utf-8", "surrogateescape").split("\0")
    for scope, origin, said in zip(words[::3], words[1::3], words[2::3], strict=False):
        name, newline, text = said.partition("\n")
        yield Variable(scope=scope, origin=origin, name=name, value=text if newline else None)


def _status(root: Path, file: str) -> _Status | None:
    try:
        found = os.stat(root / file)  # noqa: PTH116 - a path of bytes that are no UTF-8 as well
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _normal(name: str) -> str:
    """The name as git lists it: what stands between the first dot and the last keeps its case."""
    section, _, rest = name.partition(".")
    between, dot, word = rest.rpartition(".")
    return f"{section.lower()}.{between}{dot}{word.lower()}"
