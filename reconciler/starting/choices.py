"""What a starting repository is made from, and what is wrong with it before anything is made."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.configuration import InvalidConfigurationError, parse_configuration
from reconciler.manifest.write import scalar
from reconciler.model import Source
from reconciler.starting.home import Home
from reconciler.starting.templates import rendered


class CiKind(StrEnum):
    """Where the pipeline runs."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"  # nowhere yet


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswers:
    """What the first environment's gateway is, as a person said it."""

    url: str
    org_id: str
    user_id: str
    timezone: str
    environment: str = "prod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A repository that begins. Paths of folders are relative to that of `reconciler.yaml`."""

    gateway: GatewayAnswers | None  # None: `reconciler.yaml` is there already
    environments: tuple[str, ...]
    manifests: tuple[str, ...]  # folders
    states: tuple[str, ...]  # folders of ledgers
    ci: CiKind
    branch: str  # the shared one
    names_branch: bool  # it must stand in the configuration, for the remote's default is another
    ledger_branch: str | None
    home: Home
    version: str  # of the reconciler
    owner: str | None = None  # who must review, as CODEOWNERS names them
    prefix: str = ""  # of the configuration's folder in the repository, with a slash at its end


# By the end of a problem's pointer: the option that says it.
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
    return rendered(
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
    """Each answer that makes no valid repository: its option, and what is wrong with it."""
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
