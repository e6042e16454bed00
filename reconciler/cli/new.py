"""`reconciler new trigger` and `reconciler new backfill`."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.cli.options import TEXT, WholeNumber, common_options, current_options
from reconciler.errors import ExitCode

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _pairs(
    _: click.Context, __: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """An option's callback that splits each `KEY=VALUE`. Raises BadParameter."""
    pairs = []
    for one in given:
        key, is_pair, value = one.partition("=")
        if not (key and is_pair):
            raise click.BadParameter(f"{one!r} is not KEY=VALUE")
        pairs.append((key, value))
    return tuple(pairs)


def _parameters(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """The same, with each key at most once."""
    pairs = _pairs(context, parameter, given)
    for key, number in Counter(key for key, _ in pairs).items():
        if number > 1:
            raise click.BadParameter(f"{key!r} is given {number} times")
    return pairs


_FIRST = [
    click.option("--name", type=TEXT, metavar="NAME", help="What it is called, for ever."),
    click.option(
        "--flow-id", type=WholeNumber(min=1), metavar="ID", help="The workflow's id in EnOS."
    ),
]
_LAST = [
    click.option(
        "--at", type=TEXT, metavar="HH:MM", help="With business dates: the time on the day after."
    ),
    click.option(
        "--parameter",
        "parameters",
        type=TEXT,
        multiple=True,
        callback=_parameters,
        metavar="KEY=VALUE",
        help="What the flow is given, as this very text. May be given more than once.",
    ),
    click.option("--description", type=TEXT, metavar="TEXT", help="A note for people."),
    click.option("--suspend", is_flag=True, help="Declare it, and do not start it yet."),
    click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The file.  [default: NAME.yaml in the environment's folder of manifests]",
    ),
    click.option("--offline", is_flag=True, help="Do not ask the service about the flow."),
]


def _options(
    options: Sequence[Callable[[_Function], _Function]],
) -> Callable[[_Function], _Function]:
    """Add the options, in their order."""

    def add(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@click.group("new")
def new_commands() -> None:
    """Write a new manifest.

    It is checked, together with all others, before it is there. On a terminal it asks for what no
    option says. With the gateway's keys at hand it says what the flow is called, and which
    parameters it declares.
    """


@new_commands.command("trigger")
@_options(_FIRST)
@click.option("--business-date", type=TEXT, metavar="DATE", help="The day to process: 2024-03-01.")
@click.option(
    "--trigger-time",
    type=TEXT,
    metavar="TIME",
    help="In its place: RFC 3339 with an offset, or Unix epoch in milliseconds.",
)
@_options(_LAST)
@common_options
def trigger(*, business_date: str | None, trigger_time: str | None, **given: Any) -> ExitCode:
    """Declare one run."""
    from reconciler.cli.composing import NewOptions, declare

    if business_date is not None and trigger_time is not None:
        raise click.UsageError("Say --business-date or --trigger-time, not both.")
    declare(
        current_options(),
        NewOptions(kind="trigger", business_date=business_date, trigger_time=trigger_time, **given),
    )
    return ExitCode.OK


@new_commands.command("backfill")
@_options(_FIRST)
@click.option(
    "--from",
    "first",
    type=TEXT,
    metavar="TIME",
    help="The first business date, or trigger time (RFC 3339).",
)
@click.option("--to", "last", type=TEXT, metavar="TIME", help="The last one, included.")
@click.option("--every", type=TEXT, metavar="STEP", help="1d, 6h, 1w, 1mo.  [default: 1d]")
@click.option("--cron", type=TEXT, metavar="EXPRESSION", help="In place of --every.")
@click.option(
    "--matrix",
    type=TEXT,
    multiple=True,
    callback=_pairs,
    metavar="KEY=V1,V2,…",
    help="A run for each value, and each combination. May be given more than once.",
)
@click.option("--stagger", type=TEXT, metavar="STEP", help="Move the runs of one time apart: 1m.")
@click.option("--sequential", is_flag=True, help="Each date after the success of the one before.")
@click.option(
    "--max-active", type=WholeNumber(min=1), metavar="N", help="No more than so many at a time."
)
@_options(_LAST)
@common_options
def backfill(*, every: str | None, cron: str | None, **given: Any) -> ExitCode:
    """Declare many runs: one for each date, and each combination of a matrix."""
    from reconciler.cli.composing import NewOptions, declare

    if every is not None and cron is not None:
        raise click.UsageError("Say --every or --cron, not both.")
    declare(current_options(), NewOptions(kind="backfill", every=every, cron=cron, **given))
    return ExitCode.OK
