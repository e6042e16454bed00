"""`comment`, `issue` and `notify`: tell people on their forge, or by webhooks."""

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


@click.group("notify")
@common_options_with(ENV_ALL)
def notify_commands() -> None:
    """Try the webhooks that are told what an apply has done (`notify` in reconciler.yaml)."""


@notify_commands.command("test")
@common_options_with(ENV_ALL)
def test_command() -> ExitCode:
    """Send a test message to each webhook, and say what came of each.

    Reads reconciler.yaml in this checkout, so a change can be tried before it is merged. The exit
    code is 1 if one of them was not told.
    """
    from reconciler.cli.notifying import tell_test
    from reconciler.cli.saying import say
    from reconciler.repository.settings import choose_environments, find_root, read_configuration

    options = current_options()
    failed = False
    configuration = read_configuration(find_root(options.repo))
    for environment in choose_environments(configuration, options.env):
        outcomes = tell_test(environment)
        if not outcomes:
            say(f"{environment.name}: nobody is told: reconciler.yaml has no notify", err=False)
        for label, failure in outcomes:
            failed = failed or failure is not None
            outcome = "told" if failure is None else f"not told: {failure}"
            say(f"{environment.name}: {label}: {outcome}", err=False)
    return ExitCode.PROBLEM if failed else ExitCode.OK
