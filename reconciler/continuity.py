"""Whether a ledger still holds everything that it is known to have held.

A rewritten branch, a revert, a merge that took the wrong side, a configuration that names another
folder or another branch: each would make started runs look new, and have them started again.
"""

from urllib.parse import quote

from reconciler.apply.messages import TRAILER
from reconciler.committed import CommittedLedger
from reconciler.configuration import Environment
from reconciler.errors import LedgerError
from reconciler.git import CommitId, Git


def check_continuity(
    git: Git,
    remote: str,
    environment: Environment,
    files: CommittedLedger,
    *,
    commit: CommitId,
    parent: CommitId | None,
) -> None:
    """Compare the ledger with every trace of an earlier one.

    `commit` is the tip of the manifests' branch, `parent` that of the ledger's (None: it is not
    there yet). Raises LedgerError if the ledger does not continue one of them.
    """
    name = memory_name(git, environment.name)
    traces = {
        "this clone has read before": git.remembered(name),
        f"{remote} keeps for new clones": git.kept(remote, name),
    }
    if parent is not None:
        traces["was last recorded"] = git.last_written(parent, files.folder, TRAILER)
    if parent != commit:
        traces["lies beside the manifests"] = git.folder(commit, files.folder)
    for trace, tree in traces.items():
        if tree is None:
            continue
        before = CommittedLedger.read(git, "", git.list_tree(tree))
        if not files.continues(before):
            raise lost(files, trace)


def memory_name(git: Git, environment: str) -> str:
    """Name the environment's traces: a part of a ref, of its own for each folder of a monorepo."""
    return quote(git.prefix + environment, safe="").replace(".", "%2E")


def lost(files: CommittedLedger, trace: str) -> LedgerError:
    """The error for a ledger that does not continue the one of that trace."""
    return LedgerError(
        f"{files.folder}: the ledger has lost events: it does not continue the one that {trace}",
        hint="The branch was rewritten, a revert, an edit or a merge took lines away, or `state` "
        "or `git.ledgerBranch` was changed without moving the ledger along. Put it back; nothing "
        "is started until then (docs/operating.md, a lost ledger).",
    )
