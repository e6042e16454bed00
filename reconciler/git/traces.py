"""What is known of a folder beyond one commit, from this clone, the remote and the history.

A ledger only grows, so whoever has seen an earlier state can tell that it has lost something. This
clone remembers the ledger's tree in a ref of its own, the remote keeps a trace for clones that are
new or shallow, and the history says what was last written.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from reconciler.git.command import run_git
from reconciler.git.commits import write_commit
from reconciler.git.gitconfig import read_value, set_value
from reconciler.git.kept_refs import (
    BRANCH_MARK,
    BRANCHES,
    FETCHED,
    MEMORY,
    SEEN,
    THERE,
    Traces,
    list_refs,
    ref_there,
    traces_among,
)
from reconciler.git.lasting import ask_once, keep_answer
from reconciler.git.objects import (
    CommitId,
    ObjectId,
    folder_question,
    tree_listing,
)
from reconciler.git.push import PushDeclined, PushLanded, PushRaced, PushUnclear, swap
from reconciler.git.remote import read_refs
from reconciler.git.retrying import FETCH, ask, unreadable_error
from reconciler.git.said import clean_words
from reconciler.git.sending import Move
from reconciler.git.tree import known_tree

# In a commit's list of changes: the modes before and after, the ids before and after, the kind.
_CHANGED_FOLDER = r"\n?:[0-7]{6} 040000 [0-9a-f]+ ([0-9a-f]+) [A-Z]"
_KEEPING_SECONDS = 30.0  # a trace is not worth a longer wait
_TRIES = 3  # to push a trace while others push theirs
# What this clone remembers of a server that has refused a trace: where it still keeps it.
_ON_BRANCH = "branch"
_NOWHERE = "nowhere"


def remember(root: Path, name: str, commit: CommitId, folder: str) -> None:
    """Keep the folder, as the commit has it, in a ref of this clone.

    Another process that does the same at this moment may win: either tree is worth remembering.
    """
    run_git(root, "update-ref", f"{SEEN}/{name}", f"{commit}:{folder}", accept=(0, 1, 128))


def remember_next(
    root: Path, name: str, tree: ObjectId, before: ObjectId | None, trace: "Trace | None" = None
) -> bool:
    """Keep the tree if the clone still remembers `before` (None: nothing); whether it is kept.

    Another process may have seen more meanwhile, and that must not be replaced. `trace`: what the
    remote has taken together with the commit, which is noted in any case.
    """
    ref = f"{SEEN}/{name}"
    orders = [f"create {ref} {tree}" if before is None else f"update {ref} {tree} {before}"]
    if trace is not None:
        orders.append(f"update {trace.here} {trace.move.commit}")
    asked = "".join(f"{order}\n" for order in orders).encode()
    moved = run_git(root, "update-ref", "--stdin", stdin=asked, accept=(0, 1, 128))
    if moved.exit_code and trace is not None:  # git has moved neither
        run_git(root, "update-ref", trace.here, trace.move.commit, accept=(0, 1, 128))
    return not moved.exit_code


def read_remembered(root: Path, name: str) -> ObjectId | None:
    """The tree that this clone last remembered under the name."""
    return _resolve(root, f"{SEEN}/{name}^{{tree}}")


def keep(
    root: Path,
    remote: str,
    name: str,
    commit: CommitId,
    folder: str,
    continues: Callable[[ObjectId, ObjectId], bool],
    known: Traces | None = None,
) -> str | None:
    """Have the remote keep the folder, as the commit has it, for other clones; or return why not.

    The trace only grows: each commit follows the one before, and a tree that does not continue the
    one that is kept (`continues(new, old)`) changes nothing, because then somebody has kept more. A
    server that takes only branches keeps the trace on one. This clone does not try again what the
    server has refused. `known`: the traces, if nothing but this process has moved them since they
    were read. Raises GitError if git fails here.
    """
    tree = read_folder_tree(root, commit, folder)
    reason = "its refusal is remembered"
    held = _read_held_traces(root, remote, name, known)
    for place in _places(root, remote, name, held) if tree is not None else ():
        result = _keep_at(root, remote, place, tree or ObjectId(""), held, continues)
        if not isinstance(result, PushDeclined):
            return result
        reason = result.message
        if not result.is_of_ref:
            break  # a server that is busy, or out of reach, has not refused this place
        # This may fail (another process may lock the configuration): it only saves a later push.
        set_value(root, _setting(remote, name), place.next)
    return None if tree is None else reason


class Trace(Struct, frozen=True, kw_only=True):
    """The next trace of a ledger, pushed together with the commit that the ledger grows by."""

    move: Move
    here: str  # the ref of this clone that shows what the remote keeps
    prefix: str  # of the traces' refs on the remote
    tree: ObjectId


def make_next_trace(
    root: Path,
    remote: str,
    name: str,
    commit: CommitId,
    folder: str,
    continues: Callable[[ObjectId, ObjectId], bool],
    known: Traces | None = None,
) -> Trace | None:
    """The trace that `keep` would push; None if there is none, or it needs its own push."""
    tree = read_folder_tree(root, commit, folder)
    held = _read_held_traces(root, remote, name, known)
    place = next(iter(_places(root, remote, name, held)), None)
    alone = read_value(root, _alone_setting(remote))
    if tree is None or place is None or alone == place.prefix:
        return None
    move = _make_move(root, place, tree, held.get(place.here), continues)
    if move is None:
        return None
    return Trace(move=move, here=place.here, prefix=place.prefix, tree=tree)


def note_apart(root: Path, remote: str, trace: Trace) -> None:
    """Note that the server does not move such a trace together with a branch."""
    set_value(root, _alone_setting(remote), trace.prefix)


class _TracePlace(Struct, frozen=True, kw_only=True):
    """A ref on the remote that may hold a trace, and the ref here to which it is fetched."""

    name: str  # of the trace
    ref: str
    here: str
    next: str  # where to keep the trace once the server has refused this ref

    @property
    def prefix(self) -> str:
        """What the refs of all such places begin with."""
        return self.ref.removesuffix(f"/{self.name}")


class _HeldTrace(Struct, frozen=True, kw_only=True):
    """A trace that the remote keeps, as a ref of this clone shows it."""

    commit: CommitId | None  # None: it is no commit, and no trace can follow it
    tree: ObjectId


def _places(
    root: Path, remote: str, name: str, held: Mapping[str, _HeldTrace]
) -> list[_TracePlace]:
    here, here_on_branch = _local_refs(remote, name)
    beside = _TracePlace(name=name, ref=f"{THERE}/{name}", here=here, next=_ON_BRANCH)
    branch = _TracePlace(name=name, ref=f"{BRANCHES}/{name}", here=here_on_branch, next=_NOWHERE)
    known = read_value(root, _setting(remote, name))
    if known == _NOWHERE:
        return []
    if known == _ON_BRANCH or branch.here in held:
        return [branch]
    return [beside, branch]


def _local_refs(remote: str, name: str) -> tuple[str, str]:
    """The refs here for a trace beside the remote's branches, and for a trace on a branch."""
    return f"{FETCHED}/{remote}/{name}", f"{FETCHED}/{remote}/{BRANCH_MARK}/{name}"


def _read_held_traces(
    root: Path, remote: str, name: str, known: Traces | None = None
) -> dict[str, _HeldTrace]:
    """What these two refs hold, by their names; a ref that does not exist is left out."""
    refs = _local_refs(remote, name)
    if known is None:
        known = traces_among(remote, list_refs(root, *refs))
    found = {}
    for ref in refs:
        key = ref.removeprefix(f"{MEMORY}/")
        oid, tree = known.kept.get(ref_there(remote, key) or ""), known.trees.get(key)
        if oid is not None and tree is not None:
            found[ref] = _HeldTrace(commit=None if oid == tree else CommitId(oid), tree=tree)
    return found


def _setting(remote: str, name: str) -> str:
    # One for each trace: the server may refuse this name, and take another.
    return f"reconciler.{remote}/{name}.trace"


def _alone_setting(remote: str) -> str:
    return f"reconciler.{remote}.traceAlone"  # the prefix of traces that need their own push


def _make_move(
    root: Path,
    place: _TracePlace,
    tree: ObjectId,
    held: _HeldTrace | None,
    continues: Callable[[ObjectId, ObjectId], bool],
) -> Move | None:
    """The move that puts the tree in the place; None if that is not needed, or not possible."""
    if held is not None and held.commit is None:
        return None  # somebody has put something there that no trace can follow
    if held is not None and (held.tree == tree or not continues(tree, held.tree)):
        return None
    expected = None if held is None else held.commit
    message = f"The ledger of {place.name}, for clones that have not seen it [skip ci]\n"
    made = write_commit(root, tree, expected, message)
    return Move(ref=place.ref, commit=made, expected=expected)


def _keep_at(
    root: Path,
    remote: str,
    place: _TracePlace,
    tree: ObjectId,
    held: Mapping[str, _HeldTrace],
    continues: Callable[[ObjectId, ObjectId], bool],
) -> str | PushDeclined | None:
    for _ in range(_TRIES):
        move = _make_move(root, place, tree, held.get(place.here), continues)
        if move is None:
            return None
        answer = swap(root, remote, move, timeout=_KEEPING_SECONDS)
        match answer:
            case PushLanded():
                run_git(root, "update-ref", place.here, move.commit, accept=(0, 1, 128))
                return None
            case PushRaced():
                _refresh(root, remote, place)
                held = _read_held_traces(root, remote, place.name)
            case PushDeclined():
                return answer
            case PushUnclear():
                return answer.message
    return "others were faster each time"


def _refresh(root: Path, remote: str, place: _TracePlace) -> None:
    """Fetch what the remote keeps there now, or forget it if the remote keeps nothing."""
    if place.ref not in read_refs(root, remote, [place.ref], timeout=_KEEPING_SECONDS).tips:
        run_git(root, "update-ref", "-d", place.here)
    else:
        spec = f"+{place.ref}:{place.here}"
        done = ask(root, *FETCH, "--", remote, spec, timeout=_KEEPING_SECONDS)
        if done.exit_code:
            raise unreadable_error(remote, done)


def read_author(root: Path, ref: str) -> str:
    """Who made the ref's commit, and when. Anybody who can push may have written any name."""
    form = "--format=%an <%ae> at %aI"
    said = clean_words(run_git(root, "log", "-1", form, ref, "--", accept=None).stdout)
    return said or "somebody: there is no commit in it"


def find_last_written(root: Path, commit: CommitId, folder: str, trailer: str) -> ObjectId | None:
    """The folder's tree in the newest commit with the trailer, up to `commit`, that changed it.

    All lines of history count, because a merge can have taken the other side. None if there is no
    such commit, or a shallow clone does not reach it.
    """
    listing = run_git(
        root,
        # The user's own settings for reading a log must not hide what is in it.
        *("-c", "grep.patternType=basic", "-c", "i18n.logOutputEncoding=UTF-8"),
        *("-c", "log.showSignature=false"),
        *("--literal-pathspecs", "log", "-1", "--full-history", "--format=%H"),
        *("--raw", "-t", "--no-abbrev", "--no-renames", "-z"),
        *(f"--grep=^{trailer}: ", commit, "--", folder),
    ).stdout
    found, *changes = listing.decode("utf-8", "surrogateescape").split("\0")
    if not found:
        return None
    return _folder_among(changes, folder) or _find_object(root, CommitId(found), folder)


def _folder_among(changes: Sequence[str], folder: str) -> ObjectId | None:
    """The folder's tree after a commit, by git's raw list of what the commit changed.

    None if the list does not name it, as for a merge or where the folder was removed.
    """
    for change, path in pairwise(changes):
        if path == folder and (told := re.fullmatch(_CHANGED_FOLDER, change)):
            return ObjectId(told[1])
    return None


def read_folder_tree(root: Path, commit: CommitId, path: str) -> ObjectId | None:
    """The folder's tree as the commit has it; None if the commit has no such folder."""
    tree = known_tree(root, commit)
    if tree is not None:
        there = tree.folder(path)
        if there is not None:
            keep_answer(root, *tree_listing(there), answer=tree.files_of(path))
        return there
    found = _find_object(root, commit, path)  # in `COMMIT:PATH^{tree}` git reads it all as the path
    return found and _resolve(root, f"{found}^{{tree}}")


def _find_object(root: Path, commit: CommitId, path: str) -> ObjectId | None:
    """The object at the path in the commit; None if there is none."""
    return _ask_for_object(root, *folder_question(commit, path), about=commit)


def _resolve(root: Path, spec: str) -> ObjectId | None:
    about = spec.partition("^")[0]
    return _ask_for_object(root, "rev-parse", "--verify", "--quiet", spec, about=about)


def _ask_for_object(root: Path, *command: str, about: str) -> ObjectId | None:
    found = ask_once(root, *command, about=[about], accept=(0, 1, 128)).text
    return ObjectId(found) if found else None
