"""`reconciler apply`."""

from pathlib import Path

import click

from reconciler.cli.options import common_options, current_options
from reconciler.errors import ExitCode


@click.command("apply")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Start only what this saved plan holds; refused if it is stale.",
)
@click.option(
    "--max-runs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Refuse to start more than N runs.  [default: limits.maxRunsPerApply]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to report what was done.",
)
@common_options
def command(*, plan_file: Path | None, max_runs: int | None, form: str) -> ExitCode:
    """Start every declared run that was not started yet, exactly once.

    Reads manifests and ledger from the tip of the remote branch, claims the runs there, starts
    them, and pushes the record. Safe to run again at any time, and by several at once.
    """
    from reconciler.cli.applying import apply_environment

    report = apply_environment(current_options(), plan_file=plan_file, max_runs=max_runs)
    click.echo(report.shown(form), nl=False)
    return report.exit_code
