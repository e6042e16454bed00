"""The forge that a job runs on, and the job's access to it, from environment variables."""

import re
from collections.abc import Mapping

from reconciler.errors import ReconcilerError
from reconciler.forge.api import Api
from reconciler.forge.github import GitHub
from reconciler.forge.gitlab import GitLab

_PULL_REQUEST = re.compile(r"refs/pull/(\d+)/merge", re.ASCII)
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class NoTokenError(ReconcilerError):
    """The job was given no token for its forge."""


def forge_of(variables: Mapping[str, str]) -> GitHub | GitLab:
    """The forge of this job.

    Raises NoTokenError; and ReconcilerError outside a job of GitHub or GitLab, or where a
    variable is missing that every such job has.
    """
    if variables.get("GITHUB_ACTIONS") == "true":
        return _github(variables)
    if variables.get("GITLAB_CI") == "true":
        return _gitlab(variables)
    raise ReconcilerError(
        "this is no job of GitHub's or GitLab's",
        hint="This command is for their pipelines: GITHUB_ACTIONS or GITLAB_CI says so there.",
    )


def _github(variables: Mapping[str, str]) -> GitHub:
    token = _token(variables, "GITHUB_TOKEN")
    root = variables.get("GITHUB_API_URL") or "https://api.github.com"
    found = _PULL_REQUEST.fullmatch(variables.get("GITHUB_REF", ""))
    repository = _required_variable(variables, "GITHUB_REPOSITORY")
    if not _REPOSITORY.fullmatch(repository):
        raise ReconcilerError(f"GITHUB_REPOSITORY is no repository: {repository}")
    return GitHub(
        api=Api(
            root=root.rstrip("/"),
            headers={
                "authorization": f"Bearer {token}",
                "accept": "application/vnd.github+json",
                "x-github-api-version": "2022-11-28",
            },
            token=token,
        ),
        graphql=variables.get("GITHUB_GRAPHQL_URL") or "https://api.github.com/graphql",
        repository=repository,
        pull_request=None if found is None else int(found[1]),
    )


def _gitlab(variables: Mapping[str, str]) -> GitLab:
    token = _token(variables, "GITLAB_TOKEN")
    merge_request = variables.get("CI_MERGE_REQUEST_IID")
    project = variables.get("CI_MERGE_REQUEST_PROJECT_ID") or _required_variable(
        variables, "CI_PROJECT_ID"
    )
    return GitLab(
        api=Api(
            root=_required_variable(variables, "CI_API_V4_URL").rstrip("/"),
            headers={"private-token": token},
            token=token,
        ),
        project=_number(project),
        merge_request=_number(merge_request) if merge_request else None,
    )


def _token(variables: Mapping[str, str], name: str) -> str:
    token = variables.get(name, "").strip()
    if not token:
        raise NoTokenError(f"{name} is not set, so nothing is told there")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ReconcilerError(f"{name} is no token: it holds blanks or other characters")
    return token


def _required_variable(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "")
    if not value:
        raise ReconcilerError(f"{name} is not set, which a job of this forge has")
    return value


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ReconcilerError(f"{text} is no number of a project or merge request") from None
