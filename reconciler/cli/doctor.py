"""`reconciler doctor`."""

import click

from reconciler.cli.options import ENV_ALL, common_options_with, current_options
from reconciler.errors import ExitCode


@click.command("doctor")
@click.option("--offline", is_flag=True, help="Leave out what needs the network.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to show it: for people, or for scripts.",
)
@common_options_with(ENV_ALL)
def command(*, offline: bool, form: str) -> ExitCode:
    """Say what is wrong around the reconciler, and what to do about it.

    Checks git, this clone and its remote, configuration, manifests and ledgers; and of each
    environment the way to its gateway, the keys, the user, the clocks and the flows. Changes
    nothing and starts nothing. The exit code is 1 if a check failed.
    """
    from reconciler.cli.examining import examine
    from reconciler.cli.saying import show
    from reconciler.render.diagnosis import diagnosis_exit_code, diagnosis_json, diagnosis_text
    from reconciler.render.json_output import json_document

    options = current_options()
    checks = examine(options, offline=offline)
    if form == "json":
        show(json_document(diagnosis_json(checks)), document=True)
    else:
        show(diagnosis_text(checks, color=options.color), painted=True)
    return diagnosis_exit_code(checks)
