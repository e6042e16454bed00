"""What the pipeline's author says in the environment, where no pull request can say otherwise."""

import os

KEY_VARIABLES = "RECONCILER_KEY_VARIABLES"
_KEY_PREFIX = "ENOS_"

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


def base_branch() -> str | None:
    """The branch that the pull request will be merged into; None outside its pipeline."""
    given = (os.environ.get(name, "").strip() for name in BASES)
    return next((one.removeprefix("refs/heads/") for one in given if one), None)


def base_commit() -> str | None:
    """The commit that the pull request's branch parted at; None where nobody says."""
    return os.environ.get(BASE_COMMIT, "").strip() or None


def may_hold_key(variable: str) -> bool:
    """Whether the configuration may name this variable as one that holds a key.

    It can be written by anybody who opens a pull request, and a job has other secrets besides.
    """
    allowed = os.environ.get(KEY_VARIABLES, "").replace(",", " ").split()
    return variable.startswith(_KEY_PREFIX) or variable in allowed
