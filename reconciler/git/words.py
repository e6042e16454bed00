"""Git's own words, made safe to show, and what to advise on them."""

import re

# `https://user:token@host`, `https://token@host`, `ssh://user:password@host`; a bare `ssh://git@`
# is no secret. Greedy, because a password may hold an @ or a / that its author did not escape.
_WEB_USER = re.compile(r"((?:https?|ftps?)://)[^/\s'\"]*@", re.IGNORECASE)
_PASSWORD = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s'\"@:]*:[^\s'\"]*@", re.IGNORECASE)
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")

# Each hint with what git says where it helps. In this order, for git often says two of these at
# once and the first is then the cause.
_HINTS = {
    "if you trust its owner: git config --global --add safe.directory FOLDER": (
        r"dubious ownership",
    ),
    "run it inside a clone, or name one with --repo": (r"not a git repository",),
    'git config user.name "NAME" && git config user.email "ADDRESS"': (
        r"tell me who you are",
        r"unable to auto-detect",
        r"empty ident",
        r"no (name|email) was given",
    ),
    "check the network, and the remote's address: git remote -v": (
        r"could not resolve host",
        r"name resolution",
        r"network is unreachable",
        r"connection refused",
        r"failed to connect",
        r"connection timed out",
        r"no route to host",
    ),
    "accept the host's key once by hand: git ls-remote": (r"host key verification failed",),
    "give git access to the remote, then check it: git ls-remote": (
        r"authentication failed",
        r"could not read (username|password)",
        r"permission denied",
        r"permission to \S+ denied",
        r"access denied",
        r"returned error: 40[13]",
    ),
    "check the remote's address and your access to it: git remote -v": (
        r"does not appear to be a git repository",
        r"repository .*not found",
        r"no such remote",
        r"returned error: 404",
        r"could not read from remote repository",
    ),
    "another git command is at work in this clone; if none is, remove the lock file": (
        r"\.lock': file exists",
        r"cannot lock ref",
    ),
}


def readable(raw: bytes) -> str:
    """What git wrote, without credentials, colours, control characters and git's `hint:` lines."""
    text = _ESCAPE.sub("", raw.decode("utf-8", "backslashreplace")).replace("\r", "\n")
    text = without_credentials(_CONTROL.sub(" ", text))
    lines = (line.rstrip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith("hint:"))


def without_credentials(text: str) -> str:
    """The text with the user part of every web address in it, and every password, struck out."""
    return _PASSWORD.sub(r"\1***@", _WEB_USER.sub(r"\1***@", text))


def advice(said: str) -> str | None:
    """What to do about an error of git's, if its cause is one that we know."""
    for hint, phrases in _HINTS.items():
        if re.search("|".join(phrases), said, re.IGNORECASE):
            return hint
    return None


def remote_words(said: str) -> str:
    """What the server said: the lines marked `remote:`, tidied; "" if it said nothing."""
    lines = (
        line.removeprefix("remote:").strip()
        for line in said.split("\n")
        if line.startswith("remote:")
    )
    return "\n".join(line for line in lines if line)
