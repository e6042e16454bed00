"""Pushing one commit to one ref: a compare-and-swap, judged by what the ref holds afterwards.

A server's answer to a push proves nothing. One server says ok and moves nothing: it has turned the
push into a merge request, or has lost a race without noticing it. Another reports a lost race in
words of its own. And the push may go to another repository than the one that is fetched. So the ref
is read back from the address that is fetched, and that decides. The words are only passed on.
"""

import random
import time
from enum import Enum, auto
from pathlib import Path
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import GitError
from reconciler.git.commits import write_commit, write_empty_tree
from reconciler.git.default import ask_default_branch
from reconciler.git.endpoints import check_one_target, read_addresses
from reconciler.git.kept_refs import EACH
from reconciler.git.lasting import ask_once
from reconciler.git.objects import CommitId, ObjectId, is_ancestor, tree_question
from reconciler.git.remote import (
    HEADS,
    Others,
    SeenRefs,
    bring,
    check_branch,
    read_refs,
)
from reconciler.git.sending import NO_ANSWER, Heard, Move, PushAnswer, send

_SENDINGS = 3  # in all, of a push that is rejected though nobody was faster: a lock may be held
_LOOKS = 4  # in all, after a push that was taken: a replica may lag a little
_PAUSE_SECONDS = 0.2  # before the second sending or look; each later pause is twice as long


class PushLanded(Struct, frozen=True):
    """The ref, read back, holds our commit, which nobody else could have pushed."""

    with_trace: bool = False  # the trace moved along, which this clone does not know yet


class PushRaced(Struct, frozen=True, kw_only=True):
    """The ref was not where we expected it, or moved meanwhile, and does not hold our commit.

    Or the ref does hold our commit, but the trace of another ledger has moved meanwhile. Or the ref
    of our own trace has moved, so that a claim was not pushed.
    """

    message: str


class PushDeclined(Struct, frozen=True, kw_only=True):
    """The ref was not moved, or is no longer the default branch; `message` says why."""

    message: str
    hint: str | None = None
    is_of_ref: bool = False  # the server may still take a push to another ref


class PushUnclear(Struct, frozen=True, kw_only=True):
    """No certain answer came: the commit may have landed. Look for it on the remote."""

    message: str


PushResult = PushLanded | PushRaced | PushDeclined | PushUnclear

_TAKEN_HINT = (
    "The server may turn pushes into merge requests, queue them, or say ok and do nothing. Let the "
    "reconciler's identity push to the branch itself, or keep the ledger on a branch of its own "
    "(git.ledgerBranch)."
)


class Along(Enum):
    """What became of a second ref that should have moved together with the first."""

    MOVED = auto()  # both did
    APART = auto()  # the server does not move both as one
    OPEN = auto()  # unknown, or not tried


def push(
    root: Path,
    remote: str,
    commit: CommitId,
    branch: str,
    *,
    expected: CommitId | None,
    timeout: float,
    along: Move | None = None,
    is_default: bool = False,
    others: Others | None = None,
) -> tuple[PushResult, Along]:
    """Move the remote's branch from `expected` (None: it must not exist) to the commit.

    The commit must descend from `expected`, so that history is never rewritten. `along` moves
    together with the branch or not at all; if the server refuses the pair, the branch may move
    alone. `is_default`: it must still be the remote's default branch. `others`: the traces of other
    ledgers must still be these, or the answer is PushRaced although the branch moved. `timeout` is
    in seconds, for each call of git. Raises GitError if the commit does not descend from
    `expected`, or if there is no such remote or it stands for several repositories.
    """
    ref = check_branch(root, branch)
    if expected is not None and not is_ancestor(root, expected, commit):
        raise GitError(f"{commit} does not follow {expected}: pushing it would lose history")
    attempt = _Attempt(
        root=root,
        remote=_require_one_target(root, remote),
        move=Move(ref=ref, commit=commit, expected=expected),
        along=along,
        is_default=is_default,
        others=others,
        timeout=timeout,
    )
    return attempt.push_together() or attempt.push_alone(), attempt.became


def swap(root: Path, remote: str, move: Move, *, timeout: float) -> PushResult:
    """Move one ref of any kind, as `push` does. Nobody else may be able to push the commit."""
    where = _require_one_target(root, remote)
    return _Attempt(root=root, remote=where, move=move, timeout=timeout).push_alone()


def _require_one_target(root: Path, remote: str) -> str:
    """The remote's name. Raises GitError if there is no such remote, or it pushes to several."""
    check_one_target(root, remote)
    return remote


class _Attempt(Struct, kw_only=True):
    """One commit on its way to one ref, sent once or several times."""

    root: Path
    remote: str
    move: Move
    timeout: float
    along: Move | None = None
    is_default: bool = False
    others: Others | None = None
    became: Along = Along.OPEN
    answer: PushAnswer = NO_ANSWER  # to the last sending
    seen: SeenRefs | None = None  # the refs after that; None: they could not be read
    holds: bool = False  # whether the ref, as last read, holds the commit

    def push_together(self) -> PushResult | None:
        """Send both moves as one; None if the branch may now be pushed alone."""
        if self.along is None:
            return None
        result = self._send_moves(self.move, self.along)
        if result is None and self.along.expected is not None and self._is_gone(self.along):
            # Somebody has deleted the second ref there; what was fetched of it stays here.
            self.along = replace(self.along, expected=None)
            result = self._send_moves(self.move, self.along)
        tip = self.seen.tips.get(self.along.ref) if self.seen is not None else None
        if tip == self.along.commit:
            self.became = Along.MOVED
            # Declined although the branch holds the commit: it is no longer the default branch.
            is_there = self.holds and not isinstance(result, PushDeclined)
            if not is_there and (self.holds or not self._is_squashed()):
                self._take_back(self.along)
        elif self.seen is not None and tip == self.along.expected:
            is_told = result is None or isinstance(result, PushLanded)
            self.became = Along.APART if is_told else Along.OPEN
        elif self.others is not None and result is None and self.became is Along.OPEN:
            # Appliers that read another ledger must learn of this claim, so it never goes alone.
            return PushRaced(message=f"{self.along.ref} has moved")
        return result

    def _is_gone(self, move: Move) -> bool:
        return self.seen is not None and move.ref not in self.seen.tips

    def push_alone(self) -> PushResult:
        """Send the first move alone, several times if it is rejected though nobody was faster."""
        pause = _PAUSE_SECONDS
        for number in range(_SENDINGS):
            result = self._send_moves(self.move)
            if result is not None:
                return result
            if self.answer.heard is Heard.DECLINED or number == _SENDINGS - 1:
                break
            # Nothing says when another push releases its lock.
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads rivals, guards nothing
            pause *= 2
        return self._declined_result()

    def _send_moves(self, *moves: Move) -> PushResult | None:
        """Send the moves; None if the push was refused and the ref has not moved."""
        self.answer = send(self.root, self.remote, moves, timeout=self.timeout)
        match self.answer.heard:
            case Heard.NO_ACCESS:
                return PushDeclined(message=self.answer.message, hint=self.answer.hint)
            case Heard.UNABLE:
                self.became = Along.APART
                return None
            case Heard.TURNED_AWAY:
                return self._judge() or self._declined_result()
            case Heard.NOTHING | Heard.TAKEN | Heard.DECLINED | Heard.REJECTED:
                return self._judge()
            case _:
                assert_never(self.answer.heard)

    def _judge(self) -> PushResult | None:
        """Judge the push by what the ref holds now at the address that is fetched."""
        heard, said = self.answer.heard, self.answer.message
        try:
            result = self._look()
            for number in range(_LOOKS - 1):
                if result is not None or heard is not Heard.TAKEN:
                    break
                time.sleep(_PAUSE_SECONDS * 2**number)
                result = self._look()
        except GitError as error:
            return PushUnclear(message=f"{said}\n{error}".strip())
        if result is None and heard is Heard.TAKEN:
            return self._missing_push_result()
        if result is None and heard is Heard.NOTHING:
            return PushUnclear(message=said)
        return result

    def _look(self) -> PushResult | None:
        """Read the ref back; None if it has not moved. Raises GitError."""
        refs = [move.ref for move in (self.move, self.along) if move is not None]
        if self.others is not None:
            refs.extend(EACH)
        self.seen = None
        seen = read_refs(self.root, self.remote, refs, timeout=self.timeout)
        tip = seen.tips.get(self.move.ref)
        self.holds = self._is_held_by(tip)
        self.seen = seen
        if self.holds:
            return self._judge_landed(seen)
        if tip == self.move.expected:
            return None
        return PushRaced(message=self.answer.message or f"{self.move.ref} has moved")

    def _is_held_by(self, tip: CommitId | None) -> bool:
        """Whether the tip is our commit or follows it. Raises GitError."""
        if tip is None or tip == self.move.expected:
            return False
        if tip == self.move.commit:
            return True
        bring(self.root, self.remote, self.move.ref, timeout=self.timeout)
        return is_ancestor(self.root, self.move.commit, tip)

    def _is_squashed(self) -> bool:
        """Whether the ref's tip has the tree of our commit, as where a server has squashed it."""
        tip = self.seen.tips.get(self.move.ref) if self.seen is not None else None
        return tip is not None and self._read_tree(tip) == self._read_tree(self.move.commit)

    def _read_tree(self, commit: CommitId) -> ObjectId:
        return ObjectId(ask_once(self.root, *tree_question(commit), about=[commit]).text)

    def _judge_landed(self, seen: SeenRefs) -> PushLanded | PushRaced | PushDeclined:
        branch = self.move.ref.removeprefix(HEADS)
        if not self.is_default or seen.default == branch:
            return self._judge_others(seen)
        now = ask_default_branch(self.root, self.remote)
        if now == branch:
            return self._judge_others(seen)
        name = self.remote
        return PushDeclined(
            message=f"{now} is now the default branch of {name}, and {branch} no longer is",
            hint="Run it again: it works on the new one then.",
        )

    def _judge_others(self, seen: SeenRefs) -> PushLanded | PushRaced:
        """The result of a push that landed: PushRaced if another ledger has moved meanwhile.

        Two appliers may claim one run in two ledgers. Each shows its trace before it looks for
        others, so at least one sees the other's here, and reads that ledger before it goes on.
        """
        if self.others is not None and self.others.have_moved(seen.tips):
            return PushRaced(message="another ledger has moved meanwhile")
        return PushLanded()

    def _take_back(self, along: Move) -> None:
        """Undo the second move if the first failed: its trace tells of a commit that is not there.

        History is not rewritten for that. A new commit on top restores what stood there before, and
        is empty if that was nothing. If the ref were removed instead, every clone that has fetched
        it meanwhile would go on believing it.
        """
        self.became = Along.APART
        before = along.expected
        tree = write_empty_tree(self.root) if before is None else self._read_tree(before)
        made = write_commit(self.root, tree, along.commit, "Taken back [skip ci]\n")
        undone = Move(ref=along.ref, commit=made, expected=along.commit)
        send(self.root, self.remote, [undone], timeout=self.timeout)

    def _declined_result(self) -> PushDeclined:
        """The result of an attempt that was rejected each time, in the remote's words."""
        said = self.answer.message
        is_of_ref = self.answer.heard is not Heard.TURNED_AWAY
        where = read_addresses(self.root, self.remote)
        if not where.differ:
            return PushDeclined(message=said, hint=self.answer.hint, is_of_ref=is_of_ref)
        said = f"{said}\n{where.difference}"
        return PushDeclined(message=said, hint=where.hint, is_of_ref=is_of_ref)

    def _missing_push_result(self) -> PushDeclined:
        name, said = self.move.ref.removeprefix(HEADS), self.answer.message
        where = read_addresses(self.root, self.remote)
        message = f"the push was taken, and {name} at {where.fetched} does not hold it"
        if self.answer.went is not None:
            message = f"{message}: by the remote's words it went to {self.answer.went}"
        if where.differ:
            message, hint = f"{message}: {where.difference}", where.hint
        else:
            message, hint = "\n".join(filter(None, (message, said))), _TAKEN_HINT
        return PushDeclined(message=message, hint=hint, is_of_ref=True)
