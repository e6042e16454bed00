"""What `report` does, between its options and the page."""

from collections.abc import Mapping
from pathlib import Path

from reconciler.cli.clock import LocalClock
from reconciler.cli.fetching import KnownLedger, read_ledgers
from reconciler.cli.options import CommonOptions
from reconciler.cli.planning import plan_of
from reconciler.cli.reading import Workspace
from reconciler.cli.rows import status_rows, with_gateway
from reconciler.cli.saying import say, say_left_out
from reconciler.configuration import Environment
from reconciler.counting import format_count
from reconciler.errors import ExitCode, GitError
from reconciler.git.origins import Origin
from reconciler.model import EpochMs
from reconciler.render.page import Reported, report_page
from reconciler.render.status_row import urgent_exit_code
from reconciler.repository.pages import check_apart, check_page_folder, write_page


def publish(options: CommonOptions, folder: Path, *, offline: bool) -> ExitCode:
    """Write the page of the environments asked for. IN_DOUBT if a run was started twice, else OK.

    Raises ConfigurationError, GitError, LedgerError, and ReconcilerError where the folder holds
    something else, or cannot be written.
    """
    check_page_folder(folder)
    workspace = Workspace.find(options)
    for one in workspace.configuration.environments.values():
        root = workspace.root
        check_apart(folder, {"manifests": root / one.manifests, "a ledger": root / one.state})
    ledgers = read_ledgers(workspace, offline=offline)
    now = LocalClock().wall()
    told = [
        _report_environment(
            workspace, environment, ledgers[environment.name], now, quiet=options.quiet
        )
        for environment in workspace.environments
    ]
    say_left_out(workspace.left_out, quiet=options.quiet)
    page = write_page(folder, report_page(told, now).encode())
    if not options.quiet:
        say(f"{page}: {format_count(sum(len(one.rows) for one in told), 'run')}", err=False)
    return urgent_exit_code(row for one in told for row in one.rows)


def _report_environment(
    workspace: Workspace,
    environment: Environment,
    known: KnownLedger,
    now: EpochMs,
    *,
    quiet: bool,
) -> Reported:
    if known.note and not quiet:
        say(f"{environment.name}: {known.note}")
    plan = plan_of(workspace.read_declared(environment), known, environment)
    most = environment.limits.max_runs_per_apply
    template = environment.gateway.instance_url
    gateway = environment.gateway
    rows = [with_gateway(row, gateway) for row in status_rows(plan, known.ledger, now, most=most)]
    return Reported(
        environment=environment.name,
        zone=environment.gateway.zone,
        rows=rows,
        problems=plan.problems,
        origins=_find_origins(workspace, environment, quiet=quiet),
        commit=known.commit,
        instance_template=template,
    )


def _find_origins(
    workspace: Workspace, environment: Environment, *, quiet: bool
) -> Mapping[str, Origin]:
    """By path, as problems write it, the commit that brought each manifest of the checkout.

    Empty where git cannot tell, as in a clone that lacks old trees and is offline.
    """
    git = workspace.git()
    if git is None:
        return {}
    try:
        head = git.read_worktree_commit()
        folder = git.prefix + environment.manifests
        found = {} if head is None else git.origins(head, folder)
    except GitError as error:
        if not quiet:
            say(f"{environment.name}: what brought each manifest is not shown: {error}")
        return {}
    return {path.removeprefix(git.prefix): origin for path, origin in found.items()}
