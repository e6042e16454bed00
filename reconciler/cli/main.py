"""The command group, and the one place that turns errors into messages and exit codes."""

import importlib
import os
import sys
from collections.abc import Sequence
from io import StringIO

import click

from reconciler import __version__
from reconciler.cli.options import ENV_OF_COMMANDS, common_options_with, wants_json_log
from reconciler.cli.saying import ReaderGoneError, journal, say, show, wrap_streams
from reconciler.cli.signals import is_interrupt, release, restore_signals
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.render.safe import escape_line

# By a command's name: its module, and its name there.
COMMANDS = {
    "init": ("init", "init_command"),
    "new": ("new", "new_commands"),
    "validate": ("validate", "validate_command"),
    "plan": ("plan", "plan_command"),
    "apply": ("apply", "apply_command"),
    "status": ("status", "status_command"),
    "report": ("status", "report_command"),
    "doctor": ("validate", "doctor_command"),
    "explain": ("anywhere", "explain_command"),
    "resolve": ("settle", "resolve_command"),
    "import": ("settle", "import_command"),
    "recover": ("settle", "recover_command"),
    "comment": ("announce", "comment_command"),
    "issue": ("announce", "issue_command"),
    "notify": ("announce", "notify_commands"),
    "schema": ("anywhere", "schema_command"),
    "sandbox": ("anywhere", "sandbox_command"),
    "demo": ("anywhere", "demo_command"),
    "completion": ("anywhere", "completion_command"),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the commands in the order of a first day's use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"reconciler.cli.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises click.UsageError, with the command that was perhaps meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0][:100], COMMANDS, n=1)
            if not near:
                raise
            told = f"{error.message} Did you mean {near[0]}?"
            raise click.UsageError(told, ctx=ctx) from None


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Show the version, and that of the zones: machines with the same two agree on dates."""
    if wanted and not context.resilient_parsing:
        from reconciler.times import ZONES_VERSION

        show(f"reconciler, version {__version__} (tzdata {ZONES_VERSION})\n")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@common_options_with(ENV_OF_COMMANDS)
def reconciler() -> None:
    """Start declared workflow runs on EnOS, each exactly once.

    Runs are declared in manifests, reviewed in pull requests, and started by `apply`, which keeps
    its record in the repository.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line and give its exit code. Nothing is raised to the caller."""
    instruction = os.environ.get("_RECONCILER_COMPLETE")
    if instruction is not None:
        from reconciler.cli.completing import answer_shell

        release()
        answer_shell(instruction)
        return ExitCode.OK
    with restore_signals(), wrap_streams(as_json=wants_json_log(arguments)):
        code = _run(arguments)
        log = journal()
        if log is not None:
            log.finish(code)
        return code


def _run(arguments: Sequence[str]) -> int:
    try:
        release()
        code = reconciler.main(args=list(arguments), prog_name="reconciler", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _end_interrupted()
    except ReaderGoneError:
        # Say nothing, like a program that SIGPIPE ends, and give the code that a shell gives it.
        # If stdout still led to the pipe, Python would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.UNREAD
    except ReconcilerError as error:
        _say(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes an exit code
        if is_interrupt(error):
            return _end_interrupted()
        from reconciler.cli.unexpected import tell_unexpected

        return tell_unexpected(error, arguments)
    return int(code or ExitCode.OK)


def _end_interrupted() -> ExitCode:
    say("interrupted")
    return ExitCode.INTERRUPTED


def _show(error: click.ClickException) -> None:
    """Show the error as click does, but with its message, which quotes the user, on one line."""
    log = journal()
    if log is not None:
        usage = error.ctx if isinstance(error, click.UsageError) else None
        hint = {"hint": f"Try '{usage.command_path} --help'."} if usage is not None else {}
        log.record("error", escape_line(error.format_message()), **hint)
        return
    shown = StringIO()
    error.show(shown)
    text, message = shown.getvalue(), error.format_message()
    if isinstance(error, click.MissingParameter):  # quotes nothing; has a line for each choice
        text, message = text.replace(message, one := " ".join(message.split())), one
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None or message != context.get_help():  # the message where none are given
        text = text.replace(click.unstyle(message), escape_line(message))
    show(text, err=True)


def _say(error: ReconcilerError) -> None:
    log = journal()
    if log is not None:
        words = str(error) if error.has_lines else escape_line(str(error))
        log.record("error", words, **({"hint": escape_line(error.hint)} if error.hint else {}))
    else:
        say(f"error: {error}", lines=error.has_lines)
        if error.hint:
            say(f"  {error.hint}", lines=error.has_lines)
    for line in filter(None, error.record.split("\n")):
        # Shown whole, whatever its length: the line is kept nowhere else.
        show(f"{line}\n", err=True, level="error")
