"""`reconciler init`."""

import click

from reconciler.cli.options import TEXT, common_options_with, current_options
from reconciler.errors import ExitCode


@click.command("init")
@click.option("--url", type=TEXT, metavar="URL", help="The gateway's address.")
@click.option("--org-id", type=TEXT, metavar="ID", help="The organisation's id in EnOS.")
@click.option("--user-id", type=TEXT, metavar="ID", help="The EnOS user who starts the runs.")
@click.option(
    "--timezone", type=TEXT, metavar="ZONE", help="The EnOS server's: GMT+8, or an IANA name."
)
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    help="For which forge to write a pipeline.  [default: by the remote's address]",
)
@click.option("--branch", type=TEXT, metavar="NAME", help="The shared branch.  [default: as found]")
@click.option(
    "--ledger-branch",
    type=TEXT,
    metavar="NAME",
    help="Keep the ledger on a branch of its own, so that the shared one may be protected; `none`: "
    "on the shared one.  [default: reconciler-ledger]",
)
@click.option("--owner", type=TEXT, metavar="TEAM", help="Who must review, for CODEOWNERS.")
@click.option(
    "--source",
    type=TEXT,
    metavar="URL[@COMMIT]",
    help="The git repository that pipelines install the reconciler from.  [default: where this one "
    "came from]",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; say what has become outdated. Exit code 1 if any."
)
@common_options_with("What to call the environment.  [default: prod]")
def init_command(*, check: bool, **given: str | None) -> ExitCode:
    """Write a starting repository.

    Configuration, two examples that are suspended, schemas for editors, a pipeline, CODEOWNERS and
    a pre-commit hook. On a terminal it asks for what no option says. A file that is there already
    is left as it is. Where reconciler.yaml is there, the rest is made from it. Without --env the
    environment is called prod.
    """
    from reconciler.cli.answering import InitOptions
    from reconciler.cli.starting import write_repository

    options = current_options()
    answers = InitOptions(environment=options.env, **given)
    if check:
        from reconciler.cli.starting import check_outdated as check_freshness

        return check_freshness(options, answers)
    write_repository(options, answers)
    return ExitCode.OK
