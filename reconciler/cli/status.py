"""`reconciler status` and `reconciler report`: what is known of the runs, as lists or a page."""

from pathlib import Path

import click

from reconciler.cli.options import (
    ENV_ALL,
    RUN_WORD,
    TEXT,
    Format,
    common_options_with,
    current_options,
    read_duration,
)
from reconciler.errors import ExitCode

STATES = ("pending", "claimed", "in-doubt", "rejected", "triggered", "succeeded", "failed")


@click.command("status")
@click.argument("runs", type=RUN_WORD, nargs=-1, metavar="[RUN]...")
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
    help="Only runs with this label; an error if no run has the KEY.",
)
@click.option(
    "--where",
    type=TEXT,
    metavar="KEY=VALUE",
    multiple=True,
    help="Only runs with this value of the parameter; * in it stands for anything. Several of one "
    "KEY: any of them. An error if no run has the KEY.",
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
    "--grid",
    is_flag=True,
    help="Show backfills as business date x combination of the matrix, a letter a run: a capital "
    "where a person must look.",
)
@click.option(
    "--rows",
    type=TEXT,
    metavar="KEY",
    multiple=True,
    help="With --grid: the rows, a key of the matrix or date; may be repeated.  [default: the "
    "whole matrix]",
)
@click.option(
    "--columns",
    type=TEXT,
    metavar="KEY",
    multiple=True,
    help="With --grid: the columns, likewise.  [default: date, or what --rows leaves]",
)
@click.option(
    "--refresh",
    is_flag=True,
    help="Ask the service how started instances fare, and record how they ended.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Look again and again until nothing is under way. A terminal shows the newest look, "
    "elsewhere each change is a line.",
)
@click.option(
    "--interval",
    type=TEXT,
    callback=read_duration,
    metavar="DURATION",
    help="With --watch: how long to pause between looks.  [default: 10s]",
)
@click.option(
    "--offline", is_flag=True, help="Ask no remote: the ledger is the one that this clone has."
)
@common_options_with(ENV_ALL)
def status_command(  # noqa: PLR0913 - click passes one argument an option
    *,
    runs: tuple[str, ...],
    states: tuple[str, ...],
    labels: tuple[str, ...],
    where: tuple[str, ...],
    form: str,
    grid: bool,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    detailed_exitcode: bool,
    refresh: bool,
    watch: bool,
    interval: float | None,
    offline: bool,
) -> ExitCode:
    """Show what the ledger says of each run.

    With RUN, only those: a run's name, a backfill's, or the beginning of names. Where that is one
    run, with everything that is known of it. `reconciler explain REASON` says what a reason means.

    With --watch, looks until nothing is under way: no run is claimed, or was started and is due and
    has not ended.
    """
    if refresh and offline:
        raise click.UsageError("Say either --refresh or --offline.")
    if (rows or columns) and not grid:
        raise click.UsageError("--rows and --columns go with --grid.")
    if grid and form == Format.JSON:
        raise click.UsageError("--grid goes with --format text or markdown; JSON has it all.")
    if interval is not None and not watch:
        raise click.UsageError("--interval goes with --watch.")
    if watch and (offline or form != Format.TEXT):
        raise click.UsageError("--watch goes with --format text, and not with --offline.")
    from reconciler.cli.choosing import Filter
    from reconciler.cli.refusing import document_refusals
    from reconciler.cli.reporting import View, report_status
    from reconciler.cli.saying import show
    from reconciler.render.grid import Axes

    with document_refusals(current_options(), as_json=form == Format.JSON):
        wanted = Filter.of(runs=runs, states=states, labels=labels, where=where)
        view = View(form=Format(form), axes=Axes(rows=rows, columns=columns) if grid else None)
        if watch:
            from reconciler.cli.watching import watch_status

            report = watch_status(
                current_options(), wanted, view, refreshed=refresh, seconds=interval or 10
            )
        else:
            report = report_status(current_options(), wanted, offline=offline, refreshed=refresh)
    for piece in view.pieces(report):
        show(piece, painted=form == Format.TEXT, document=form == Format.JSON)
    return report.detailed_exit_code if detailed_exitcode else report.exit_code


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
def report_command(*, out: Path, offline: bool) -> ExitCode:
    """Write what is known of every run as one static page.

    DIR/index.html needs no server and asks none. It shows what needs a person first, each backfill
    as a grid, a calendar of each flow, a timeline, and everything that is known of each run.
    """
    from reconciler.cli.publishing import publish

    return publish(current_options(), out, offline=offline)
