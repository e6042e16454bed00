"""Pushing one commit to one ref: a compare-and-swap, judged by what the ref holds afterwards.

What a server says of a push is no evidence. One says ok and moves nothing: it has turned the push
into a merge request, or has lost a race and does not know it. Another speaks of a lost race in
words of its own. And the push may go to another repository than the one that is fetched. So the
ref is read back from there, and that decides; the words are only passed on.
"""

import random
import re
import time
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import assert_never

from reconciler.errors import GitError
from reconciler.git.command import CompletedGit, GitTimeoutError, run_git
from reconciler.git.objects import CommitId, is_ancestor
from reconciler.git.remote import Addresses, addresses, bring, check_branch, remote_tip
from reconciler.git.words import remote_words

_SENDINGS = 3  # of a push that is rejected though nobody was faster: somebody may hold a lock
_LOOKS = 4  # for a push that was taken: a replica may lag a little
_PAUSE_SECONDS = 0.2  # before the second; each one after it is twice as long


@dataclass(frozen=True, slots=True)
class Landed:
    """The ref, read back, holds our commit, which nobody else has to push."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """The ref was not, or did not stay, where it was expected, and does not hold our commit."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The ref is where it was, for the reason that the remote gives or that can be seen."""

    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """No certain answer came: the commit may have landed. Look for it on the remote."""

    message: str


PushResult = Landed | Raced | Refused | Unclear

_PUSH = (
    "push",
    "--porcelain",
    # A pre-push hook is made for a person's work: it may run tests for minutes, ask, or call this
    # program again. The commit holds no such work, and the server's own hooks still decide.
    "--no-verify",
    "--no-follow-tags",
    "--recurse-submodules=no",
)

# Said before anything is sent, and true until a person does something about it.
_NO_ACCESS = re.compile(
    r"authentication failed|could not read (username|password)|permission denied \("
    r"|permission to \S+ denied|returned error: 40[134]|repository .*not found"
    r"|does not appear to be a git repository|host key verification failed",
    re.IGNORECASE,
)
_LOCK = re.compile(r"\.lock\b|\block(ed|ing)?\b", re.IGNORECASE)
_LOCK_HINT = (
    "Look for a lock that was left behind in the remote repository, and remove it once nobody "
    "pushes there."
)
_TAKEN_HINT = (
    "The server may turn pushes into merge requests, queue them, or say ok and do nothing. Let the "
    "reconciler's identity push to the branch itself, or keep the ledger on a branch of its own "
    "(git.ledgerBranch)."
)


class Heard(Enum):
    """What the remote is said to have done, as far as `git push` heard."""

    TAKEN = auto()
    REJECTED = auto()
    DECLINED = auto()  # by a hook: it would say the same again
    NOTHING = auto()  # it may be at work on it still
    NO_ACCESS = auto()  # nothing was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one sending, by the words of git and of the remote."""

    heard: Heard
    message: str


def push(
    root: Path,
    remote: str,
    commit: CommitId,
    branch: str,
    *,
    expected: CommitId | None,
    timeout: float,
) -> PushResult:
    """Move the remote's branch from `expected` (None: it must not exist) to the commit.

    The commit must descend from `expected`, so that history is never rewritten. `timeout` is in
    seconds. Raises GitError if there is no such remote, or it stands for several repositories.
    """
    ref = check_branch(root, branch)
    if expected is not None and not is_ancestor(root, expected, commit):
        raise GitError(f"{commit} does not follow {expected}: pushing it would lose history")
    return swap(root, remote, commit, ref, expected=expected, timeout=timeout)


def swap(
    root: Path,
    remote: str,
    commit: CommitId,
    ref: str,
    *,
    expected: CommitId | None,
    timeout: float,
) -> PushResult:
    """The same for any ref, given by its full name. Nobody else may have the commit to push."""
    where = addresses(root, remote)
    attempt = _Attempt(
        root=root, remote=where, commit=commit, ref=ref, expected=expected, timeout=timeout
    )
    result, pause = attempt.once(), _PAUSE_SECONDS
    for _ in range(_SENDINGS - 1):
        if result is not None:
            return result
        # Nothing tells when another push lets go of a lock.
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads rivals, guards nothing
        pause *= 2
        result = attempt.once()
    return result or attempt.refused()


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One commit on its way to one ref, sent once or several times."""

    root: Path
    remote: Addresses
    commit: CommitId
    ref: str
    expected: CommitId | None
    timeout: float
    said: str = ""  # by the last sending

    def once(self) -> PushResult | None:
        """Send it; None where it was rejected, is not there and nobody was faster."""
        answer = self._send()
        self.said = answer.message
        match answer.heard:
            case Heard.NO_ACCESS:
                return Refused(message=answer.message)
            case Heard.NOTHING:
                return Unclear(message=answer.message)
            case Heard.TAKEN | Heard.DECLINED | Heard.REJECTED:
                return self._judge(answer.heard)
            case _:
                assert_never(answer.heard)

    def refused(self) -> Refused:
        """The end of an attempt that was rejected each time, in the remote's words."""
        hint = _LOCK_HINT if _LOCK.search(self.said) else None
        if not self.remote.differ:
            return Refused(message=self.said, hint=hint)
        return Refused(message=f"{self.said}\n{self.remote.difference}", hint=self.remote.hint)

    def _send(self) -> Answer:
        lease = f"--force-with-lease={self.ref}:{self.expected or ''}"
        spec = f"{self.commit}:{self.ref}"
        command = (*_PUSH, lease, "--", self.remote.name, spec)
        try:
            done = run_git(self.root, *command, timeout=self.timeout, accept=None)
        except GitTimeoutError as error:
            return Answer(heard=Heard.NOTHING, message=str(error))
        return read_answer(done, spec)

    def _judge(self, heard: Heard) -> PushResult | None:
        """Decide by what the ref holds now, where it is fetched."""
        try:
            result = self._look()
            for number in range(_LOOKS - 1):
                if result is not None or heard is not Heard.TAKEN:
                    break
                time.sleep(_PAUSE_SECONDS * 2**number)
                result = self._look()
        except GitError as error:
            return Unclear(message=f"{self.said}\n{error}".strip())
        if result is None and heard is Heard.TAKEN:
            return self._untrue()
        if result is None and heard is Heard.DECLINED:
            return self.refused()
        return result

    def _look(self) -> Landed | Raced | None:
        """Read the ref back; None where it has not moved. Raises GitError."""
        tip = remote_tip(self.root, self.remote.name, self.ref, timeout=self.timeout)
        if tip == self.commit:
            return Landed()
        if tip == self.expected:
            return None
        if tip is not None:
            bring(self.root, self.remote.name, self.ref, timeout=self.timeout)
            if is_ancestor(self.root, self.commit, tip):
                return Landed()
        return Raced(message=self.said or f"{self.ref} has moved")

    def _untrue(self) -> Refused:
        name = self.ref.removeprefix("refs/heads/")
        message = f"the push was taken, and {name} at {self.remote.fetched} does not hold it"
        if self.remote.differ:
            return Refused(message=f"{message}: {self.remote.difference}", hint=self.remote.hint)
        return Refused(message="\n".join(filter(None, (message, self.said))), hint=_TAKEN_HINT)


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
    heard = Heard.NO_ACCESS if _NO_ACCESS.search(done.stderr) else Heard.NOTHING
    message = done.stderr or f"git push ended with exit code {done.exit_code} and no answer"
    return Answer(heard=heard, message=message)


def _rejection(summary: str) -> Heard:
    if summary.startswith("[remote failure]"):
        return Heard.NOTHING  # it did not come to report what it did
    is_declined = summary.startswith("[remote rejected]") and "hook declined" in summary
    return Heard.DECLINED if is_declined else Heard.REJECTED
