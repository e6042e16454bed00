"""`reconciler validate` and `reconciler doctor`: what is wrong in the files, and around them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import click

from reconciler.cli.options import (
    ENV_ALL,
    TEXT,
    ProblemFormat,
    ShortFormat,
    common_options_with,
    current_options,
)
from reconciler.errors import ExitCode, ReconcilerError

if TYPE_CHECKING:
    from reconciler.cli.checking import Validation


def _check_there(
    _: click.Context, __: click.Parameter, paths: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Raise BadParameter for a path that does not exist. A broken link exists: it is reported."""
    for path in paths:
        if not os.path.lexists(path):
            raise click.BadParameter(f"Path {click.format_filename(path)!r} does not exist.")
    return paths


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), callback=_check_there)
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in ProblemFormat]),
    default=ProblemFormat.TEXT.value,
    show_default=True,
    help="How to report: for people, for scripts, as annotations of a pull request, as GitLab's "
    "Code Quality, as a test report, for GitHub's code scanning.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse what is only said otherwise: manifests in a folder that no environment reads, and "
    "what a backfill perhaps does not mean.",
)
@click.option(
    "--base",
    type=TEXT,
    metavar="REV",
    help="Refuse a ledger that was edited: it must be a beginning of that revision's, such as "
    "origin/main.",
)
@common_options_with(ENV_ALL)
def validate_command(
    *, paths: tuple[Path, ...], form: str, strict: bool, base: str | None
) -> ExitCode:
    """Report every problem of every manifest.

    Reads configuration, manifests and ledger from the working tree; needs no network and no
    credentials. With PATH, only those files and folders are reported and counted; a ledger that was
    edited always is. `reconciler explain CODE` says what the code of a problem means.
    """
    from reconciler.cli.checking import report_refusal, validate_repository

    try:
        report = validate_repository(current_options(), paths, base)
    except ReconcilerError as error:
        if form != ProblemFormat.TEXT:
            _show(report_refusal(current_options(), error), ProblemFormat(form))
        raise
    report = report.strictly() if strict else report
    report.say_notes(current_options(), ProblemFormat(form))
    _show(report, ProblemFormat(form))
    return report.exit_code


def _show(report: "Validation", form: ProblemFormat) -> None:
    from reconciler.cli.saying import show

    is_json = form in {ProblemFormat.JSON, ProblemFormat.GITLAB, ProblemFormat.SARIF}
    show(report.render(form), commands=form is ProblemFormat.GITHUB, document=is_json)


@click.command("doctor")
@click.option("--offline", is_flag=True, help="Leave out what needs the network.")
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in ShortFormat]),
    default=ShortFormat.TEXT.value,
    show_default=True,
    help="How to show it: for people, or for scripts.",
)
@common_options_with(ENV_ALL)
def doctor_command(*, offline: bool, form: str) -> ExitCode:
    """Say what is wrong around the reconciler, and what to do about it.

    Checks git, this clone and its remote, configuration, manifests and ledgers; and of each
    environment the way to its gateway, the keys, the user, the clocks and the flows. Changes
    nothing and starts nothing. The exit code is 1 if a check failed.
    """
    from reconciler.cli.examining import examine
    from reconciler.cli.saying import show
    from reconciler.render.diagnosis import diagnosis_json, diagnosis_text
    from reconciler.render.json_output import json_document

    options = current_options()
    report = examine(options, offline=offline)
    match ShortFormat(form):
        case ShortFormat.TEXT:
            show(diagnosis_text(report.checks, color=options.color), painted=True)
        case ShortFormat.JSON:
            show(json_document(diagnosis_json(report.checks)), document=True)
        case unknown:
            assert_never(unknown)
    return report.exit_code
