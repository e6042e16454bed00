"""`reconciler schema`."""

import click

from reconciler.errors import ExitCode


@click.command("schema")
@click.argument(
    "name",
    type=click.Choice(["trigger", "config", "ledger", "plan", "doctor", "notification", "log"]),
    default="trigger",
)
def command(name: str) -> ExitCode:
    """Print a JSON Schema.

    Of manifests, the configuration, ledger lines, saved plans, `doctor`, what webhooks are sent, or
    the lines of `--log-format json`.
    """
    from reconciler.cli.saying import show
    from reconciler.schema import SCHEMAS, schema_text

    chosen = next(schema for schema in SCHEMAS if schema == name)
    show(schema_text(chosen))
    return ExitCode.OK
