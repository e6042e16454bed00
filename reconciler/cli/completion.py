"""`reconciler completion`."""

import click

from reconciler.errors import ExitCode

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> ExitCode:
    """Print a script that has a shell complete commands, options and names.

    It completes names of runs and environments, states and codes as well, from what lies in the
    working tree. Load it where the shell starts:

    \b
    bash: echo 'source <(reconciler completion bash)' >> ~/.bashrc
    zsh:  echo 'source <(reconciler completion zsh)' >> ~/.zshrc
    fish: reconciler completion fish > ~/.config/fish/completions/reconciler.fish

    In zsh it must come after compinit.
    """  # noqa: D301 - the escape is click's mark of lines that stay as they are
    from reconciler.cli.completing import script
    from reconciler.cli.saying import show

    show(f"{script(shell).strip()}\n")
    return ExitCode.OK
