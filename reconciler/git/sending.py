"""One `git push`, and what it heard. These words are only passed on: they prove nothing."""

import re
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path

from msgspec import Struct

from reconciler.git.causes import IN_THE_WAY, IN_THE_WAY_HINT, CauseKind, advice, cause_kind
from reconciler.git.command import CompletedGit, GitTimeoutError, run_git
from reconciler.git.objects import CommitId
from reconciler.git.retrying import retry
from reconciler.git.said import mentioned_address, remote_words

_PUSH = (
    "push",
    "--porcelain",
    # A pre-push hook is made for a person's work: it may run tests for minutes, ask a question, or
    # call this program again. The commit holds no such work, and the server's hooks still decide.
    "--no-verify",
    "--no-follow-tags",
    "--recurse-submodules=no",
)

_TO_THE_BUSY = 3  # times in all that one push is sent to a busy server

# What servers say when one of their rules declines a push, in a hook or built in.
_RULE = r"(?i)declined|hidden ref|prohibited|not (permitted|allowed)|denied|protected"
_PERMISSION = (
    r"(?i)protected|not (permitted|allowed|authori[sz]ed)|permission|denied|forbidden|access"
    r"|pull request|merge request|prohibited|returned error: 403|hidden ref"
)
_PERMISSION_HINT = (
    "Allow the reconciler's identity to push to the branch, or keep the ledger on a branch of its "
    "own (git.ledgerBranch)."
)
_RULE_HINT = (
    "A rule of the server declines it: have the rule let the reconciler's commits pass, or keep "
    "the ledger on a branch that it leaves out (git.ledgerBranch)."
)
_LOCK = r"(?i)\.lock\b|\block(ed|ing)?\b"
_LOCK_HINT = (
    "Look for a lock that was left behind in the remote repository, and remove it once nobody "
    "pushes there."
)
_STALE = "stale info"  # git's own words, from the refs that the server shows to whoever pushes
_STALE_HINT = (
    "Who pushes is shown another state of the branch than who fetches, or none at all: as by a "
    "login page, a proxy, or a copy that lags behind. See what git push --dry-run says by hand."
)
_UNSAID_HINT = "The branch stands where it was: the words above, and the server's log, say why."
# What a person has set for their own pushes. If the server cannot do it, git sends nothing.
_UNSUPPORTED = {
    "does not support push options": ("-c", "push.pushOption="),
    "does not support --signed push": ("-c", "push.gpgSign=false"),
}
_NOT_ATOMIC = "does not support --atomic"
_FORBIDDEN = "returned error: 403"


class Move(Struct, frozen=True, kw_only=True):
    """A ref that must move to the commit, if it is where we expect it."""

    ref: str  # its full name
    commit: CommitId
    expected: CommitId | None  # None: it must not exist

    @property
    def spec(self) -> str:
        """The refspec."""
        return f"{self.commit}:{self.ref}"

    @property
    def lease(self) -> str:
        """The option that makes the push a compare-and-swap."""
        return f"--force-with-lease={self.ref}:{self.expected or ''}"


class Heard(Enum):
    """What the remote has done with a push, by what `git push` heard."""

    TAKEN = auto()
    REJECTED = auto()
    DECLINED = auto()  # by a rule about the ref: the same push would be declined again
    TURNED_AWAY = auto()  # whatever the ref: the same push would be turned away again
    NOTHING = auto()  # nothing certain: the remote may still be at work on the push
    NO_ACCESS = auto()  # nothing was sent
    UNABLE = auto()  # nothing was sent: the server cannot move several refs as one


class PushAnswer(Struct, frozen=True, kw_only=True):
    """What came of one sending, by the words of git and of the remote."""

    heard: Heard
    message: str
    hint: str | None = None  # what to do if the branch shows that nothing was moved
    went: str | None = None  # where the remote says that the push went


NO_ANSWER = PushAnswer(heard=Heard.NOTHING, message="")


def send(
    root: Path, remote: str, moves: Sequence[Move], *, timeout: float, dry_run: bool = False
) -> PushAnswer:
    """Push the moves, all or none, and return what was heard of the first one.

    Some servers move only one of several all the same. A busy server is sent the push again: it
    still is the same commit to the same ref. `timeout` is in seconds, for each sending.
    """
    options = (*_PUSH, *(["--atomic"] if len(moves) > 1 else ()))
    options = (*options, *(["--dry-run"] if dry_run else ()))
    leases, specs = ([move.lease for move in moves], [move.spec for move in moves])
    command = (*options, *leases, "--", remote, *specs)
    # Git takes no refspecs for a remote to which it mirrors everything.
    settings: tuple[str, ...] = ("-c", f"remote.{remote}.mirror=false")

    def push_once() -> CompletedGit:
        return run_git(root, *settings, *command, timeout=timeout, accept=None)

    try:
        done = retry(push_once, _is_busy, _TO_THE_BUSY)
        for said, without in _UNSUPPORTED.items():
            if said in done.stderr:
                settings = (*settings, *without)
                done = retry(push_once, _is_busy, _TO_THE_BUSY)
    except GitTimeoutError as error:
        return PushAnswer(heard=Heard.NOTHING, message=str(error))
    return read_answer(done, moves[0].spec)


def _is_busy(said: str) -> bool:
    return cause_kind(said) is CauseKind.BUSY


def read_answer(done: CompletedGit, spec: str) -> PushAnswer:
    """What `git push --porcelain` said of that refspec."""
    lines = [line.split("\t") for line in done.text.split("\n")]
    answers = [line for line in lines if len(line) == 3]  # noqa: PLR2004 - flag, refspec, summary
    own = [line for line in answers if line[1] == spec]
    summary = own[0][2] if len(own) == 1 else ""
    said = remote_words(done.stderr)
    message = "\n".join(words for words in (said, summary) if words)
    if summary and own[0][0] == "!":
        return _judge_rejection(summary, message, done.stderr)
    if done.exit_code == 0:
        elsewhere = [line[1] for line in answers if line[1].startswith(spec.partition(":")[0])]
        named = next((line.partition(":")[2] for line in elsewhere if line != spec), None)
        went = named or mentioned_address(said)
        return PushAnswer(heard=Heard.TAKEN, message=said, went=went)
    if summary:
        return PushAnswer(heard=Heard.NOTHING, message=message)
    message = done.stderr or f"git push ended with exit code {done.exit_code} and no answer"
    return _judge_silence(message, done.stderr)


def _judge_silence(message: str, said: str) -> PushAnswer:
    """The answer where the remote has said nothing about the ref."""
    hint = advice(said)
    if _NOT_ATOMIC in said:
        return PushAnswer(heard=Heard.UNABLE, message=message)
    match cause_kind(said):
        case CauseKind.HERE:
            heard = Heard.NO_ACCESS
        case CauseKind.NO_ACCESS:
            heard = Heard.NO_ACCESS
            hint = _PERMISSION_HINT if _FORBIDDEN in said else hint
        case CauseKind.TURNED_AWAY | CauseKind.BUSY:
            heard = Heard.TURNED_AWAY
        case _:
            heard = Heard.NOTHING
    return PushAnswer(heard=heard, message=message, hint=hint)


def _judge_rejection(summary: str, message: str, said: str) -> PushAnswer:
    if summary.startswith("[remote failure]"):
        return PushAnswer(
            heard=Heard.NOTHING, message=message
        )  # the remote did not report what it has done
    if cause_kind(summary) in {CauseKind.TURNED_AWAY, CauseKind.BUSY}:
        # The failure may have happened here, and git may have named its cause before the summary.
        return PushAnswer(
            heard=Heard.TURNED_AWAY,
            message=f"{said}\n{summary}".strip(),
            hint=advice(f"{said}\n{summary}"),
        )
    is_declined = summary.startswith("[remote rejected]") and re.search(_RULE, summary)
    if not is_declined:
        hint = _LOCK_HINT if re.search(_LOCK, message) else _UNSAID_HINT
        hint = _STALE_HINT if _STALE in summary else hint
        hint = IN_THE_WAY_HINT if re.search(IN_THE_WAY, message) else hint
        return PushAnswer(heard=Heard.REJECTED, message=message, hint=hint)
    hint = _PERMISSION_HINT if re.search(_PERMISSION, message) else _RULE_HINT
    return PushAnswer(heard=Heard.DECLINED, message=message, hint=hint)
