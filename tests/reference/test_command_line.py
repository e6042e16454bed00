"""The page of the command line says what the program takes."""

import click
import pytest

from reconciler.cli.main import COMMANDS, reconciler
from tests.reference.command_line import command_line_page
from tests.reference.update import CLI


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    assert CLI.read_text(encoding="utf-8") == command_line_page(), (
        "python -m tests.reference.update"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_is_on_the_page(name: str) -> None:
    page = CLI.read_text(encoding="utf-8")
    command = reconciler.get_command(click.Context(reconciler), name)
    assert command is not None
    section = page.partition(f"\n## reconciler {name}\n")[2].partition("\n## ")[0]
    common = page.partition("\n## Common options\n")[2].partition("\n## ")[0]
    assert section
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert option in section or option in common, option


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_words(name: str) -> None:
    command = reconciler.get_command(click.Context(reconciler), name)
    assert command is not None
    bare = [one for one in command.params if isinstance(one, click.Option) and not one.help]
    assert bare == []
