"""docs/cli.md: every command and option, with the words of `--help`."""

from collections.abc import Iterator

import click

from reconciler.cli.main import reconciler
from reconciler.cli.options import ENV_OF_COMMANDS, common_options_with

_COMMON = "common options"
_HEAD = """# Command line

Every command with its options, as `reconciler COMMAND --help` says them. This page is made from
the program: `python -m tests.reference.update`. [operating.md](operating.md) says what they are
for, [codes.md](codes.md) what a code or an exit code means.
"""


def command_line_page() -> str:
    """The page."""
    top = click.Context(reconciler, info_name="reconciler")
    lines = [_HEAD, *_index(top), f"## {_COMMON.capitalize()}", ""]
    lines += [
        "A command that takes these says so. They may stand before its name or after it.",
        "",
        *_options(_common(), top),
        "",
    ]
    for path, context in _commands(top):
        lines += [f"## {path}", "", *_command(context), ""]
    return "\n".join(lines).rstrip() + "\n"


def _common() -> list[click.Parameter]:
    @click.command()
    @common_options_with(ENV_OF_COMMANDS)
    def nothing() -> None: ...

    return list(nothing.params)


def _commands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    """Every command below it, with its words."""
    if not isinstance(context.command, click.Group):
        return
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        assert command is not None
        if command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        yield inner.command_path, inner
        yield from _commands(inner)


def _index(top: click.Context) -> Iterator[str]:
    for path, context in _commands(top):
        words = _text(context.command.get_short_help_str(limit=200))
        yield f"- [`{path}`](#{path.replace(' ', '-')}): {words}"
    yield ""


def _command(context: click.Context) -> Iterator[str]:
    usage = " ".join(context.command.collect_usage_pieces(context))
    yield from ("```text", f"{context.command_path} {usage}".rstrip(), "```", "")
    for paragraph in (context.command.help or "").split("\n\n"):
        yield from _paragraph(paragraph)
    names = {one.name for one in _common()}
    alike = {_help(one) for one in _common()}
    own = [one for one in context.command.params if _help(one) not in alike]
    yield from _options(own, context)
    if names <= {one.name for one in context.command.params}:
        yield from ("", f"And the [{_COMMON}](#{_COMMON.replace(' ', '-')}).")


def _help(parameter: click.Parameter) -> tuple[str | None, str | None]:
    """Its name and what is said of it, in which the common `--env` differs."""
    return parameter.name, getattr(parameter, "help", None)


def _paragraph(text: str) -> Iterator[str]:
    if text.startswith("\b\n"):
        yield from ("```text", text.removeprefix("\b\n").strip(), "```", "")
    elif text.strip():
        yield from (_text(text), "")


def _options(parameters: list[click.Parameter], context: click.Context) -> Iterator[str]:
    options = [one for one in parameters if isinstance(one, click.Option)]
    records = [one.get_help_record(context) for one in options]
    shown = [record for record in records if record is not None]
    if not shown:
        return
    yield from ("| option | does |", "|---|---|")
    for names, words in shown:
        yield f"| `{names.replace('|', chr(92) + '|')}` | {_text(words)} |"


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")
