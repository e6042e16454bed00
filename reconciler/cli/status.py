"""`reconciler status`."""

import click

from reconciler.cli.options import TEXT, common_options, current_options
from reconciler.errors import ExitCode
from reconciler.render.formats import Format

STATES = ("pending", "claimed", "in-doubt", "rejected", "triggered", "succeeded", "failed")


@click.command("status")
@click.argument("runs", type=TEXT, nargs=-1, metavar="[RUN]...")
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only these; may be repeated.",
)
@click.option(
    "--label",
    "labels",
    type=TEXT,
    metavar="KEY=VALUE",
    multiple=True,
    help="Only runs with this label.",
)
@click.option(
    "--where",
    type=TEXT,
    metavar="KEY=VALUE",
    multiple=True,
    help="Only runs with this value of the parameter; * in it stands for anything. Several of one "
    "KEY: any of them.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.TEXT.value,
    show_default=True,
    help="For people, for scripts, or as a summary of a pipeline's job.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 4 if a run that is shown is in doubt, else 1 if one failed, was refused or "
    "does not go on before a person did something, else 5 if one is still to come, else 0.",
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
    where: tuple[str, ...],
    form: str,
    detailed_exitcode: bool,
    refresh: bool,
    offline: bool,
) -> ExitCode:
    """Show what the ledger says of each run.

    With RUN, only those: a run's name, a backfill's, or the beginning of names. Where that is one
    run, with everything that is known of it.
    """
    if refresh and offline:
        raise click.UsageError("Say either --refresh or --offline.")
    from reconciler.cli.choosing import Filter
    from reconciler.cli.reporting import report_status
    from reconciler.cli.saying import show

    wanted = Filter.of(runs=runs, states=states, labels=labels, where=where)
    report = report_status(current_options(), wanted, offline=offline, refreshed=refresh)
    show(report.shown(Format(form)), painted=form == "text", document=form == "json")
    return report.exit_code(detailed=detailed_exitcode)
