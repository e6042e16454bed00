"""The one way out for messages: whatever stands in them, a terminal only shows it."""

import click

from reconciler.render.safe import said


def say(text: str, *, err: bool = True) -> None:
    """Print a message, made safe: to stderr, or to stdout where it is the result."""
    click.echo(said(text), err=err)
