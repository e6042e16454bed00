"""Where a command works: the repository's folder and its configuration.

Only the pipeline's author may set some of it, in the environment: no pull request can change that.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.configuration import (
    CONFIGURATION,
    Configuration,
    Environment,
    GitConfiguration,
    InvalidConfigurationError,
    parse_configuration,
)
from reconciler.errors import ConfigurationError
from reconciler.model import Problem, Source
from reconciler.repository.named_files import check_stays
from reconciler.repository.worktree import read_one

if TYPE_CHECKING:
    from reconciler.git import CommitId, Git

# The branch that a pull request will be merged into, as each CI system names it to its jobs.
BASES = (
    "GITHUB_BASE_REF",  # Gitea and Forgejo as well
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",  # GitLab
    "CHANGE_TARGET",  # Jenkins
    "SYSTEM_PULLREQUEST_TARGETBRANCH",  # Azure DevOps: a full ref name
    "BITBUCKET_PR_DESTINATION_BRANCH",
    "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
)

BASE_COMMIT = "CI_MERGE_REQUEST_DIFF_BASE_SHA"  # GitLab

MOST_OF_CONFIGURATION = 1 << 20  # bytes: a few thousand environments


def base_branch() -> str | None:
    """The branch that the pull request will be merged into; None outside its pipeline."""
    given = (os.environ.get(name, "").strip() for name in BASES)
    return next((one.removeprefix("refs/heads/") for one in given if one), None)


def other_branch_hint() -> str:
    """Words on how to name another branch where the remote does not have the shared one."""
    names = (name for name in BASES if os.environ.get(name, "").strip())
    if (name := next(names, None)) is None:
        return "name another one in reconciler.yaml (git.branch)"
    return f"change the variable {name}, which names it here, whatever reconciler.yaml says"


def base_commit() -> str | None:
    """The commit where the pull request's branch parted from its base; None if nobody says."""
    return os.environ.get(BASE_COMMIT, "").strip() or None


def find_root(repo: Path | None) -> Path:
    """The folder that holds `reconciler.yaml`: the one given, or the nearest upwards from here.

    Raises ConfigurationError if there is none, and ReconcilerError for a link that leads out of a
    repository.
    """
    if repo is not None:
        check_stays(repo)
    try:
        start = (repo or Path.cwd()).resolve()
    except FileNotFoundError:
        raise ConfigurationError(
            "the current folder is gone: somebody has removed it",
            hint="Change to one that is there.",
        ) from None
    candidates = [start] if repo is not None else [start, *start.parents]
    for folder in candidates:
        if os.path.lexists(folder / CONFIGURATION):
            return folder
    where = f"{start} has no {CONFIGURATION}" if repo else f"no {CONFIGURATION} here or above"
    hint = (
        "Begin one with `reconciler init`, or name the repository with --repo. What it says: "
        "reconciler explain configuration"
    )
    if any(map(_is_of_git, candidates)):
        hint = "This is a bare clone or git's own folder: use a clone with a working tree."
    raise ConfigurationError(where, hint=hint)


def _is_of_git(folder: Path) -> bool:
    """Whether git would take the folder for a repository without a working tree."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def read_configuration(root: Path) -> Configuration:
    """The configuration in the working tree. Raises ConfigurationError with every problem."""
    found = read_one(root, CONFIGURATION, MOST_OF_CONFIGURATION)
    if isinstance(found, Problem):
        raise InvalidConfigurationError((found,))
    configuration = parse_configuration(found)
    return replace(configuration, git=find_shared(configuration.git))


def read_committed_file(git: "Git", commit: "CommitId", path: str) -> bytes | None:
    """What the file at that path of the repository says in the commit; None if it is no file there.

    Raises GitError.
    """
    entry = next((one for one in git.list_tree(commit, [path]) if one.is_file), None)
    return None if entry is None else git.read_blobs([entry.oid])[entry.oid]


def read_committed_configuration(git: "Git", commit: "CommitId") -> Configuration | None:
    """The configuration in the commit; None if it has none. Raises ConfigurationError, GitError."""
    content = read_committed_file(git, commit, git.prefix + CONFIGURATION)
    if content is None:
        return None
    return parse_configuration(Source(path=CONFIGURATION, content=content))


def find_shared(git: GitConfiguration) -> GitConfiguration:
    """Where the shared branch is, by the `git` section of a configuration.

    In a pull request's pipeline it is the branch that is merged into, whatever the checkout says.
    """
    base = base_branch()
    return git if base is None else replace(git, branch=base)


def choose_environment(
    configuration: Configuration, name: str | None, of: str = "the configuration"
) -> Environment:
    """The environment of that name, or the only one. Raises ConfigurationError.

    `of`: what to call the configuration.
    """
    names = ", ".join(configuration.environments)
    if name is None and len(configuration.environments) == 1:
        return next(iter(configuration.environments.values()))
    if name is None:
        raise ConfigurationError(
            f"{of} has several environments", hint=f"Name one with --env: {names}."
        )
    try:
        return configuration.environments[name]
    except KeyError:
        raise ConfigurationError(
            f"{of} has no environment {name}", hint=f"It has: {names}."
        ) from None


def choose_environments(configuration: Configuration, name: str | None) -> list[Environment]:
    """The environment of that name, or all of them. Raises ConfigurationError."""
    if name is None:
        return list(configuration.environments.values())
    return [choose_environment(configuration, name)]
