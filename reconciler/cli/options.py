"""The options that every command takes, before its name or after it, and how their text is read.

The operating system and git hand text over as bytes. Python keeps a byte that it cannot read as
half of a surrogate pair (PEP 383). No ledger and no other program takes that, and in the C locale
it stands for each byte of every letter.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.types import StringParamType
from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
from enum import StrEnum


class Format(StrEnum):
    """How `status` and `apply` report."""

    TEXT = "text"  # for people
    JSON = "json"  # for scripts
    MARKDOWN = "markdown"  # for a pipeline's summary of a job


_UNPAIRED = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # no byte is kept as one of these

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)


def read_utf8(given: str, errors: str = "strict") -> str:
    """The text with its kept bytes read as UTF-8.

    Raises UnicodeError for bytes that are not; with `errors` "replace" they become U+FFFD.
    """
    if given.isascii():
        return given
    if errors == "replace":
        given = _UNPAIRED.sub("\ufffd", given)
    return given.encode("utf-8", "surrogateescape").decode("utf-8", errors)


def read_duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """`90s`, `30m`, `2h`, `1h30m` in seconds: an option's callback.

    Raises click.BadParameter for anything else, and for no time at all.
    """
    if value is None:
        return None
    match = _DURATION.fullmatch(value)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not total:
        raise click.BadParameter(f"{value!r} is not a duration, such as 90s, 30m or 2h")
    return float(total)


class WholeNumber(click.IntRange):
    """A whole number within bounds, which are said where it is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it. Fails for what is no such number."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            within = (
                f"of {self.min} or more" if self.max is None else f"from {self.min} to {self.max}"
            )
            self.fail(f"{value!r} is not a whole number {within}", param, ctx)


class Seconds(click.FloatRange):
    """How many seconds, and parts of them; not less than none."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it. Fails for what is no number, and for less than 0."""
        try:
            return float(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{value!r} is not a number of seconds, 0 or more", param, ctx)


class _Text(StringParamType):
    """Text that a ledger takes and a message can show: UTF-8."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it. Fails for bytes that are not UTF-8."""
        text: str = super().convert(value, param, ctx)
        try:
            return read_utf8(text)
        except UnicodeError:
            self.fail("the text is not UTF-8", param, ctx)


class _Completed(_Text):
    """Text that a shell can complete."""

    def __init__(self, completes: str) -> None:
        """`completes`: the function of `completing` that knows what it may be."""
        self._completes = completes

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """What there is that begins so."""
        del param
        from reconciler.cli import completing

        found: list[CompletionItem] = getattr(completing, self._completes)(ctx, incomplete)
        return found


class _Word(_Completed):
    """A word that means runs. An empty one would be the beginning of every run's name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it. Fails for what is empty, as where a variable of a script is not set."""
        text = super().convert(value, param, ctx)
        if not text.strip():
            self.fail("it is empty: name a run, or leave it out", param, ctx)
        return text


TEXT = _Text()
RUN_WORD = _Word("run_words")
ENVIRONMENT = _Completed("environments")
CODE = _Completed("codes")

_Function = TypeVar("_Function", bound=Callable[..., Any])


class CommonOptions(Struct, frozen=True, kw_only=True):
    """What the common options said."""

    repo: Path | None = None  # None: found upwards from the working directory
    env: str | None = None  # None: the only one, or all
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    log_format: str = "text"  # `wants_json_log` has read it before

    @property
    def color(self) -> bool | None:
        """Whether to colour; None leaves it to the terminal."""
        return False if self.no_color else None


def wants_json_log(arguments: Sequence[str]) -> bool:
    """Whether stderr is to be JSON: read before anything else, which may be what goes wrong."""
    wanted = "text"
    for word, following in pairwise([*arguments, ""]):
        if word == "--":
            break
        if word == _LOG_FORMAT:
            wanted = following
        elif word.startswith(f"{_LOG_FORMAT}="):
            wanted = word.partition("=")[2]
    return wanted == "json"


_LOG_FORMAT = "--log-format"


def common_options(function: _Function) -> _Function:
    """Add the common options, with `--env` for a command that works on one environment."""
    return common_options_with(_ENVIRONMENT.format("the only one"))(function)


def common_options_with(env: str) -> Callable[[_Function], _Function]:
    """Add the common options; `env`: what `--env` means to the command, for its help.

    `current_options` gives what they said.
    """

    def add(function: _Function) -> _Function:
        for option in reversed([_REPO, _environment(env), *_OTHERS]):
            function = option(function)
        return function

    return add


def _environment(words: str) -> Callable[[_Function], _Function]:
    return click.option(
        "--env",
        type=ENVIRONMENT,
        metavar="NAME",
        help=words,
        expose_value=False,
        callback=_keep,
    )


_ENVIRONMENT = "The environment.  [default: {}]"
ENV_ALL = _ENVIRONMENT.format("all")  # of a command that can work on each of them
ENV_OF_COMMANDS = _ENVIRONMENT.format("as each command says")
ENV_UNUSED = "The environment, which this command does not ask for."


def current_options() -> CommonOptions:
    """Give the common options of the running command, wherever on its line they stood."""
    options = click.get_current_context().find_object(CommonOptions)
    return options or CommonOptions()


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False or parameter.name is None:
        return
    before = context.find_object(CommonOptions) or CommonOptions()
    context.obj = replace(before, **{parameter.name: value})


_REPO = click.option(
    "--repo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the repository.  [default: found upwards from here]",
    expose_value=False,
    callback=_keep,
)
_OTHERS = [
    click.option(
        "-q", "--quiet", is_flag=True, help="Only results.", expose_value=False, callback=_keep
    ),
    click.option(
        "-v", "--verbose", is_flag=True, help="Say more.", expose_value=False, callback=_keep
    ),
    click.option(
        "--no-color", is_flag=True, help="No colours.", expose_value=False, callback=_keep
    ),
    click.option(
        _LOG_FORMAT,
        type=click.Choice(["text", "json"]),
        help="What stderr is made of; json: an object a line.  [default: text]",
        expose_value=False,
        callback=_keep,
    ),
]
