"""What a manifest may refer to: runs, backfills, and what begins a run's name up to a slash."""

from collections.abc import Iterable

from reconciler.ledger import Ledger
from reconciler.model import Run, run_name, with_parents


def known_names(runs: Iterable[Run], ledger: Ledger) -> frozenset[str]:
    """Every name that a reference can have, because a declared or recorded run goes by it."""
    names = {run.name for run in runs} | {run_name(recorded) for recorded in ledger.records}
    return frozenset(one for name in names for one in with_parents(name))
