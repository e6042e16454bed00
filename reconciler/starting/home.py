"""Where the reconciler itself comes from, and so what installs it in a pipeline or a hook."""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from reconciler import DISTRIBUTION, PLACEHOLDER

_SCP = re.compile(r"(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?P<path>[^/\s].*)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_ADDRESS = "is not that of a git repository: https://HOST/OWNER/NAME[@COMMIT]"
_SAFE = re.compile(r"[\w./~+-]+", re.ASCII)  # of a path and a revision: they go into a shell


def is_commit(revision: str) -> bool:
    """Whether it is a whole commit's id."""
    return bool(_COMMIT.fullmatch(revision))


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A repository that holds the reconciler, at one revision. Holds no credentials."""

    url: str  # https://… or ssh://…
    revision: str  # a commit, or a tag

    @property
    def install(self) -> str:
        """What pip is given."""
        return f"{DISTRIBUTION} @ git+{self.url}@{self.revision}"

    @property
    def action(self) -> str:
        """`OWNER/NAME@REVISION` where GitHub can run it as an action; else ""."""
        parts = urlsplit(self.url)
        names = parts.path.strip("/").removesuffix(".git").split("/")
        known = parts.hostname == "github.com" and len(names) == 2 and self.is_known  # noqa: PLR2004 - owner and name
        return f"{'/'.join(names)}@{self.revision}" if known else ""

    @property
    def is_known(self) -> bool:
        """Whether somebody has said where it is."""
        return PLACEHOLDER not in self.url

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which nobody can move."""
        return is_commit(self.revision)


def read_home(text: str, version: str) -> Home:
    """Read `[git+]URL[@REVISION]`; without a revision, the tag of the version.

    Credentials in the URL are left out. Raises ValueError.
    """
    given = text.strip().removeprefix("git+")
    if scp := _SCP.fullmatch(given):
        given = f"ssh://{scp['user']}@{scp['host']}/{scp['path']}"
    try:
        parts = urlsplit(given)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # its words may hold a password that was taken for a port
        raise ValueError(_NO_ADDRESS) from None
    path, _, revision = parts.path.partition("@")
    revision = revision or f"v{version}"
    if parts.scheme not in {"https", "ssh"} or not parts.hostname or path.strip("/") == "":
        raise ValueError(_NO_ADDRESS)
    if not (_SAFE.fullmatch(path) and _SAFE.fullmatch(revision)):
        raise ValueError("holds characters that no address of a repository needs")
    user = f"{parts.username}@" if parts.scheme == "ssh" and parts.username else ""
    return Home(url=f"{parts.scheme}://{user}{parts.hostname}{port}{path}", revision=revision)


def recorded_home(direct_url: str | None, version: str) -> Home | None:
    """The home that pip recorded when it installed this from git (PEP 610); None where it did not.

    `direct_url`: the text of `direct_url.json`.
    """
    try:
        recorded = json.loads(direct_url or "")
        commit = str(recorded["vcs_info"]["commit_id"])
        home = read_home(str(recorded["url"]), version)
    except (ValueError, KeyError, TypeError):
        return None
    return Home(url=home.url, revision=commit) if is_commit(commit) else None
