r"""Whether a change leaves the ledger alone: only the reconciler writes it, on the shared branch.

    fork ⊑ here ⊑ branch

The checkout's ledger ("here") must begin with the ledger at the commit from which the change was
forked, or lines were removed. The branch's ledger must begin with the checkout's, or lines were
made up. So a checkout that is merely behind, or has merged the branch, is fine; one that drops the
last line is not.
"""

from collections.abc import Iterator
from itertools import zip_longest

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import LedgerError
from reconciler.ledger.files import (
    ACTIVE,
    Files,
    Ledgers,
    ledger_order,
    ledger_text,
    with_line_end,
)
from reconciler.ledger.lines import marks_conflict
from reconciler.model import Place, Problem

CODE = "ledger-edited"


class Guarded(Struct, frozen=True, kw_only=True):
    """A repository's ledgers in three places."""

    fork: Ledgers | None  # at the commit the change was forked from; None: not known
    here: Ledgers  # in the checkout
    branch: Ledgers
    named: str  # git's name of the branch: `origin/main`
    apart: frozenset[str] = frozenset()  # folders of `branch` from a branch other than `named`
    prefix: str = ""  # the working directory in the repository; shown paths are relative to it

    def shown_path(self, folder: str) -> str:
        """The folder as a path that git takes in the working directory."""
        inside = folder.startswith(self.prefix)
        return folder.removeprefix(self.prefix) if inside else f":/{folder}"


def find_edited_ledgers(guarded: Guarded) -> list[Problem]:
    """One problem for each ledger that was edited, at the first line that differs.

    A ledger that was moved whole to another folder, or copied, was not edited.
    """
    problems = [_edited_problem(folder, guarded) for folder in guarded.here]
    found = {folder for folder, one in zip(guarded.here, problems, strict=True) if one}
    gone = [
        _removed_problem(folder, guarded) for folder in guarded.fork or () if folder not in found
    ]
    return sorted(one for one in (*problems, *gone) if one is not None)


def _edited_problem(folder: str, guarded: Guarded) -> Problem | None:
    """What is wrong with the checkout's ledger, compared with the branch's."""
    here = guarded.here[folder]
    theirs = guarded.branch.get(folder)
    try:
        text = ledger_text(here, folder)
    except LedgerError as error:
        return _problem(Place(file=f"{folder}/{ACTIVE}"), f"{error}", folder, guarded)
    if theirs is not None:
        whole = _text(theirs)
        if not whole.startswith(text):
            return _problem(
                _first_difference(here, folder, whole),
                _describe_forgery(text, whole),
                folder,
                guarded,
            )
        return None
    if any(_text(one).startswith(text) for one in guarded.branch.values()):
        return None
    return _problem(
        Place(file=_last_path(here, folder)), "the branch has no such ledger", folder, guarded
    )


def _describe_forgery(here: bytes, theirs: bytes) -> str:
    lines = zip_longest(here.splitlines(), theirs.splitlines(), fillvalue=b"")
    if marks_conflict(next((own for own, other in lines if own != other), b"")):
        return "a merge conflict stands in the ledger"
    if here.startswith(theirs):
        return "the line was added here, and the branch does not have it"
    return "the line differs from the branch's"


def _removed_problem(folder: str, guarded: Guarded) -> Problem | None:
    """What the change has taken away from the ledger at the fork."""
    before = _text(guarded.fork[folder]) if guarded.fork else b""
    here = guarded.here.get(folder)
    if here is not None and _text(here).startswith(before):
        return None
    others = guarded.here.values()
    if not before or (here is None and any(_text(one).startswith(before) for one in others)):
        return None
    if here is None:
        place, what = Place(file=f"{folder}/{ACTIVE}"), "the ledger was deleted here"
    else:
        place, what = _first_difference(here, folder, before), "lines were taken away from here on"
    return _problem(place, what, folder, guarded)


def _problem(place: Place, what: str, folder: str, guarded: Guarded) -> Problem:
    return Problem(
        place=replace(place, file=place.file.removeprefix(guarded.prefix)),
        code=CODE,
        message=f"{what}: only the reconciler writes the ledger, and nothing starts once it is "
        f"edited. {_UNDO}{_undo_command(folder, guarded)}",
    )


_UNDO = "Undo it: "


def undo_advice(problem: Problem) -> str:
    """What undoes a problem of `find_edited_ledgers`: the command, and what else one must know."""
    return problem.message.rpartition(_UNDO)[2]


def _undo_command(folder: str, guarded: Guarded) -> str:
    theirs = guarded.branch.get(folder)
    from shlex import quote

    path = quote(guarded.shown_path(folder))
    if folder in guarded.apart:
        return f"`git rm -r -- {path}`, for {guarded.named} has no ledger there"
    if theirs is None:
        return f"`git rm -r -- {path}`, or move it back with `git mv`"
    more = guarded.here.get(folder, {}).keys() - theirs.keys()
    option = "--no-overlay " if more else ""  # deletes files that the branch does not have
    return f"`git checkout {option}{quote(guarded.named)} -- {path}`"


def _text(files: Files) -> bytes:
    """All lines of a ledger, or the lines that are left: another check reports missing files."""
    try:
        return ledger_text(files, "")
    except LedgerError:
        return b"".join(with_line_end(files[name]) for name in sorted(files))


def _first_difference(files: Files, folder: str, other: bytes) -> Place:
    """The place of the ledger's first line that differs from the other's, or of its last line."""
    theirs = iter(other.splitlines(keepends=True))
    last = Place(file=f"{folder}/{ACTIVE}")
    for name, number, line in _lines(files):
        last = Place(file=f"{folder}/{name}", line=number)
        if line != next(theirs, None):
            break
    return last


def _lines(files: Files) -> Iterator[tuple[str, int, bytes]]:
    try:
        order = [*ledger_order(files, ""), ACTIVE]
    except LedgerError:
        order = sorted(files)
    for name in order:
        content = with_line_end(files.get(name, b"")).replace(b"\r\n", b"\n")
        for number, line in enumerate(content.splitlines(keepends=True), start=1):
            yield name, number, line


def _last_path(files: Files, folder: str) -> str:
    return f"{folder}/{min(files, default=ACTIVE)}"
