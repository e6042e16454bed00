"""The commands that need no repository: `explain`, `schema`, `completion`, `demo`, `sandbox`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.cli.options import (
    CODE,
    ENV_UNUSED,
    TEXT,
    Seconds,
    WholeNumber,
    common_options_with,
    current_options,
)
from reconciler.errors import ExitCode


@click.command("explain")
@click.argument("code", type=CODE, required=False)
@common_options_with(ENV_UNUSED)
def explain_command(*, code: str | None) -> ExitCode:
    """Say what a code means, with an example, and what to do about it.

    CODE is that of a problem, a note, a refusal or a reason, an exit code, or a word that a message
    points to. Without CODE all are listed.
    """
    from reconciler.cli.saying import show
    from reconciler.errors import ReconcilerError
    from reconciler.explained import documents_address, explanations, nearest_codes
    from reconciler.render.explanation import explanation_text, explanations_text
    from reconciler.schema.paths import quotable_text

    known, color = explanations(), current_options().color
    if code is None:
        show(explanations_text(known.values(), color=color), painted=True)
        return ExitCode.OK
    if code not in known:
        near = nearest_codes(code, known)
        raise ReconcilerError(
            f"there is no code {quotable_text(code)}",
            hint=f"Did you mean {' or '.join(near)}?"
            if near
            else "All of them: reconciler explain",
        )
    show(explanation_text(known[code], color=color, documents=documents_address()), painted=True)
    return ExitCode.OK


@click.command("schema")
@click.argument(
    "name",
    type=click.Choice(
        [
            *("trigger", "config", "ledger", "plan"),
            *("status", "apply", "resolve", "doctor", "notification", "log"),
        ]
    ),
    default="trigger",
)
def schema_command(name: str) -> ExitCode:
    """Print a JSON Schema.

    Of manifests, the configuration, ledger lines, saved plans, what `status`, `apply`, `resolve`
    and `doctor` print with `--format json`, what webhooks are sent, or the lines of
    `--log-format json`.
    """
    from reconciler.cli.saying import show
    from reconciler.schema import SCHEMAS, schema_text

    chosen = next(schema for schema in SCHEMAS if schema == name)
    show(schema_text(chosen))
    return ExitCode.OK


SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> ExitCode:
    """Print a script that has a shell complete commands, options and names.

    It completes names of runs and environments, states and codes as well, from what lies in the
    working tree. Load it where the shell starts:

    \b
    bash: echo 'source <(reconciler completion bash)' >> ~/.bashrc
    zsh:  echo 'source <(reconciler completion zsh)' >> ~/.zshrc
    fish: reconciler completion fish > ~/.config/fish/completions/reconciler.fish

    In zsh it must come after compinit.
    """  # noqa: D301 - the escape is click's mark of lines that stay as they are
    from reconciler.cli.completing import script
    from reconciler.cli.saying import show

    show(f"{script(shell).strip()}\n")
    return ExitCode.OK


@click.command("demo")
def demo_command() -> ExitCode:
    """Show the whole loop: validate, plan, apply, and plan again.

    In a temporary repository with a remote of its own, against the sandbox. Touches nothing else,
    and needs no network.
    """
    from reconciler.cli.demonstration import demonstrate

    return demonstrate()


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
def sandbox_command(
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
    from msgspec.structs import replace

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
