"""`reconciler notify`."""

import click

from reconciler.cli.options import ENV_ALL, common_options_with, current_options
from reconciler.errors import ExitCode


@click.group("notify")
@common_options_with(ENV_ALL)
def command() -> None:
    """Try the webhooks that are told what an apply has done (`notify` in reconciler.yaml)."""


@command.command("test")
@common_options_with(ENV_ALL)
def test_command() -> ExitCode:
    """Send a test message to each webhook, and say what came of each.

    Reads reconciler.yaml in this checkout, so a change can be tried before it is merged. The exit
    code is 1 if one of them was not told.
    """
    from reconciler.cli.notifying import tell_test
    from reconciler.cli.saying import say
    from reconciler.repository.settings import choose_environments, find_root, read_configuration

    options = current_options()
    failed = False
    configuration = read_configuration(find_root(options.repo))
    for environment in choose_environments(configuration, options.env):
        outcomes = tell_test(environment)
        if not outcomes:
            say(f"{environment.name}: nobody is told: reconciler.yaml has no notify", err=False)
        for label, failure in outcomes:
            failed = failed or failure is not None
            outcome = "told" if failure is None else f"not told: {failure}"
            say(f"{environment.name}: {label}: {outcome}", err=False)
    return ExitCode.PROBLEM if failed else ExitCode.OK
