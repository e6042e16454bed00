"""Where a remote keeps what it remembers of ledgers, and where that lands in a clone.

Some servers take no refs beside branches and tags: there a trace is on a branch of its own. Both
are fetched below one name, so that whoever lists that sees all that the remote keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

THERE = "refs/reconciler/ledger"
BRANCHES = "refs/heads/reconciler-trace"
MEMORY = "refs/reconciler-memory"  # in a clone
FETCHED = f"{MEMORY}/kept"
BRANCH_MARK = "+"  # sets traces on branches apart: no trace has this name, for they are URL-quoted


# What to ask a remote for to see them all, as `git ls-remote` takes it.
EACH = (f"{THERE}/*", f"{BRANCHES}/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """The traces of all ledgers but one, as the remote kept them when they were last fetched."""

    own: str  # the name of that one's
    kept: Mapping[str, str]  # their objects, by their refs on the remote

    @classmethod
    def than(cls, own: str, kept: Mapping[str, str]) -> Self:
        """The traces that have another name."""
        return cls(own=own, kept={ref: oid for ref, oid in kept.items() if _name_of(ref) != own})

    def moved(self, tips: Mapping[str, str]) -> bool:
        """Whether the remote, which shows these refs now, keeps more of them, or another one."""
        return any(
            self.kept.get(ref) != tip
            for ref, tip in tips.items()
            # ls-remote shows beside a tag what it stands for.
            if _name_of(ref) not in {None, self.own} and not ref.endswith("^{}")
        )


def _name_of(ref: str) -> str | None:
    """The name of the trace that the ref holds; None for any other ref."""
    folder, _, name = ref.rpartition("/")
    return name if folder in {THERE, BRANCHES} else None


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
