"""`reconciler resolve`, `import` and `recover`: a person makes outcomes known."""

from pathlib import Path

import click

from reconciler.cli.options import (
    RUN_WORD,
    TEXT,
    ShortFormat,
    WholeNumber,
    common_options,
    current_options,
)
from reconciler.errors import ExitCode

_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in ShortFormat]),
    default=ShortFormat.TEXT.value,
    show_default=True,
    help="How to report: for people, or for scripts.",
)


@click.command("resolve")
@click.argument("runs", type=RUN_WORD, nargs=-1, required=True, metavar="RUN...")
@click.option("--triggered", type=TEXT, metavar="ID", help="It was started, as this instance.")
@click.option("--not-triggered", is_flag=True, help="They were not started.")
@click.option(
    "--reason",
    type=TEXT,
    default="",
    metavar="TEXT",
    help="Why, for those who read the ledger. Asked for on a terminal.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Even though the service has what fits, shows other parameters, or cannot be searched; "
    "with --yes, even while an apply has claimed the run. Needs --reason.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Ask nothing; even while it may still be started, or though only the hour of it is shown.",
)
@_FORMAT
@common_options
def resolve_command(
    *,
    runs: tuple[str, ...],
    triggered: str | None,
    not_triggered: bool,
    reason: str,
    force: bool,
    yes: bool,
    form: str,
) -> ExitCode:
    """Settle runs that are in doubt, or adopt one that was started by hand.

    RUN is a name, a backfill's, or the beginning of names: whichever of them are in doubt are
    settled, all in one commit. The service is asked first, and what it has is shown.

    With --not-triggered the runs are pending again, and the next apply starts them; refused where
    the service has an instance that fits. With --triggered, the service is asked whether it knows
    that instance. A run that nobody has started yet is then adopted: recorded as started by hand.
    """
    if (triggered is None) is not not_triggered:
        raise click.UsageError("Say either --triggered ID or --not-triggered.")
    if force and not reason:
        raise click.UsageError("--force goes with --reason TEXT.")
    from reconciler.cli.refusing import document_refusals
    from reconciler.cli.saying import show
    from reconciler.cli.settling import ResolveOptions, resolve_runs

    saying = ResolveOptions(
        runs=runs,
        triggered=triggered,
        reason=reason,
        force=force,
        yes=yes,
        as_json=form == ShortFormat.JSON,
    )
    with document_refusals(current_options(), as_json=saying.as_json, of_one=True):
        settled = resolve_runs(current_options(), saying)
    show(settled, document=saying.as_json)
    return ExitCode.OK


@click.command("import")
@click.option(
    "--flow",
    "flows",
    type=WholeNumber(min=1),
    multiple=True,
    required=True,
    metavar="ID",
    help="Instances of this flow. May be given more than once.",
)
@click.option(
    "--from",
    "since",
    type=TEXT,
    required=True,
    metavar="TIME",
    help="Trigger times from then on: a date in the gateway's zone, or RFC 3339.",
)
@click.option(
    "--to", "until", type=TEXT, required=True, metavar="TIME", help="Trigger times before that."
)
@click.option(
    "--reason",
    type=TEXT,
    default="imported",
    show_default=True,
    metavar="TEXT",
    help="Why, for those who read the ledger.",
)
@click.option(
    "--write",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a manifest there for each instance that no run is declared for.",
)
@click.option("--yes", is_flag=True, help="Adopt. Without it, only show what would be done.")
@_FORMAT
@common_options
def import_command(
    *,
    flows: tuple[int, ...],
    since: str,
    until: str,
    reason: str,
    folder: Path | None,
    yes: bool,
    form: str,
) -> ExitCode:
    """Adopt the runs that were started by hand, as the service lists them.

    Searches the flows for instances that nothing records. Each declared run that just one of them
    fits, and no other run, is recorded as started by hand, all in one commit. Shows first what it
    would do. Manifests for the rest are suspended, and overwrite nothing.
    """
    from reconciler.cli.importing_runs import Importing, import_instances
    from reconciler.cli.refusing import document_refusals
    from reconciler.cli.saying import show

    asked = Importing(
        flows=flows,
        since=since,
        until=until,
        reason=reason,
        yes=yes,
        folder=folder,
        as_json=form == ShortFormat.JSON,
    )
    with document_refusals(current_options(), as_json=asked.as_json, of_one=True):
        imported = import_instances(current_options(), asked)
    show(imported, document=asked.as_json)
    return ExitCode.OK


@click.command("recover")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common_options
def recover_command(file: Path) -> ExitCode:
    """Feed back outcomes that an apply could not push.

    FILE is what the apply named. What the ledger holds already is left out, so it may be repeated.
    Where a search had only inferred a start, the answer in FILE is recorded as well.
    """
    from reconciler.cli.saying import say
    from reconciler.cli.settling import recover_file

    words, code = recover_file(current_options(), file)
    say(words, err=False, lines=True)
    return code
