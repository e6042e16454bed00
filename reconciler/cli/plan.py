"""`reconciler plan`."""

from pathlib import Path

import click

from reconciler.cli.options import common_options, current_options
from reconciler.errors import ExitCode


@click.command("plan")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to show it: for people, for scripts, as a pull request's comment.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan, for `apply --plan`.",
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 5 if an apply would have work to do."
)
@click.option("--offline", is_flag=True, help="Take the ledger from the working tree's commit.")
@click.option(
    "--online",
    is_flag=True,
    help="Ask the service about every flow, and show which runs it would refuse.",
)
@common_options
def command(
    *, form: str, out: Path | None, detailed_exitcode: bool, offline: bool, online: bool
) -> ExitCode:
    """Show what an apply would do now.

    Reads manifests from the working tree, and the ledger from the remote branch. Starts nothing.
    With --online it needs the credentials, and a run that would be refused makes the exit code 1.
    """
    if offline and online:
        raise click.UsageError("Say either --offline or --online.")
    from reconciler.cli.planning import make_plans
    from reconciler.cli.saying import show

    report = make_plans(current_options(), offline=offline, online=online)
    if out is not None:
        report.save(out)
    show(report.shown(form), painted=form == "text")
    return report.exit_code(detailed=detailed_exitcode)
