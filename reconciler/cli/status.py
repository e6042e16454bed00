"""`reconciler status`."""

import click

from reconciler.cli.options import TEXT, common_options, current_options
from reconciler.errors import ExitCode

STATES = ("pending", "claimed", "in-doubt", "rejected", "triggered", "succeeded", "failed")


@click.command("status")
@click.argument("runs", type=TEXT, nargs=-1, metavar="[RUN]...")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only these.")
@click.option(
    "--label",
    "labels",
    type=TEXT,
    metavar="KEY=VALUE",
    multiple=True,
    help="Only runs with this label.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for scripts.",
)
@click.option(
    "--refresh",
    is_flag=True,
    help="Ask the service how started instances fare, and record how they ended.",
)
@click.option("--offline", is_flag=True, help="Take the ledger from the working tree's commit.")
@common_options
def command(
    *,
    runs: tuple[str, ...],
    states: tuple[str, ...],
    labels: tuple[str, ...],
    form: str,
    refresh: bool,
    offline: bool,
) -> ExitCode:
    """Show what the ledger says of each run.

    With RUN, only those: a run's name, a backfill's, or the beginning of names. Where that is one
    run, with everything that is known of it.
    """
    if refresh and offline:
        raise click.UsageError("Say either --refresh or --offline.")
    from reconciler.cli.reporting import Filter, report_status
    from reconciler.cli.saying import show

    wanted = Filter.of(runs=runs, states=states, labels=labels)
    report = report_status(current_options(), wanted, offline=offline, refreshed=refresh)
    show(report.shown(form), painted=form == "text", document=form == "json")
    return report.exit_code
