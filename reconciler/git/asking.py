"""Asking a remote: a question that only reads is repeated if what stopped it may have passed."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.causes import Kind, advice, is_passing, kind_of
from reconciler.git.command import CompletedGit, run_git

_QUESTIONS = 4  # in all: with one connection in a hundred cut, one apply in 10^8 ends by it
_PAUSE_SECONDS = 0.5  # before the second; each one after it is twice as long


def is_certain(said: str) -> bool:
    """Whether git would fail in the same way again, until a person does something about it."""
    return kind_of(said) in {Kind.HERE, Kind.NO_ACCESS, Kind.TURNED_AWAY}


def may_pass(said: str) -> bool:
    """Whether what stopped git may pass by itself."""
    return is_passing(said) and not is_certain(said)


def ask(root: Path, *args: str, timeout: float) -> CompletedGit:
    """Run a git command that only reads a remote, a few times if need be, whatever comes of it.

    `timeout` in seconds, for each time; a remote that lets it pass is not asked again. Raises
    GitError if git cannot be run, and GitTimeoutError.
    """

    def once() -> CompletedGit:
        return run_git(root, *args, timeout=timeout, accept=None)

    return repeated(once, may_pass, _QUESTIONS)


def repeated(
    once: Callable[[], CompletedGit], passes: Callable[[str], bool], times: int
) -> CompletedGit:
    """Call `once` up to so many times, with longer and longer pauses, while what stops it may pass.

    `passes` is asked about git's words. Gives what came of the last time.
    """
    pause = _PAUSE_SECONDS
    for _ in range(times - 1):
        done = once()
        if done.exit_code == 0 or not passes(done.stderr):
            return done
        # Nothing tells when a remote can be reached again.
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads rivals, guards nothing
        pause *= 2
    return once()


def unreadable_error(remote: str, done: CompletedGit) -> GitError:
    """What to raise where the remote did not answer."""
    said = done.stderr.removeprefix("fatal: ").removeprefix("error: ")
    said = said or f"git ended with exit code {done.exit_code}"
    if kind_of(done.stderr) is Kind.HERE or "cannot lock ref" in said:
        what = f"this clone could not take in what {remote} holds"
    else:
        what = f"{remote} could not be read"
    return GitError(f"{what}: {said}", hint=advice(done.stderr))
