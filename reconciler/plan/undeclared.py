"""Runs that only the base declares: they are gone, or in a file that cannot be read any more."""

from collections.abc import Iterable, Mapping

from reconciler.model import Declared


def undeclared(before: Declared, after: Declared) -> frozenset[str]:
    """The names of the runs that only `before` declares."""
    names = {run.name for run in after.runs}
    return frozenset(run.name for run in before.runs if run.name not in names)


def unjudged(before: Declared, after: Declared) -> Mapping[str, frozenset[str]]:
    """Of those, the ones that perhaps are declared still, by a file that cannot be read.

    By that file. It is the one that declared them; or else one that the change brings, for they may
    have moved there.
    """
    unread = sorted({one.place.file for one in after.problems if one.code not in _READ})
    if not unread:
        return {}
    new = next((file for file in unread if file not in before.files), None)
    gone, found = undeclared(before, after), dict[str, set[str]]()
    for run in before.runs:
        if run.name in gone:
            file = _holding(run.place.file, unread) or new
            if file is not None:
                found.setdefault(file, set()).add(run.name)
    return {file: frozenset(names) for file, names in sorted(found.items())}


_READ = frozenset({"name-taken"})  # of a file that was read


def _holding(file: str, unread: Iterable[str]) -> str | None:
    """The one of them that is the file, or a folder around it, which may be a link by now."""
    return next((one for one in unread if file == one or file.startswith(f"{one}/")), None)
