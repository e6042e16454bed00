"""Opening what the commands that write work on: the shared branch and the gateway."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.apply.ports import Gateway, Ports, Progress, Step
from reconciler.cli.machine import LocalClock, jitter, new_claim, rescue
from reconciler.cli.options import CommonOptions
from reconciler.cli.trusting import check_certificates
from reconciler.configuration import Environment
from reconciler.enos.access import GatewaySettings
from reconciler.enos.client import open_gateway
from reconciler.git import Git
from reconciler.repository.settings import (
    choose_environment,
    find_root,
    read_configuration,
    read_credentials,
)
from reconciler.repository.store import GitStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One environment on the shared branch."""

    root: Path  # of the configuration
    git: Git
    remote: str
    environment: Environment  # as this checkout has it; the branch's comes with a snapshot
    store: GitStore

    @classmethod
    def find(cls, options: CommonOptions) -> "Shared":
        """Find it. Raises ConfigurationError, GitError."""
        root = find_root(options.repo)
        configuration = read_configuration(root)
        environment = choose_environment(configuration, options.env)
        git = Git.at(root)
        git.check_remote(configuration.git.remote)
        store = GitStore(git, configuration, environment.name, now=LocalClock().wall())
        return cls(
            root=root,
            git=git,
            remote=configuration.git.remote,
            environment=environment,
            store=store,
        )

    def open_gateway(self, environment: Environment) -> AbstractAsyncContextManager[Gateway]:
        """The environment's gateway, as the branch has it.

        Raises ConfigurationError, as for missing credentials, and RefusedError.
        """
        check_certificates(self.git, self.store.tip, environment)
        return open_environment(self.root, environment)

    def ports(self, progress: Progress, stop: asyncio.Event) -> Ports:
        """Everything outside, as the apply protocol sees it."""
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


def open_environment(root: Path, environment: Environment) -> AbstractAsyncContextManager[Gateway]:
    """The environment's gateway; `root` is the folder of the configuration.

    Raises ConfigurationError, as for missing credentials.
    """
    gateway = environment.gateway
    settings = GatewaySettings(
        url=gateway.url,
        org_id=gateway.org_id,
        user_id=gateway.user_id,
        zone=gateway.zone,
        timeout=gateway.timeout,
        requests_per_second=environment.limits.requests_per_second,
        stamp_slack=gateway.stamp_slack,
        ca_file=str(root / gateway.ca_file) if gateway.ca_file else None,
    )
    return open_gateway(settings, read_credentials(gateway))


def silent(_: Step) -> None:
    """Progress of which nothing is told."""
