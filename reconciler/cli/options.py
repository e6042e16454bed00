"""The options that every command takes, before its name or after it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.types import StringParamType

from reconciler.utf8 import read_utf8


class _Text(StringParamType):
    """Text that a ledger takes and a message can show: UTF-8."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it. Fails for bytes that are not UTF-8."""
        text: str = super().convert(value, param, ctx)
        try:
            return read_utf8(text)
        except UnicodeError:
            self.fail("the text is not UTF-8", param, ctx)


TEXT = _Text()

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonOptions:
    """What the common options said."""

    repo: Path | None = None  # None: found upwards from the working directory
    env: str | None = None  # None: the only one, or all
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False

    @property
    def color(self) -> bool | None:
        """Whether to colour; None leaves it to the terminal."""
        return False if self.no_color else None


def common_options(function: _Function) -> _Function:
    """Add the common options; `current_options` gives what they said."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def current_options() -> CommonOptions:
    """Give the common options of the running command, wherever on its line they stood."""
    options = click.get_current_context().find_object(CommonOptions)
    return options or CommonOptions()


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False or parameter.name is None:
        return
    before = context.find_object(CommonOptions) or CommonOptions()
    context.obj = replace(before, **{parameter.name: value})


_OPTIONS = [
    click.option(
        "--repo",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of the repository.  [default: found upwards from here]",
        expose_value=False,
        callback=_keep,
    ),
    click.option(
        "--env",
        type=TEXT,
        metavar="NAME",
        help="The environment.  [default: the only one; validate, plan, status: all]",
        expose_value=False,
        callback=_keep,
    ),
    click.option(
        "-q", "--quiet", is_flag=True, help="Only results.", expose_value=False, callback=_keep
    ),
    click.option(
        "-v", "--verbose", is_flag=True, help="Say more.", expose_value=False, callback=_keep
    ),
    click.option(
        "--no-color", is_flag=True, help="No colours.", expose_value=False, callback=_keep
    ),
]
