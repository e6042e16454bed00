"""What a manifest may refer to: runs, backfills, and what begins a run's name up to a slash."""

from collections.abc import Iterable, Iterator

from reconciler.ledger import Ledger
from reconciler.model import Run, run_name


def known_names(runs: Iterable[Run], ledger: Ledger) -> frozenset[str]:
    """Every name that a reference can have, because a declared or recorded run goes by it."""
    names = {run.name for run in runs} | {run_name(recorded) for recorded in ledger.records}
    return frozenset(one for name in names for one in with_parents(name))


def with_parents(name: str) -> Iterator[str]:
    """Every reference that means the run of that name: itself, and what it is one of."""
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
