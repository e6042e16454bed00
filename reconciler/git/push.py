"""Pushing one commit to one branch, as a compare-and-swap."""

import re
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.command import CompletedGit, GitTimeoutError, run_git
from reconciler.git.objects import CommitId, is_ancestor
from reconciler.git.remote import check_branch, fetch
from reconciler.git.words import remote_words


@dataclass(frozen=True, slots=True)
class Landed:
    """The branch was where it was expected, and this push moved it to our commit."""


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The branch was at that commit before this push: this push has acquired nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """The branch was not, or did not stay, where it was expected: nothing was changed by us."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The remote does not accept it, in its own words: nothing was changed."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """No certain answer came: the commit may have landed. Look for it on the remote."""

    message: str


PushResult = Landed | UpToDate | Raced | Refused | Unclear

_PUSH = (
    "push",
    "--porcelain",
    # A pre-push hook is made for a person's work: it may run tests for minutes, ask, or call this
    # program again. The commit holds no such work, and the server's own hooks still decide.
    "--no-verify",
    "--no-follow-tags",
    "--recurse-submodules=no",
)

_LOST_RACE = re.compile(
    r"stale info|non-fast-forward|fetch first|already exists|incorrect old value"
    r"|is at [0-9a-f]+ but expected|\.lock': file exists|unable to resolve reference"
    r"|lock[_ ]failure|failed to lock|already been updated",
    re.IGNORECASE,
)
_SERVER_TROUBLE = re.compile(
    r"internal (server )?error|time(d )?[- ]?out|unavailable|try again|\(failure\)", re.IGNORECASE
)
# Said before anything is sent, and true until a person does something about it.
_NO_ACCESS = re.compile(
    r"authentication failed|could not read (username|password)|permission denied \("
    r"|permission to \S+ denied|returned error: 40[134]|repository .*not found"
    r"|does not appear to be a git repository|host key verification failed",
    re.IGNORECASE,
)


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
    _check_single_url(root, remote)
    lease = f"--force-with-lease={ref}:{expected or ''}"
    try:
        done = run_git(
            root, *_PUSH, lease, "--", remote, f"{commit}:{ref}", timeout=timeout, accept=None
        )
    except GitTimeoutError as error:
        return Unclear(message=str(error))
    answer = read_answer(done, f"{commit}:{ref}")
    if isinstance(answer, Raced) and _may_have_been_sent_twice(done):
        return _look(root, remote, commit, branch, answer)
    return answer


def _check_single_url(root: Path, remote: str) -> None:
    urls = run_git(root, "remote", "get-url", "--push", "--all", remote).text.split("\n")
    if len(urls) > 1:
        raise GitError(
            f"{remote} pushes to {len(urls)} repositories, so no push to it can be a claim",
            hint=f"keep one of: git config --get-all remote.{remote}.pushurl",
        )


def _may_have_been_sent_twice(done: CompletedGit) -> bool:
    """Whether the push may have lost the race against itself.

    Over HTTP curl sends a request again, and tells nobody, where a connection that it had used
    before ends without an answer: the first sending may have landed, and the second been rejected.
    """
    return done.text.startswith("To http") and "\t[remote rejected]" in done.text


def _look(
    root: Path, remote: str, commit: CommitId, branch: str, otherwise: PushResult
) -> PushResult:
    """Landed if the remote's branch holds the commit, for nobody else has it to push."""
    try:
        tip = fetch(root, remote, [branch])[branch]
        has_landed = tip is not None and is_ancestor(root, commit, tip)
    except GitError as error:
        return Unclear(message=str(error))
    return Landed() if has_landed else otherwise


def read_answer(done: CompletedGit, spec: str) -> PushResult:
    """What `git push --porcelain` with that one refspec said; anything unforeseen is unclear."""
    lines = [line.split("\t") for line in done.text.split("\n")]
    answers = [line for line in lines if len(line) == 3 and line[1] == spec]  # noqa: PLR2004 - flag, refspec, summary
    if len(answers) != 1:
        return _without_answer(done)
    flag, _, summary = answers[0]
    match flag:
        case "!":
            return _rejection(summary, done)
        case " " | "*" | "+" if done.exit_code == 0:
            return Landed()
        case "=" if done.exit_code == 0:
            return UpToDate()
        case _:
            return Unclear(message=_words(summary, done))


def _without_answer(done: CompletedGit) -> PushResult:
    message = done.stderr or f"git push ended with exit code {done.exit_code} and no answer"
    if _NO_ACCESS.search(done.stderr):
        return Refused(message=message)
    return Unclear(message=message)


def _rejection(summary: str, done: CompletedGit) -> PushResult:
    message = _words(summary, done)
    if summary.startswith("[remote failure]"):
        return Unclear(message=message)
    # A hook may speak of anything in its message, so for one that declined that is not searched.
    declined = summary.startswith("[remote rejected]") and "declined" in summary
    if not declined and _LOST_RACE.search(f"{summary}\n{done.stderr}"):
        return Raced(message=message)
    unexplained = "failed to update ref" in summary and not remote_words(done.stderr)
    if not declined and (unexplained or _SERVER_TROUBLE.search(summary)):
        return Unclear(message=message)
    return Refused(message=message)


def _words(summary: str, done: CompletedGit) -> str:
    """The remote's message, if it gave one, and git's summary."""
    return "\n".join(words for words in (remote_words(done.stderr), summary) if words)
