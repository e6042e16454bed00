"""`reconciler schema`."""

import click

from reconciler.errors import ExitCode


@click.command("schema")
@click.argument(
    "name", type=click.Choice(["trigger", "config", "ledger", "plan", "doctor"]), default="trigger"
)
def command(name: str) -> ExitCode:
    """Print a JSON Schema: of manifests, configuration, ledger lines, saved plans, or `doctor`."""
    from reconciler.cli.saying import show
    from reconciler.schema import SCHEMAS, schema_text

    chosen = next(schema for schema in SCHEMAS if schema == name)
    show(schema_text(chosen))
    return ExitCode.OK
