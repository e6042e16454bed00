"""A clone's git configuration: read as a whole, and again only after one of its files has changed.

A command looks up a dozen variables, each more than once, and a process for each lookup would cost
more than reading everything once. Git is still asked what it makes of a value (a path, a boolean).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from reconciler.git.command import run_git

_FILE = "file:"
_SCOPES_OF_A_CLONE = frozenset({"local", "worktree"})  # their files lie in it, or are included

_Status = tuple[int, int, int]  # of a file: whoever writes it puts a new file in its place


class Variable(Struct, frozen=True, kw_only=True):
    """One value of a variable, and where git read it."""

    scope: str  # git-config(1): system, global, local, worktree, command
    origin: str  # `file:PATH`, relative to the root, or another source
    name: str  # the section and the last word in lower case
    value: str | None  # None: the variable stands there without a value, which means true

    @property
    def file(self) -> str | None:
        """The file that sets the variable, relative to the root; None if no file does."""
        return self.origin.removeprefix(_FILE) if self.origin.startswith(_FILE) else None

    @property
    def is_of_clone(self) -> bool:
        """Whether the clone itself sets the variable, not the user or the machine."""
        return self.scope in _SCOPES_OF_A_CLONE


class _KnownVariables(Struct, frozen=True, kw_only=True):
    """The variables that were read, and the status of the files that they were read from."""

    variables: Sequence[Variable]
    by_name: Mapping[str, Sequence[str | None]]
    files: Mapping[str, _Status | None]


_readings: dict[Path, _KnownVariables] = {}  # by the top of the working tree


def read_variables(root: Path) -> Sequence[Variable]:
    """Read every variable; of several with one name, the last counts. Raises GitError."""
    return _read(root).variables


def read_values(root: Path, name: str) -> list[str | None]:
    """All values of the variable; where only one is allowed, the last counts. Raises GitError."""
    return list(_values_by_name(root).get(_normal_name(name), ()))


def read_value(root: Path, name: str) -> str:
    """The variable's value; "" where it has none. Raises GitError."""
    found = read_values(root, name)
    return (found[-1] or "") if found else ""


def list_names(root: Path, beginning: str) -> list[str]:
    """The names of all variables with that beginning: a section in lower case, with its dot."""
    return [name for name in _values_by_name(root) if name.startswith(beginning)]


def set_value(root: Path, name: str, text: str) -> None:
    """Set the variable in the clone's own configuration.

    This does nothing if another process holds the file's lock, so nobody may depend on it.
    """
    run_git(root, "config", name, text, accept=None)
    _readings.pop(root, None)  # even if the file's status looks unchanged


def forget_variables() -> None:
    """Forget everything, so that it is read anew."""
    _readings.clear()


def _values_by_name(root: Path) -> Mapping[str, Sequence[str | None]]:
    """The values by name, as the files hold them now."""
    known = _readings.get(root)
    if known is None or any(_status(root, file) != was for file, was in known.files.items()):
        known = _read(root)
    return known.by_name


def _read(root: Path) -> _KnownVariables:
    found = list(_list_variables(root))
    by_name: dict[str, list[str | None]] = {}
    for one in found:
        by_name.setdefault(one.name, []).append(one.value)
    files = {file: _status(root, file) for one in found if (file := one.file)}
    reading = _KnownVariables(variables=found, by_name=by_name, files=files)
    _readings[root] = reading
    return reading


def _list_variables(root: Path) -> Iterator[Variable]:
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


def _normal_name(name: str) -> str:
    """The name as git lists it: only the part between the first and the last dot keeps its case."""
    section, _, rest = name.partition(".")
    between, dot, word = rest.rpartition(".")
    return f"{section.lower()}.{between}{dot}{word.lower()}"
