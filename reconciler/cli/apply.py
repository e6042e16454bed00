"""`reconciler apply`."""

from pathlib import Path

import click

from reconciler.cli.options import (
    RUN_WORD,
    TEXT,
    Format,
    WholeNumber,
    common_options,
    current_options,
    read_duration,
)
from reconciler.errors import ExitCode


@click.command("apply")
@click.argument("runs", type=RUN_WORD, nargs=-1, metavar="[RUN]...")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Start only what this saved plan holds; refused if it is stale or was edited.",
)
@click.option(
    "--max-runs",
    type=WholeNumber(min=1),
    metavar="N",
    help="Refuse to start more than N runs.  [default: limits.maxRunsPerApply]",
)
@click.option(
    "--preflight",
    is_flag=True,
    help="First ask about every flow; claim nothing that would be refused.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="Stay until everything started has ended, and start what depended on it.",
)
@click.option(
    "--timeout",
    type=TEXT,
    callback=read_duration,
    metavar="DURATION",
    help="With --wait: wait no longer than this, such as 90s or 2h.  [default: no limit]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.TEXT.value,
    show_default=True,
    help="How to report what was done: for people, for scripts, as a summary of a pipeline's job.",
)
@common_options
def apply_command(
    *,
    runs: tuple[str, ...],
    plan_file: Path | None,
    max_runs: int | None,
    preflight: bool,
    wait: bool,
    timeout: float | None,
    form: str,
) -> ExitCode:
    """Start every declared run that was not started yet, exactly once.

    Reads manifests and ledger from the tip of the remote branch, claims the runs there, starts
    them, and pushes the record. Safe to run again at any time, and by several at once.

    With RUN, starts and cancels only those: a run's name, a backfill's, or the beginning of names,
    as `status` takes them. All others are as if they were suspended.

    How instances that were started before have ended is recorded as well. With --wait, the exit
    code is 1 if something that was waited for failed or has not ended in time. On GitHub, what is
    in doubt, refused or failed is an annotation as well.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout goes with --wait.")
    if runs and plan_file is not None:
        raise click.UsageError("Say either --plan FILE or RUN: a saved plan names its runs.")
    from reconciler.cli.applying import Wanted, annotate, annotate_error, apply_environment
    from reconciler.cli.refusing import document_refusals
    from reconciler.cli.saying import show
    from reconciler.ledger import Event
    from reconciler.render.apply_text import outcomes_json

    wanted = Wanted(
        runs=runs,
        plan_file=plan_file,
        max_runs=max_runs,
        preflight=preflight,
        wait=wait,
        timeout=timeout,
    )
    options, outcomes = current_options(), list[Event]()
    documented = document_refusals(
        options, as_json=form == Format.JSON, of_one=True, done=lambda: outcomes_json(outcomes)
    )
    with annotate_error(), documented:
        report = apply_environment(options, wanted, outcomes)
    show(report.render(Format(form)), document=form == Format.JSON)
    annotate(report.annotations)
    return report.exit_code
