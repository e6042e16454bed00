"""The answers that a new repository is made from, and what is wrong with them.

Also where the reconciler itself comes from, and so how a pipeline or a hook installs it.
"""

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from urllib.parse import urlsplit

from msgspec import Struct

from reconciler import DISTRIBUTION, PLACEHOLDER
from reconciler.configuration import InvalidConfigurationError, parse_configuration
from reconciler.manifest.write import scalar
from reconciler.model import Source
from reconciler.starting.templates import render_template

_SCP = re.compile(r"(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?P<path>[^/\s].*)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_ADDRESS = "is not that of a git repository: https://HOST/OWNER/NAME[@COMMIT]"
_SAFE = re.compile(r"[\w./~+-]+", re.ASCII)  # for a path and a revision, which go into a shell


def is_commit(revision: str) -> bool:
    """Whether the revision is the full id of a commit."""
    return bool(_COMMIT.fullmatch(revision))


class Home(Struct, frozen=True, kw_only=True):
    """The repository of the reconciler at one revision, without credentials."""

    url: str  # https://… or ssh://…
    revision: str  # a commit, or a tag

    @property
    def install(self) -> str:
        """The requirement that pip installs."""
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
        """Whether the URL is known, and not still the placeholder."""
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
    except ValueError:  # its words may hold a password that was read as a port
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


class CiKind(StrEnum):
    """Where the pipeline runs."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"  # nowhere yet


class GatewayAnswers(Struct, frozen=True, kw_only=True):
    """What a person answered about the gateway of the first environment."""

    url: str
    org_id: str
    user_id: str
    timezone: str
    environment: str = "prod"


class Beginning(Struct, frozen=True, kw_only=True):
    """A new repository. Paths of folders are relative to the folder of `reconciler.yaml`."""

    gateway: GatewayAnswers | None  # None: `reconciler.yaml` exists already
    environments: tuple[str, ...]
    manifests: tuple[str, ...]  # folders
    states: tuple[str, ...]  # folders of ledgers
    ci: CiKind
    branch: str  # the shared one
    names_branch: bool  # the configuration must name it: the remote's default is another
    ledger_branch: str | None
    home: Home
    version: str  # of the reconciler
    owner: str | None = None  # who must review, in the form of CODEOWNERS
    prefix: str = ""  # the configuration's folder in the repository, with a slash at its end


# The option that gives a value, by the end of the pointer to it.
_OPTIONS = {
    "/gateway/url": "--url",
    "/gateway/orgId": "--org-id",
    "/gateway/userId": "--user-id",
    "/gateway/timezone": "--timezone",
    "/git/ledgerBranch": "--ledger-branch",
    "/git/branch": "--branch",
}
_OWNER = re.compile(r"@?[\w.-]+(?:/[\w.-]+)*(?:@[\w.-]+)?", re.ASCII)


def configuration_text(beginning: Beginning, gateway: GatewayAnswers) -> str:
    """`reconciler.yaml`."""
    return render_template(
        "reconciler.yaml",
        branch=beginning.branch,
        branch_word=scalar(beginning.branch) if beginning.names_branch else "",
        ledger_branch=scalar(beginning.ledger_branch) if beginning.ledger_branch else "",
        environment=scalar(gateway.environment),
        manifests=scalar(beginning.manifests[0]),
        state=scalar(beginning.states[0]),
        url=scalar(gateway.url),
        org_id=scalar(gateway.org_id),
        user_id=scalar(gateway.user_id),
        timezone=scalar(gateway.timezone),
    )


def wrong_answers(beginning: Beginning) -> Iterator[tuple[str, str]]:
    """Each invalid answer: its option, and what is wrong with it."""
    if not beginning.branch.isprintable():
        yield "--branch", "git allows no such name"
    if beginning.ci is CiKind.GITLAB and '"' in beginning.branch:
        yield "--branch", "a rule of GitLab's can name no branch with a quotation mark"
    if beginning.ledger_branch == beginning.branch:
        yield (
            "--ledger-branch",
            f"{beginning.branch} is the shared branch: name another one, or none",
        )
    if beginning.owner is not None and not _OWNER.fullmatch(beginning.owner):
        yield (
            "--owner",
            f"{beginning.owner!r} is nobody whom CODEOWNERS can name, such as @acme/data",
        )
    if beginning.gateway is None:
        return
    text = configuration_text(beginning, beginning.gateway)
    try:
        parse_configuration(Source(path="reconciler.yaml", content=text.encode()))
    except InvalidConfigurationError as error:
        for problem in error.problems:
            option = next((o for end, o in _OPTIONS.items() if problem.pointer.endswith(end)), None)
            yield option or "--env", problem.message
