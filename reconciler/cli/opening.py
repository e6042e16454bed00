"""Open the shared branch and the gateway for the commands that write.

Credentials are sent only where the shared branch says, whatever a checkout says. At the end, the
remote is asked to keep a trace of the ledger.
"""

import asyncio
import os
from collections import Counter
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from msgspec import Struct

from reconciler.apply.ports import Gateway, Ports, Progress, Step
from reconciler.cli.clock import LocalClock
from reconciler.cli.machine import jitter, new_claim, rescue
from reconciler.cli.options import CommonOptions
from reconciler.cli.saying import say
from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.enos.access import GatewaySettings
from reconciler.errors import ConfigurationError, RefusedError
from reconciler.git import CommitId, Git
from reconciler.model import Problem, Source
from reconciler.repository.credentials import read_credentials
from reconciler.repository.settings import (
    choose_environment,
    find_root,
    read_committed_configuration,
    read_committed_file,
    read_configuration,
)
from reconciler.repository.store import GitStore
from reconciler.repository.worktree import read_one

_MOST_CERTIFICATES = 4 << 20  # bytes of a caFile
_HINT = "Merge the change of it first. Without --online a plan needs no credentials."


class NotSharedError(RefusedError):
    """The shared branch does not have the environment yet, so its keys may be sent nowhere."""


def check_gateway(git: Git, tip: CommitId | None, environment: Environment, branch: str) -> None:
    """Raise RefusedError if the environment's gateway differs from the one on the shared branch.

    That is NotSharedError if the branch does not have the environment. `tip`: the branch's commit;
    `branch`: its name in messages. Raises ConfigurationError, GitError.
    """
    if tip is None:
        raise NotSharedError(
            f"{environment.name}: no shared branch says where credentials may be sent",
            hint="Give the clone its remote (git.remote), and push the configuration there.",
        )
    committed = read_committed_configuration(git, tip)
    theirs = committed.environments.get(environment.name) if committed is not None else None
    if theirs is None:
        raise NotSharedError(
            f"{environment.name}: {branch} has no such environment, so it is sent no credentials",
            hint=_HINT,
        )
    here, there = _secret_fields(environment.gateway), _secret_fields(theirs.gateway)
    differing = [name for name, value in here.items() if value != there[name]]
    if differing:
        raise RefusedError(
            f"{environment.name}: gateway.{differing[0]} differs from the one on {branch}, and "
            "credentials are sent only where that branch says",
            hint=_HINT,
        )
    check_certificates(git, tip, environment)


def check_certificates(git: Git, tip: CommitId | None, environment: Environment) -> None:
    """Raise if `gateway.caFile` here differs from the branch's, is a link, or is not a file.

    A file that neither the branch nor this checkout tracks is the pipeline's own, and is trusted.
    Raises RefusedError, ConfigurationError, GitError.
    """
    name = environment.gateway.ca_file
    if name is None:
        return
    path = git.prefix + name
    here = read_certificates(git.root / git.prefix, name)
    theirs = read_committed_file(git, tip, path) if tip is not None else None
    if theirs is not None:
        trusted = theirs == here.content
    else:
        trusted = not git.run("--literal-pathspecs", "ls-files", "-z", "--", os.fspath(path)).stdout
    if not trusted:
        raise RefusedError(
            f"{environment.name}: {name} (gateway.caFile) is not what the shared branch holds",
            hint="Bring this checkout up to date (git pull), or merge the change first.",
        )


def read_certificates(root: Path, name: str) -> Source:
    """The file that `gateway.caFile` names; `root`: the folder of the configuration.

    Raises ConfigurationError if it is missing, a link, or not a file.
    """
    found = read_one(root, name, _MOST_CERTIFICATES)
    if isinstance(found, Problem):
        raise ConfigurationError(
            f"gateway.caFile cannot be used: {found}",
            hint="The path is relative to the folder of reconciler.yaml. If the file is not in "
            "the repository, the pipeline must write it before it runs reconciler.",
        )
    return found


def _secret_fields(gateway: GatewayConfiguration) -> dict[str, str | None]:
    """The fields, by name, that decide which secrets go where."""
    return {
        "url": gateway.url,
        "orgId": gateway.org_id,
        "userId": gateway.user_id,
        "accessKeyEnv": gateway.access_key_env,
        "secretKeyEnv": gateway.secret_key_env,
        "caFile": gateway.ca_file,
    }


class SharedBranch(Struct, frozen=True, kw_only=True):
    """One environment on the shared branch."""

    root: Path  # of the configuration
    git: Git
    remote: str
    ledger_branch: str | None  # None: the ledger is beside the manifests
    environment: Environment  # as this checkout has it; the branch's comes with a snapshot
    store: GitStore

    @classmethod
    def find(cls, options: CommonOptions, *, cached: bool = False) -> "SharedBranch":
        """Find the environment and the branch. Raises ConfigurationError, GitError.

        `cached`: manifests may be known from the cache; whoever starts a run has it confirmed.
        """
        root = find_root(options.repo)
        configuration = read_configuration(root)
        environment = choose_environment(configuration, options.env)
        git = Git.at(root)
        git.check_remote(configuration.git.remote)
        now = LocalClock().wall()
        store = GitStore(git, configuration, environment.name, now=now, cached=cached)
        store.read_ahead()
        return cls(
            root=root,
            git=git,
            remote=configuration.git.remote,
            ledger_branch=configuration.git.ledger_branch,
            environment=environment,
            store=store,
        )

    @property
    def whereabouts(self) -> str:
        """Words for a person on where to find what was just recorded."""
        if self.ledger_branch is None:
            return "on the branch: git pull brings it here"
        return f"on {self.remote}/{self.ledger_branch}, where status and plan read it"

    def open_gateway(
        self, environment: Environment, requests: Counter[str] | None = None
    ) -> AbstractAsyncContextManager[Gateway]:
        """The gateway of an environment as the branch has it; `requests` counts its requests.

        Raises ConfigurationError, for example for missing credentials, and RefusedError.
        """
        check_certificates(self.git, self.store.tip, environment)
        return open_environment(self.root, environment, requests)

    def ports(self, progress: Progress, stop: asyncio.Event) -> Ports:
        """The outside world, as the apply protocol sees it."""
        return Ports(
            store=self.store,
            open_gateway=self.open_gateway,
            clock=LocalClock(),
            progress=progress,
            stop=stop,
            new_claim=new_claim,
            jitter=jitter,
            rescue=partial(rescue, self.root),
        )


def open_environment(
    root: Path, environment: Environment, requests: Counter[str] | None = None
) -> AbstractAsyncContextManager[Gateway]:
    """The environment's gateway; `root`: the folder of the configuration.

    Raises ConfigurationError, for example for missing credentials.
    """
    from reconciler.enos.client import open_gateway  # imports httpx, which many applies never need

    settings = gateway_settings(root, environment)
    return open_gateway(settings, read_credentials(environment.gateway), requests=requests)


def gateway_settings(root: Path, environment: Environment) -> GatewaySettings:
    """The settings for the client of the environment's gateway; `root`: as above."""
    gateway = environment.gateway
    return GatewaySettings(
        url=gateway.url,
        org_id=gateway.org_id,
        user_id=gateway.user_id,
        zone=gateway.zone,
        timeout=gateway.timeout,
        requests_per_second=environment.limits.requests_per_second,
        stamp_slack=gateway.stamp_slack,
        ca_file=str(root / gateway.ca_file) if gateway.ca_file else None,
    )


def ignore_step(_: Step) -> None:
    """Progress that shows nothing."""


def keep_trace(shared: SharedBranch, *, quiet: bool) -> None:
    """Have the remote keep a trace, or say why it does not. Never fails: a trace is optional."""
    try:
        reason = shared.store.keep()
    except Exception as error:  # noqa: BLE001 - an optional copy must not decide an exit code
        reason = str(error)
    if reason is not None and not quiet:
        remote = shared.remote
        say(
            f"{remote} keeps no copy of the ledger for new clones, which cannot notice then if it "
            f"loses events: {reason} (reconciler explain trace; to try again: "
            f"git config --unset reconciler.{remote}.trace)",
            lines=True,
        )
