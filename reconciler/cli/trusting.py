"""Who may be sent credentials: only whom the shared branch names, whatever a checkout says."""

import os
from collections.abc import Mapping

from reconciler.configuration import (
    CONFIGURATION,
    Environment,
    GatewayConfiguration,
    parse_configuration,
)
from reconciler.errors import ConfigurationError, RefusedError
from reconciler.git import CommitId, Git
from reconciler.model import Problem, Source
from reconciler.repository.worktree import read_one

_MOST_CERTIFICATES = 4 << 20  # bytes of a caFile
_HINT = "Merge the change of it first. Without --online a plan needs no credentials."


def check_gateway(git: Git, tip: CommitId | None, environment: Environment, branch: str) -> None:
    """Raise RefusedError if the gateway of the checkout's environment is not the shared branch's.

    `tip` is that branch's commit, and `branch` how to call it. Raises ConfigurationError, GitError.
    """
    if tip is None:
        raise RefusedError(
            f"{environment.name}: no shared branch says where credentials may be sent",
            hint="Give the clone its remote (git.remote), and push the configuration there.",
        )
    theirs = _on_branch(git, tip).get(environment.name)
    if theirs is None:
        raise RefusedError(
            f"{environment.name}: {branch} has no such environment, so it is sent no credentials",
            hint=_HINT,
        )
    here, there = _told(environment.gateway), _told(theirs.gateway)
    differing = [name for name, value in here.items() if value != there[name]]
    if differing:
        raise RefusedError(
            f"{environment.name}: gateway.{differing[0]} is another one than on {branch}, and "
            "credentials are sent only where that branch says",
            hint=_HINT,
        )
    check_certificates(git, tip, environment)


def check_certificates(git: Git, tip: CommitId | None, environment: Environment) -> None:
    """Raise if `gateway.caFile` here differs from the branch's, or is a link or no file.

    A file that neither the branch nor this checkout tracks is the pipeline's own. Raises
    RefusedError, ConfigurationError, GitError.
    """
    name = environment.gateway.ca_file
    if name is None:
        return
    root, path = git.root / git.prefix, git.prefix + name
    here = read_one(root, name, _MOST_CERTIFICATES)
    if isinstance(here, Problem):
        raise ConfigurationError(f"gateway.caFile cannot be used: {here}")
    held = [one for one in git.list_tree(tip, [path]) if one.is_file] if tip else []
    if held:
        trusted = git.read_blobs([held[0].oid])[held[0].oid] == here.content
    else:
        trusted = not git.run("--literal-pathspecs", "ls-files", "-z", "--", os.fspath(path)).stdout
    if not trusted:
        raise RefusedError(
            f"{environment.name}: {name} (gateway.caFile) is not what the shared branch holds",
            hint="Bring this checkout up to date (git pull), or merge the change first.",
        )


def _on_branch(git: Git, tip: CommitId) -> Mapping[str, Environment]:
    """The environments of the branch's configuration; none where it has no such file."""
    path = git.prefix + CONFIGURATION
    entry = next((one for one in git.list_tree(tip, [path]) if one.is_file), None)
    if entry is None:
        return {}
    content = git.read_blobs([entry.oid])[entry.oid]
    return parse_configuration(Source(path=CONFIGURATION, content=content)).environments


def _told(gateway: GatewayConfiguration) -> dict[str, str | None]:
    """The fields that decide which secrets go to whom, by their names."""
    return {
        "url": gateway.url,
        "orgId": gateway.org_id,
        "userId": gateway.user_id,
        "accessKeyEnv": gateway.access_key_env,
        "secretKeyEnv": gateway.secret_key_env,
        "caFile": gateway.ca_file,
    }
