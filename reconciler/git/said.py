"""What git said, made short and safe to show.

The server writes some of these words, so each expression here takes linear time.
"""

import re

# `https://user:token@host`, `https://token@host`, `ssh://user:password@host`; a bare `ssh://git@`
# is no secret. A match reaches to the last @, because a password may hold an @ or a / that was not
# escaped. The server writes as many of these words as it likes, so nothing here may read a
# character more than a few times. Each pattern ends where the next match could begin.
_WEB_USER = r"(?i)((?:https?|ftps?)://)[^/\s'\"]*@"
_ADDRESS = r"[^\s'\"]++"  # any word that may be an address; most words are not
_USER_PART = r"(?i)(?<=[a-z0-9+.-])://[^/@:]*+:"
_SCHEME = r"(?i)(?:[a-z][a-z0-9+.-]*:)?//+|(?:https?|ftps?):/?"
_WEB = r"(?i)(?:https?|ftps?):"
_QUERY = r"[?#;]"
_ESCAPE = r"\x1b\[[0-?]*+[ -/]*+[@-~]"
_WEB_ADDRESS = r"(?i)https?://[^\s'\"<>]++"
_SPACE = rb"[ \t\r\n]"
_CONTROL = r"[\x00-\x09\x0b-\x1f\x7f-\x9f]"

MOST_BYTES = 65_536  # to read of what git wrote: half of them from each end


def keep_both_ends(start: bytes, end: bytes, left_out: int) -> bytes:
    """Both ends of what git wrote, and how much is missing between them.

    No word is cut in two: half an address could be a password that nothing marks as one.
    """
    head = start[: max(start.rfind(space) for space in b" \t\r\n") + 1]
    first = re.search(_SPACE, end)
    tail = end[first.start() :] if first else b""
    missing = left_out + len(start) - len(head) + len(end) - len(tail)
    return b"%s\n(%d bytes of what git said are left out here)\n%s" % (head, missing, tail)


def clean_words(raw: bytes) -> str:
    """What git wrote, without credentials, colours, control characters and git's `hint:` lines."""
    text = re.sub(_ESCAPE, "", raw.decode("utf-8", "backslashreplace")).replace("\r", "\n")
    text = without_credentials(re.sub(_CONTROL, " ", text))
    lines = (line.rstrip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith("hint:"))


def without_credentials(text: str) -> str:
    """The text without passwords, and without the user part and query of every web address."""
    return re.sub(_ADDRESS, _without_secrets, re.sub(_WEB_USER, r"\1***@", text))


def redact_address(text: str) -> str:
    """One address, as somebody configured it, without anything that could be a secret.

    Unlike `without_credentials`, it knows where the address ends: a password may hold anything.
    """
    scheme = re.match(_SCHEME, text)
    start = scheme.end() if scheme else 0
    user, at, rest = text[start:].rpartition("@")
    if re.search(_QUERY, user):  # a password with a question mark, or a query with an @
        return f"{text[:start]}***"
    is_name = ":" not in user and not re.match(_WEB, text)  # `git@host`, `ssh://git@host`
    query = re.search(_QUERY, rest)
    rest = f"{rest[: query.end()]}***" if query else rest
    return f"{text[:start]}{user if is_name else '***' if user else ''}{at}{rest}"


def _without_secrets(found: re.Match[str]) -> str:
    word = _without_password(found[0])
    start = word.find("://")
    marks = [at for mark in "?#" if start >= 0 and (at := word.find(mark, start)) >= 0]
    # What follows may be a token, under whatever name: `?private_token=…`.
    return f"{word[: min(marks) + 1]}***" if marks else word


def _without_password(word: str) -> str:
    last = word.rfind("@")
    password = re.compile(_USER_PART).search(word, 0, last) if last > 0 else None
    if password is None:
        return word
    return f"{word[: password.start()]}://***{word[last:]}"


def remote_words(said: str) -> str:
    """What the server said: the lines marked `remote:`, tidied; "" if it said nothing."""
    lines = (
        line.removeprefix("remote:").strip()
        for line in said.split("\n")
        if line.startswith("remote:")
    )
    return "\n".join(line for line in lines if line)


def mentioned_address(said: str) -> str | None:
    """The first web address in these words, if there is any."""
    found = re.search(_WEB_ADDRESS, said)
    return None if found is None else found[0].rstrip(".,;:)")
