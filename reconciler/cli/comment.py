"""`reconciler comment` and `reconciler issue`: what a pipeline tells people on its forge."""

from pathlib import Path

import click

from reconciler.cli.options import ENV_ALL, ENV_UNUSED, common_options_with, current_options
from reconciler.errors import ExitCode


@click.command("comment")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common_options_with(ENV_UNUSED)
def comment_command(*, file: Path) -> ExitCode:
    """Put what FILE holds on this job's pull request, as one comment.

    FILE is what `plan --format markdown` wrote. The comment that an earlier job wrote is written
    over; one of somebody else's never. Needs GITHUB_TOKEN, on GitLab GITLAB_TOKEN. A token that may
    not write, as a fork's, and a job of no pull request are said and fail nothing.
    """
    from reconciler.cli.telling import tell_plan

    return tell_plan(file, quiet=current_options().quiet)


@click.command("issue")
@click.option("--apply-failed", is_flag=True, help="The apply before has ended with an error.")
@common_options_with(ENV_ALL)
def issue_command(*, apply_failed: bool) -> ExitCode:
    """Keep one issue open on the forge while something needs a person.

    That is, while runs are in doubt, were started twice, failed or do not go on by themselves.
    Each environment has its own issue. When all is well again, it is closed. Needs GITHUB_TOKEN, on
    GitLab GITLAB_TOKEN.
    """
    from reconciler.cli.telling import tell_attention

    return tell_attention(current_options(), apply_failed=apply_failed)
