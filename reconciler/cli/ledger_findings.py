"""What `validate` says of ledgers that were edited since a revision, or that cannot be read."""

from collections.abc import Iterator, Sequence

from reconciler.cli.differing import find_edits_since, with_restore_command
from reconciler.cli.forge_paths import path_from_top
from reconciler.cli.reading import LinkedLedgerError, Workspace
from reconciler.cli.refusing import UNREADABLE, ledger_problem
from reconciler.configuration import Environment
from reconciler.errors import LedgerError
from reconciler.ledger.guarding import CODE as EDITED
from reconciler.model import Problem


def find_edits(workspace: Workspace, base: str, *, quiet: bool) -> list[Problem]:
    """The problems of ledgers that are no continuation of those of the revision `base`."""
    try:
        return find_edits_since(workspace, base, quiet=quiet)
    except LedgerError as error:  # of the base, or of the checkout, which is read again afterwards
        state = workspace.environments[0].state
        return [ledger_problem(error, state, path_from_top(workspace.root), error.hint)]


def leave_out_ledgers(problems: Sequence[Problem], edited: Sequence[Problem]) -> Iterator[Problem]:
    """The problems without those of ledgers in the folders of the `edited` ones, which say more."""
    folders = {_folder(one) for one in edited}
    for one in problems:
        if one.code not in {EDITED, UNREADABLE} or _folder(one) not in folders:
            yield one


def unreadable_ledger_problem(
    workspace: Workspace, environment: Environment, error: LedgerError | LinkedLedgerError
) -> Problem:
    """The problem of the environment's ledger that cannot be read."""
    if isinstance(error, LinkedLedgerError):
        return error.problem
    hint = with_restore_command(workspace, error).hint
    return ledger_problem(error, environment.state, path_from_top(workspace.root), hint)


def _folder(problem: Problem) -> str:
    return problem.place.file.rpartition("/")[0]
