"""Durations on the command line."""

import re

import click

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)


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
