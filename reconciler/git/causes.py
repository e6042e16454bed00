"""What git's words say went wrong, and what to do about it.

The server writes some of these words, so each expression here takes linear time.
"""

import re
from enum import Enum, auto

from msgspec import Struct


class CauseKind(Enum):
    """What a failure means for the next attempt."""

    HERE = auto()  # this clone or machine: nothing was sent, and the next attempt fails alike
    NO_ACCESS = auto()  # nothing was sent, and the next attempt fails alike
    TURNED_AWAY = auto()  # the server took nothing, and would take nothing the next time
    BUSY = auto()  # the server took nothing, and may take it in a while
    OTHER = auto()


class Cause(Struct, frozen=True, kw_only=True):
    """One thing that can go wrong."""

    kind: CauseKind
    hint: str
    phrases: tuple[str, ...]  # regular expressions, with git's own words where that helps

    def is_in(self, said: str) -> bool:
        """Whether these words name this cause."""
        return re.search("|".join(self.phrases), said, re.IGNORECASE) is not None


_BUSY = (r"(returned error:|HTTP) (429|503)\b", r"too many (requests|connections)")
_UNREACHABLE = (
    r"could not resolve host",
    r"name resolution",
    r"network is unreachable",
    r"connection refused",
    r"failed to connect",
    r"connection timed out",
    r"no route to host",
)
# These include the words of curl, ssh and git for a connection that was not made or was cut.
_PASSING = "|".join(
    (
        *_BUSY,
        *_UNREACHABLE,
        r"returned error: (408|425|429|5\d\d)|HTTP (408|425|5\d\d)\b",
        r"couldn't connect",
        r"connection (was |is )?(reset|closed|refused|timed out|died|aborted|to \S+ closed)",
        r"reset by peer|broken pipe|timed out|hung up|early eof|empty reply|transfer closed",
        r"unexpected(ly)? (disconnect|end|eof|closed)",
        r"bad line length|expected flush|invalid index-pack output",
        r"SSL_(read|write|connect|ERROR)|TLS connection|gnutls_\w+|http/2 (stream|framing)",
        r"(kex|ssh)_exchange_identification",
    )
)

# A server and this clone say so in the same words of git's; the names are quoted around them.
IN_THE_WAY = r"' exists; cannot create '"
IN_THE_WAY_HINT = (
    "Git keeps no branch below another one's name, such as main/ledger beside main: name another "
    "one in reconciler.yaml (git.ledgerBranch, git.branch)."
)

# The order counts: git often says two of these at once, and the first one here is the cause.
_CAUSES = (
    Cause(
        kind=CauseKind.OTHER,
        hint="if you trust its owner: git config --global --add safe.directory FOLDER",
        phrases=(r"dubious ownership",),
    ),
    Cause(
        kind=CauseKind.OTHER,
        hint="run it inside a clone, or name one with --repo",
        phrases=(r"not a git repository",),
    ),
    Cause(
        kind=CauseKind.HERE,
        hint="an object is gone from this clone: another command has removed what no branch held "
        "yet, as `git gc --prune=now` and `git prune` do. Run it again without them beside it; "
        "if it stays so, clone anew",
        phrases=(
            r"(fatal|error): bad object",
            r"(fatal|error): unable to read [0-9a-f]{40}",
            r"not a valid commit name",
        ),
    ),
    Cause(
        kind=CauseKind.BUSY,
        hint="the remote took the push and could not store it: look there whether the disk is "
        "full, who may write to the repository's objects, and what its log says",
        phrases=(r"unpacker error", r"remote unpack failed"),
    ),
    Cause(
        kind=CauseKind.HERE,
        hint="there is no room here: free some on the disk of this clone and in TMPDIR, or raise "
        "the quota or limit of file sizes",
        phrases=(
            r"no space left on device",
            r"disk quota exceeded",
            r"file too large",
            r"file size limit exceeded",
            r"couldn't write '",  # all that git says if it is a ref
        ),
    ),
    Cause(
        kind=CauseKind.HERE,
        hint="this clone cannot be written: the user who runs this must own its .git folder and be "
        "able to write to it, and its file system must not be read-only (plan and status can do "
        "with --offline)",
        phrases=(
            r"read-only file system",
            r"insufficient permission for adding an object",
            r"unable to create directory for",  # a ref, and git does not say why
            r"(unable to|cannot|could not) (create|open|lock|write)[^\n]{1,1000}permission denied",
        ),
    ),
    Cause(
        kind=CauseKind.HERE,
        hint="make signing work without a prompt (user.signingKey, gpg.program), or unset what "
        "asks for it in this clone (commit.gpgSign, push.gpgSign)",
        phrases=(
            r"failed to sign",
            r"cannot run gpg",
            r"user\.signingkey",
        ),
    ),
    Cause(
        kind=CauseKind.HERE,
        hint='git config user.name "NAME" && git config user.email "ADDRESS"',
        phrases=(
            r"tell me who you are",
            r"unable to auto-detect",
            r"empty ident",
            r"no (name|email) was given",
        ),
    ),
    Cause(
        kind=CauseKind.HERE,
        hint='git config user.name "NAME", with letters in it; so must GIT_AUTHOR_NAME and '
        "GIT_COMMITTER_NAME have, where they are set",
        phrases=(r"consists only of disallowed characters",),
    ),
    Cause(
        kind=CauseKind.HERE,
        hint="unset GIT_AUTHOR_DATE and GIT_COMMITTER_DATE, or write them as git reads them",
        phrases=(r"invalid date format",),
    ),
    Cause(
        kind=CauseKind.TURNED_AWAY,
        hint="the address answers with a web page, as a login page or a proxy does, and not as a "
        "git server: check it, and your access to it, with git ls-remote",
        phrases=(
            r"not valid: is this a git repository",
            r"git-http-push failed",  # git runs it if it takes the server for a plain web server
            r"bad line length character: <",
            r"unable to update url base from redirection",
            r"(returned error:|HTTP) 30\d\b",
        ),
    ),
    Cause(
        kind=CauseKind.TURNED_AWAY,
        hint="the server, or a proxy before it, takes no request of that size: have the limit "
        "raised there (nginx: client_max_body_size), or let the remote's address be one for ssh",
        phrases=(r"(returned error:|HTTP) 413\b",),
    ),
    Cause(
        kind=CauseKind.BUSY,
        hint="the server is busy, or wants to be asked less often: try again later",
        phrases=_BUSY,
    ),
    Cause(
        kind=CauseKind.TURNED_AWAY,
        hint="the remote has the branch checked out: let it be a bare repository, or keep the "
        "ledger on a branch that is checked out nowhere (git.ledgerBranch)",
        phrases=(r"branch is currently checked out",),
    ),
    Cause(
        kind=CauseKind.OTHER,
        hint="check the network, and the remote's address: git remote -v",
        phrases=_UNREACHABLE,
    ),
    Cause(
        kind=CauseKind.NO_ACCESS,
        hint="accept the host's key once by hand: git ls-remote",
        phrases=(r"host key verification failed",),
    ),
    Cause(
        kind=CauseKind.NO_ACCESS,
        hint="give git access to the remote, then check it: git ls-remote",
        phrases=(
            r"authentication failed",
            r"could not read (username|password)",
            r"permission denied",
            r"permission to \S+ denied",
            r"access denied",
            r"returned error: 40[13]",
        ),
    ),
    Cause(
        kind=CauseKind.NO_ACCESS,
        hint="check the remote's address and your access to it: git remote -v",
        phrases=(
            r"does not appear to be a git repository",
            r"repository .{0,300}not found",
            r"no such remote",
            r"returned error: 404",
        ),
    ),
    Cause(
        kind=CauseKind.NO_ACCESS,
        hint="let git trust the server (http.sslCAInfo), or use an address that git may and can "
        "use: git remote -v",
        phrases=(
            r"(server|SSL) certificate (verification failed|problem)",
            r"unable to find remote helper",
            r"transport '[^'\n]{0,300}' not allowed",
        ),
    ),
    Cause(
        kind=CauseKind.TURNED_AWAY,
        hint="the server, or a proxy before it, cannot make sense of git's request: its log says "
        "more, or let the remote's address be one for ssh",
        phrases=(r"(returned error:|HTTP) 4(?!08|25)\d\d\b",),
    ),
    Cause(
        kind=CauseKind.OTHER,
        hint="check the remote's address and your access to it: git remote -v",
        phrases=(r"could not read from remote repository",),
    ),
    Cause(kind=CauseKind.OTHER, hint=IN_THE_WAY_HINT, phrases=(IN_THE_WAY,)),
    Cause(
        kind=CauseKind.OTHER,
        hint="another git command is at work in this clone; if none is, remove the lock file",
        phrases=(r"\.lock': file exists", r"cannot lock ref"),
    ),
)


def cause_of(said: str) -> Cause | None:
    """The cause that these words of git name, if it is one that we know."""
    return next((cause for cause in _CAUSES if cause.is_in(said)), None)


def cause_kind(said: str) -> CauseKind:
    """The kind of the cause that git itself names, whatever the server says besides."""
    cause = cause_of(_strip_remote_lines(said))
    return CauseKind.OTHER if cause is None else cause.kind


def is_passing(said: str) -> bool:
    """Whether the words name anything that may pass by itself."""
    return re.search(_PASSING, said, re.IGNORECASE) is not None


def advice(said: str) -> str | None:
    """What to do about an error of git, if its cause is one that we know."""
    cause = cause_of(_strip_remote_lines(said))
    if cause is None:
        cause = cause_of(said)
        if cause is not None and cause.kind is CauseKind.HERE:
            return None  # it is the server's machine that is full, or locked
    return None if cause is None else cause.hint


def _strip_remote_lines(said: str) -> str:
    return "\n".join(line for line in said.split("\n") if not line.startswith("remote:"))
