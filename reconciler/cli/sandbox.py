"""`reconciler sandbox`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from reconciler.cli.options import TEXT, Seconds, WholeNumber
from reconciler.errors import ExitCode


@click.command("sandbox")
@click.option(
    "--port", type=WholeNumber(min=0, max=65535), default=8765, show_default=True, help="0: any."
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML: what goes wrong, and which flows exist.",
)
@click.option("--no-auth", is_flag=True, help="Take any token and signature.")
@click.option("--timezone", type=TEXT, metavar="ZONE", help="The service's zone.  [default: GMT+8]")
@click.option("--latency", type=Seconds(), help="Seconds before each answer.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a JSON line for each request.",
)
def command(
    *,
    port: int,
    faults_file: Path | None,
    no_auth: bool,
    timezone: str | None,
    latency: float | None,
    journal: Path | None,
) -> ExitCode:
    """Serve a local gateway that behaves as the EnOS reference says.

    Prints its URL, then the environment variables to set. Everything is forgotten when it ends.
    """
    given = {"timezone": timezone, "latency": latency, "journal": journal}
    options = {name: value for name, value in given.items() if value is not None}
    _serve(port, faults_file, require_auth=not no_auth, options=options)
    return ExitCode.OK


def _serve(
    port: int, faults_file: Path | None, *, require_auth: bool, options: Mapping[str, Any]
) -> None:
    """Serve a sandbox until a signal ends it. The options override the file."""
    from reconciler.cli.saying import show
    from reconciler.sandbox import Sandbox, SandboxOptions, environment, read_sandbox_file, serve

    base, faults = read_sandbox_file(faults_file) if faults_file else (SandboxOptions(), ())
    if not require_auth:
        options = {**options, "require_auth": False}
    sandbox = Sandbox(replace(base, **options), faults)

    def announce(url: str) -> None:
        exports = (f"export {name}={value}" for name, value in environment(sandbox).items())
        show("".join(f"{line}\n" for line in (url, *exports)))

    serve(sandbox, port=port, announce=announce)
