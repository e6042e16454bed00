"""`reconciler report`."""

from pathlib import Path

import click

from reconciler.cli.options import ENV_ALL, common_options_with, current_options
from reconciler.errors import ExitCode


@click.command("report")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder that the page is written to: a new one, an empty one, or that of an older report.",
)
@click.option(
    "--offline", is_flag=True, help="Ask no remote: the ledger is the one that this clone has."
)
@common_options_with(ENV_ALL)
def command(*, out: Path, offline: bool) -> ExitCode:
    """Write what is known of every run as one static page.

    DIR/index.html needs no server and asks none. It shows what needs a person first, each backfill
    as a grid, a calendar of each flow, a timeline, and everything that is known of each run.
    """
    from reconciler.cli.publishing import publish

    return publish(current_options(), out, offline=offline)
