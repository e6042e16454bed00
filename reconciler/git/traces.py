"""Where a remote keeps what it remembers of ledgers, and where that lands in a clone.

Some servers take no refs beside branches and tags: there a trace is on a branch of its own. Both
are fetched below one name, so that whoever lists that sees all that the remote keeps.
"""

THERE = "refs/reconciler/ledger"
BRANCHES = "refs/heads/reconciler-trace"
FETCHED = "refs/reconciler-memory/kept"
BRANCH_MARK = "+"  # sets traces on branches apart: no trace has this name, for they are URL-quoted


def refspecs(remote: str) -> tuple[str, str]:
    """What to fetch to know all that the remote keeps; it may keep nothing."""
    return (
        f"+{THERE}/*:{FETCHED}/{remote}/*",
        f"+{BRANCHES}/*:{FETCHED}/{remote}/{BRANCH_MARK}/*",
    )
