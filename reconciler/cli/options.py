"""The options that every command takes, before its name or after it, and how their text is read.

The operating system and git hand text over as bytes. Python turns a byte that it cannot decode into
half of a surrogate pair (PEP 383). No ledger and no other program accepts such text, and in the C
locale Python reads every byte of a non-ASCII letter that way.
"""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import pairwise
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.types import StringParamType

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Format(StrEnum):
    """How `plan`, `status` and `apply` report."""

    TEXT = "text"  # for people
    JSON = "json"  # for scripts
    MARKDOWN = "markdown"  # for a pull request's comment, or a pipeline's summary of a job


class ShortFormat(StrEnum):
    """How the commands report that no pull request or job shows: `doctor`, `resolve`, `import`."""

    TEXT = "text"  # for people
    JSON = "json"  # for scripts


class ProblemFormat(StrEnum):
    """How `validate` reports."""

    TEXT = "text"  # for people
    JSON = "json"  # for scripts
    GITHUB = "github"  # annotations of a pull request
    GITLAB = "gitlab"  # GitLab's Code Quality
    JUNIT = "junit"  # a test report
    SARIF = "sarif"  # GitHub's code scanning


_UNPAIRED = "[\ud800-\udc7f\udd00-\udfff]"  # surrogates that stand for no byte

_DURATION = r"(?a)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?"


def read_utf8(given: str, errors: str = "strict") -> str:
    """The text, with the bytes that Python could not decode read as UTF-8.

    Raises UnicodeError for bytes that are not UTF-8; with `errors` "replace" they become U+FFFD.
    """
    if given.isascii():
        return given
    if errors == "replace":
        given = re.sub(_UNPAIRED, "\ufffd", given)
    return given.encode("utf-8", "surrogateescape").decode("utf-8", errors)


def read_duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """An option's callback that reads `90s`, `30m`, `2h` or `1h30m` as seconds.

    Raises click.BadParameter for anything else, and for a duration of 0.
    """
    if value is None:
        return None
    match = re.fullmatch(_DURATION, value)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not total:
        raise click.BadParameter(f"{value!r} is not a duration, such as 90s, 30m or 2h")
    return float(total)


class WholeNumber(click.IntRange):
    """A whole number within bounds, which the message for any other value names."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number. Fails for anything else."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            within = (
                f"of {self.min} or more" if self.max is None else f"from {self.min} to {self.max}"
            )
            self.fail(f"{value!r} is not a whole number {within}", param, ctx)


class Seconds(click.FloatRange):
    """A number of seconds, 0 or more, with decimals."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the number. Fails for anything else, and for less than 0."""
        try:
            seconds = float(super().convert(value, param, ctx))
        except click.BadParameter:
            seconds = nan
        if not isfinite(seconds):  # click takes nan, inf and 1e999 for numbers as well
            self.fail(f"{value!r} is not a number of seconds, 0 or more", param, ctx)
        return seconds


class _Text(StringParamType):
    """Text that a ledger accepts and a message can show: UTF-8."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the text. Fails for bytes that are not UTF-8."""
        text: str = super().convert(value, param, ctx)
        try:
            return read_utf8(text)
        except UnicodeError:
            self.fail("the text is not UTF-8", param, ctx)


class _Completed(_Text):
    """Text that a shell can complete."""

    def __init__(self, completes: str) -> None:
        """`completes`: the name of the function in `completing` that offers values."""
        self._completes = completes

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """The values that begin with the incomplete text."""
        del param
        from reconciler.cli import completing

        found: list[CompletionItem] = getattr(completing, self._completes)(ctx, incomplete)
        return found


class _Word(_Completed):
    """A word that means runs. An empty one is refused: every run's name begins with it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the word. Fails if it is empty, as where a script's variable is not set."""
        text = super().convert(value, param, ctx)
        if not text.strip():
            self.fail("it is empty: name a run, or leave it out", param, ctx)
        return text


TEXT = _Text()
RUN_WORD = _Word("run_words")
ENVIRONMENT = _Completed("environments")
CODE = _Completed("codes")

_Function = TypeVar("_Function", bound=Callable[..., Any])


class CommonOptions(NamedTuple):
    """What the common options said. It is no struct, so that `--help` needs no msgspec."""

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
    """Whether stderr must be JSON; read before all other options, since reading those may fail."""
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
    """Add the common options to a command that works on one environment."""
    return common_options_with(_ENVIRONMENT.format("the only one"))(function)


def common_options_with(env: str) -> Callable[[_Function], _Function]:
    """Add the common options; `env`: the help text of `--env` for the command.

    `current_options` gives the values.
    """

    def add(function: _Function) -> _Function:
        for option in reversed([_REPO, _environment_option(env), *_OTHERS]):
            function = option(function)
        return function

    return add


def _environment_option(words: str) -> Callable[[_Function], _Function]:
    return click.option(
        "--env",
        type=ENVIRONMENT,
        metavar="NAME",
        help=words,
        expose_value=False,
        callback=_keep,
    )


_ENVIRONMENT = "The environment.  [default: {}]"
ENV_ALL = _ENVIRONMENT.format("all")  # for a command that can work on all of them
ENV_OF_COMMANDS = _ENVIRONMENT.format("as each command says")
ENV_UNUSED = "The environment, which this command does not ask for."


def current_options() -> CommonOptions:
    """The common options of the running command, given before or after its name."""
    options = click.get_current_context().find_object(CommonOptions)
    return options or CommonOptions()


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False or parameter.name is None:
        return
    before = context.find_object(CommonOptions) or CommonOptions()
    context.obj = before._replace(**{parameter.name: value})


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
