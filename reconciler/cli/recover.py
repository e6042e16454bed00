"""`reconciler recover`."""

from pathlib import Path

import click

from reconciler.cli.options import common_options, current_options
from reconciler.errors import ExitCode


@click.command("recover")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common_options
def command(file: Path) -> ExitCode:
    """Feed back outcomes that an apply could not push.

    FILE is what the apply named. What the ledger holds already is left out, so it may be repeated.
    """
    from reconciler.cli.saying import say
    from reconciler.cli.settling import recover_file

    words, code = recover_file(current_options(), file)
    say(words, err=False, lines=True)
    return code
