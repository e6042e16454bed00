"""Where a remote keeps what it remembers of ledgers, and where that lands in a clone.

Some servers take no refs beside branches and tags: there a trace is on a branch of its own. Both
are fetched below one name, so that whoever lists that sees all that the remote keeps.
"""

THERE = "refs/reconciler/ledger"
BRANCHES = "refs/heads/reconciler-trace"
MEMORY = "refs/reconciler-memory"  # in a clone
FETCHED = f"{MEMORY}/kept"
BRANCH_MARK = "+"  # sets traces on branches apart: no trace has this name, for they are URL-quoted


def refspecs(remote: str) -> tuple[str, str]:
    """What to fetch to know all that the remote keeps; it may keep nothing."""
    return (
        f"+{THERE}/*:{FETCHED}/{remote}/*",
        f"+{BRANCHES}/*:{FETCHED}/{remote}/{BRANCH_MARK}/*",
    )


def ref_there(remote: str, key: str) -> str | None:
    """The remote's ref of a trace, by what it is called below MEMORY; None for a clone's own."""
    name = key.removeprefix(f"kept/{remote}/")
    if name == key:
        return None
    on_branch = name.removeprefix(f"{BRANCH_MARK}/")
    return f"{THERE}/{name}" if on_branch == name else f"{BRANCHES}/{on_branch}"
