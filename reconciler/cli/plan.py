"""`reconciler plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import click

from reconciler.cli.options import (
    ENV_ALL,
    TEXT,
    Format,
    WholeNumber,
    common_options_with,
    current_options,
)
from reconciler.errors import ExitCode, ReconcilerError

if TYPE_CHECKING:
    from reconciler.cli.planning import Asked


@click.command("plan")
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.TEXT.value,
    show_default=True,
    help="How to show it: for people, for scripts, as a pull request's comment.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the plan, for `apply --plan`.",
)
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 5 if an apply would have work to do, or ask for ends that runs wait for.",
)
@click.option(
    "--base",
    type=TEXT,
    metavar="REV",
    help="Say what this checkout changes, compared with that revision.  [default: in a pull "
    "request's pipeline where its branch parted; elsewhere the remote's branch, if files differ]",
)
@click.option("--no-base", is_flag=True, help="Say only what an apply would do.")
@click.option(
    "--max-runs",
    type=WholeNumber(min=1),
    help="What may be started in all.  [default: limits.maxRunsPerApply]",
)
@click.option(
    "--max-bytes",
    type=WholeNumber(min=4_000),
    default=60_000,
    show_default=True,
    help="How large --format markdown may be.",
)
@click.option(
    "--require-complete",
    is_flag=True,
    help="Exit with 1 if --format markdown had to leave out anything.",
)
@click.option(
    "--offline", is_flag=True, help="Ask no remote: the ledger is the one that this clone has."
)
@click.option(
    "--online",
    is_flag=True,
    help="Ask the service about every flow, and show which runs it would refuse.",
)
@common_options_with(ENV_ALL)
def plan_command(  # noqa: PLR0913 - click passes one argument an option
    *,
    form: str,
    out: Path | None,
    detailed_exitcode: bool,
    base: str | None,
    no_base: bool,
    max_runs: int | None,
    max_bytes: int,
    require_complete: bool,
    offline: bool,
    online: bool,
) -> ExitCode:
    """Show what an apply would do now, and what this checkout changes about it.

    Reads manifests from the working tree, and the ledger from the remote branch. Starts nothing.
    Whatever an apply would refuse makes the exit code 1: problems of manifests, more runs than the
    limit, a ledger that was edited here. With --online it needs the credentials, and a run that
    the service would refuse does so as well.
    """
    from reconciler.cli.planning import make_plans
    from reconciler.cli.saying import show

    asked = _read_options(
        base=base, no_base=no_base, offline=offline, online=online, max_runs=max_runs
    )
    try:
        report = make_plans(current_options(), asked)
    except ReconcilerError as error:
        _show_unplanned(error, asked, Format(form), max_bytes)
        raise
    if out is not None:
        report.save(out)
    shown = report.render(Format(form), max_bytes)
    for piece in shown.pieces:
        show(piece, painted=form == Format.TEXT, document=form == Format.JSON)
    if require_complete and not shown.is_complete:
        return ExitCode.PROBLEM
    return report.detailed_exit_code if detailed_exitcode else report.exit_code


def _show_unplanned(error: ReconcilerError, asked: "Asked", form: Format, max_bytes: int) -> None:
    """Print the document or comment that a script or bot waits for; people read stderr."""
    from reconciler.cli.saying import show
    from reconciler.cli.unplanned import Unplanned

    if form is Format.TEXT:
        return
    revision, offline = asked.base.revision, asked.offline
    unplanned = Unplanned.by(error, current_options(), revision, offline=offline)
    match form:
        case Format.JSON:
            show(unplanned.document(), document=True)
        case Format.MARKDOWN:
            show(unplanned.comment(max_bytes))
        case _:
            assert_never(form)


def _read_options(
    *, base: str | None, no_base: bool, offline: bool, online: bool, max_runs: int | None
) -> "Asked":
    """What the options ask for. Raises click.UsageError where two options contradict each other."""
    if offline and online:
        raise click.UsageError("Say either --offline or --online.")
    if base is not None and no_base:
        raise click.UsageError("Say either --base or --no-base.")
    from reconciler.cli.comparing import BaseOptions
    from reconciler.cli.planning import Asked

    return Asked(
        base=BaseOptions(revision=base, off=no_base),
        offline=offline,
        online=online,
        max_runs=max_runs,
    )
