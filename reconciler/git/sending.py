"""One `git push`, and what it heard. The words are only passed on: they prove nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from reconciler.git.asking import is_certain
from reconciler.git.command import CompletedGit, GitTimeoutError, run_git
from reconciler.git.objects import CommitId
from reconciler.git.words import remote_words

_PUSH = (
    "push",
    "--porcelain",
    # A pre-push hook is made for a person's work: it may run tests for minutes, ask, or call this
    # program again. The commit holds no such work, and the server's own hooks still decide.
    "--no-verify",
    "--no-follow-tags",
    "--recurse-submodules=no",
)

_RULE = re.compile(r"hook declined|hidden ref")
# What a person has set for their own pushes, where the server cannot do it: git sends nothing then.
_UNSUPPORTED = {
    "does not support push options": ("-c", "push.pushOption="),
    "does not support --signed push": ("-c", "push.gpgSign=false"),
}
_NOT_ATOMIC = "does not support --atomic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A ref that is to hold the commit, if it stands where it is expected."""

    ref: str  # its full name
    commit: CommitId
    expected: CommitId | None  # None: it must not exist

    @property
    def spec(self) -> str:
        """The refspec."""
        return f"{self.commit}:{self.ref}"

    @property
    def lease(self) -> str:
        """The option that makes it a compare-and-swap."""
        return f"--force-with-lease={self.ref}:{self.expected or ''}"


class Heard(Enum):
    """What the remote is said to have done, as far as `git push` heard."""

    TAKEN = auto()
    REJECTED = auto()
    DECLINED = auto()  # by a rule: it would say the same again
    NOTHING = auto()  # it may be at work on it still
    NO_ACCESS = auto()  # nothing was sent
    UNABLE = auto()  # nothing was sent: it cannot move several refs as one


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one sending, by the words of git and of the remote."""

    heard: Heard
    message: str


NO_ANSWER = Answer(heard=Heard.NOTHING, message="")


def send(root: Path, remote: str, moves: Sequence[Move], *, timeout: float) -> Answer:
    """Push the moves, all or none, and say what was heard of the first one.

    There are servers that move one of several all the same. `timeout` in seconds.
    """
    options = (*_PUSH, *(["--atomic"] if len(moves) > 1 else ()))
    leases, specs = ([move.lease for move in moves], [move.spec for move in moves])
    command = (*options, *leases, "--", remote, *specs)
    # A remote to mirror everything to takes no refspecs.
    settings: tuple[str, ...] = ("-c", f"remote.{remote}.mirror=false")
    try:
        done = run_git(root, *settings, *command, timeout=timeout, accept=None)
        for said, without in _UNSUPPORTED.items():
            if said in done.stderr:
                settings = (*settings, *without)
                done = run_git(root, *settings, *command, timeout=timeout, accept=None)
    except GitTimeoutError as error:
        return Answer(heard=Heard.NOTHING, message=str(error))
    return read_answer(done, moves[0].spec)


def read_answer(done: CompletedGit, spec: str) -> Answer:
    """What `git push --porcelain` with that one refspec said."""
    lines = [line.split("\t") for line in done.text.split("\n")]
    answers = [line for line in lines if len(line) == 3 and line[1] == spec]  # noqa: PLR2004 - flag, refspec, summary
    summary = answers[0][2] if len(answers) == 1 else ""
    message = "\n".join(words for words in (remote_words(done.stderr), summary) if words)
    if summary and answers[0][0] == "!":
        return Answer(heard=_rejection(summary), message=message)
    if done.exit_code == 0:
        return Answer(heard=Heard.TAKEN, message=remote_words(done.stderr))
    if summary:
        return Answer(heard=Heard.NOTHING, message=message)
    message = done.stderr or f"git push ended with exit code {done.exit_code} and no answer"
    return Answer(heard=_silence(done.stderr), message=message)


def _silence(said: str) -> Heard:
    if _NOT_ATOMIC in said:
        return Heard.UNABLE
    return Heard.NO_ACCESS if is_certain(said) else Heard.NOTHING


def _rejection(summary: str) -> Heard:
    if summary.startswith("[remote failure]"):
        return Heard.NOTHING  # it did not come to report what it did
    is_declined = summary.startswith("[remote rejected]") and _RULE.search(summary)
    return Heard.DECLINED if is_declined else Heard.REJECTED
