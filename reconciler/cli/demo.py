"""`reconciler demo`."""

import click

from reconciler.errors import ExitCode


@click.command("demo")
def command() -> ExitCode:
    """Show the whole loop: validate, plan, apply, and plan again.

    In a temporary repository with a remote of its own, against the sandbox. Touches nothing else,
    and needs no network.
    """
    from reconciler.cli.demonstration import demonstrate

    return demonstrate()
