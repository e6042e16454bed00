"""What the service says of one flow, where its keys are at hand."""

import asyncio

from reconciler.apply.ports import Flow
from reconciler.cli.bounded import run_bounded
from reconciler.cli.fetching import read_ledgers
from reconciler.cli.reading import Workspace
from reconciler.configuration import Environment
from reconciler.errors import ConfigurationError, ReconcilerError
from reconciler.repository.settings import read_credentials

_SECONDS = 10.0  # a person waits for the next question


def has_keys(environment: Environment) -> bool:
    """Whether the environment's keys are set."""
    try:
        read_credentials(environment.gateway)
    except ConfigurationError:
        return False
    return True


def look_up(workspace: Workspace, environment: Environment, flow_id: int) -> Flow | str:
    """The flow, or why nothing is known of it.

    Keys are sent only where the shared branch says, as for everything that is asked.
    """
    from reconciler.cli.opening import open_environment
    from reconciler.cli.planning import check_trust

    async def ask() -> Flow | None:
        async with (
            asyncio.timeout(_SECONDS),
            open_environment(workspace.root, environment) as gateway,
        ):
            return await gateway.flow(flow_id)

    try:
        known = read_ledgers(workspace, offline=False)[environment.name]
        check_trust(workspace, known, environment)
        return run_bounded(ask()) or "does not exist, or is not visible to this user"
    except TimeoutError:
        return f"was not looked up: no answer within {_SECONDS:g} s"
    except ReconcilerError as error:
        return f"was not looked up: {error}"
