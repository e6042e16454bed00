"""Asking a remote: what only reads is asked again where that which stopped it may have passed."""

import random
import re
import time
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.command import CompletedGit, run_git
from reconciler.git.words import advice

_QUESTIONS = 4  # in all: with one connection in a hundred cut, one apply in 10^8 ends by it
_PAUSE_SECONDS = 0.5  # before the second; each one after it is twice as long

# Said before anything is sent, and true until a person does something about it.
_NO_ACCESS = re.compile(
    r"authentication failed|could not read (username|password)|permission denied \("
    r"|permission to \S+ denied|returned error: 40[134]|repository .*not found"
    r"|does not appear to be a git repository|host key verification failed",
    re.IGNORECASE,
)
_TRUST = re.compile(r"certificate|unable to find remote helper|not allowed", re.IGNORECASE)
# In the words of curl, ssh and git for a connection that was not made, was cut or was turned away.
_PASSING = re.compile(
    r"returned error: (408|425|429|5\d\d)|HTTP (408|425|429|5\d\d)\b"
    r"|could not resolve host|name resolution|failed to connect|couldn't connect"
    r"|connection (was |is )?(reset|closed|refused|timed out|died|aborted|to \S+ closed)"
    r"|reset by peer|broken pipe|timed out|network is unreachable|no route to host"
    r"|hung up|early eof|unexpected(ly)? (disconnect|end|eof|closed)|empty reply"
    r"|transfer closed|bad line length|expected flush|invalid index-pack output"
    r"|SSL_(read|write|connect|ERROR)|TLS connection|gnutls_\w+|kex_exchange_identification"
    r"|ssh_exchange_identification|http/2 (stream|framing)|too many (requests|connections)",
    re.IGNORECASE,
)


def is_certain(said: str) -> bool:
    """Whether the remote would say the same again, until a person does something about it."""
    return bool(_NO_ACCESS.search(said))


def may_pass(said: str) -> bool:
    """Whether that which stopped git is of a kind that passes by itself."""
    return bool(_PASSING.search(said)) and not (is_certain(said) or _TRUST.search(said))


def ask(root: Path, *args: str, timeout: float) -> CompletedGit:
    """Run a git command that only reads a remote, a few times if need be, whatever comes of it.

    `timeout` in seconds, for each time; a remote that lets it pass is not asked again. Raises
    GitError if git cannot be run, and GitTimeoutError.
    """
    pause = _PAUSE_SECONDS
    for _ in range(_QUESTIONS - 1):
        done = run_git(root, *args, timeout=timeout, accept=None)
        if done.exit_code == 0 or not may_pass(done.stderr):
            return done
        # Nothing tells when a remote can be reached again.
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads rivals, guards nothing
        pause *= 2
    return run_git(root, *args, timeout=timeout, accept=None)


def unreadable(remote: str, done: CompletedGit) -> GitError:
    """What to raise where the remote did not answer."""
    said = done.stderr.removeprefix("fatal: ").removeprefix("error: ")
    said = said or f"git ended with exit code {done.exit_code}"
    return GitError(f"{remote} could not be read: {said}", hint=advice(done.stderr))
