"""`reconciler resolve` and `reconciler recover`: a person makes outcomes known."""

from pathlib import Path

import click

from reconciler.cli.options import TEXT, common_options, current_options
from reconciler.errors import ExitCode


@click.command("resolve")
@click.argument("run", type=TEXT)
@click.option("--triggered", type=TEXT, metavar="ID", help="It was started, as this instance.")
@click.option("--not-triggered", is_flag=True, help="It was not started.")
@click.option(
    "--reason", type=TEXT, default="", metavar="TEXT", help="Why, for those who read the ledger."
)
@click.option(
    "--yes",
    is_flag=True,
    help="Even while it may still be started, or though only the hour of it is shown.",
)
@common_options
def resolve_command(
    *, run: str, triggered: str | None, not_triggered: bool, reason: str, yes: bool
) -> ExitCode:
    """Settle a run that is in doubt.

    With --triggered, the service is asked whether it knows that instance. With --not-triggered the
    run is pending again, and the next apply starts it.
    """
    if (triggered is None) is not not_triggered:
        raise click.UsageError("Say either --triggered ID or --not-triggered.")
    from reconciler.cli.saying import say
    from reconciler.cli.settling import resolve_run

    say(resolve_run(current_options(), run, triggered, reason, sure=yes), err=False)
    return ExitCode.OK


@click.command("recover")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common_options
def recover_command(file: Path) -> ExitCode:
    """Feed back outcomes that an apply could not push.

    FILE is what the apply named. What the ledger holds already is left out, so it may be repeated.
    """
    from reconciler.cli.saying import say
    from reconciler.cli.settling import recover_file

    words, code = recover_file(current_options(), file)
    say(words, err=False, lines=True)
    return code
