"""Questions to a remote: they only read, so each is repeated if what stopped it may have passed."""

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.causes import CauseKind, advice, cause_kind, is_passing
from reconciler.git.command import NOTHING_MORE, CompletedGit, run_git

# How every fetch begins.
FETCH = (
    "fetch",
    "--quiet",
    "--refmap=",  # leaves the user's remote-tracking branches as they are
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
)

_QUESTIONS = 4  # in all: if one connection in a hundred is cut, one apply in 10^8 fails by it
_PAUSE_SECONDS = 0.5  # before the second try; each later pause is twice as long


def is_certain(said: str) -> bool:
    """Whether git would fail in the same way again, until a person does something about it."""
    return cause_kind(said) in {CauseKind.HERE, CauseKind.NO_ACCESS, CauseKind.TURNED_AWAY}


def may_pass(said: str) -> bool:
    """Whether what stopped git may pass by itself."""
    return is_passing(said) and not is_certain(said)


def ask(
    root: Path, *args: str, timeout: float, variables: Mapping[str, str] = NOTHING_MORE
) -> CompletedGit:
    """Run a git command that only reads a remote, a few times if need be, whatever the exit code.

    `timeout` is in seconds, for each try; after a time-out the remote is not asked again. Raises
    GitError if git cannot be run, and GitTimeoutError.
    """

    def run_once() -> CompletedGit:
        return run_git(root, *args, timeout=timeout, accept=None, variables=variables)

    return retry(run_once, may_pass, _QUESTIONS)


def retry(
    once: Callable[[], CompletedGit], passes: Callable[[str], bool], times: int
) -> CompletedGit:
    """Call `once` up to `times` times, with growing pauses, while what stops it may pass.

    `passes` judges that by git's words. Returns the result of the last call.
    """
    pause = _PAUSE_SECONDS
    for _ in range(times - 1):
        done = once()
        if done.exit_code == 0 or not passes(done.stderr):
            return done
        # Nothing says when a remote can be reached again.
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads rivals, guards nothing
        pause *= 2
    return once()


def unreadable_error(remote: str, done: CompletedGit) -> GitError:
    """The error for a remote that could not be read, or whose answer this clone could not store."""
    said = done.stderr.removeprefix("fatal: ").removeprefix("error: ")
    said = said or f"git ended with exit code {done.exit_code}"
    if cause_kind(done.stderr) is CauseKind.HERE or "cannot lock ref" in said:
        what = f"this clone could not take in what {remote} holds"
    else:
        what = f"{remote} could not be read"
    return GitError(f"{what}: {said}", hint=advice(done.stderr))
