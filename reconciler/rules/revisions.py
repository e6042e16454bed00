"""A run's revisions against what was started of them: edited under one, or gone back to an earlier.

The rules refuse both, and a change shows what they refuse.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from reconciler.ledger import Ledger
from reconciler.model import Run, RunId, run_id, run_name, run_revision


def is_edited(run: Run, ledger: Ledger) -> bool:
    """Whether the run was started as something else than it is declared to be."""
    record = ledger.records.get(run.id)
    return record is not None and record.may_have_started and record.digest != run.digest


def lowered(runs: Iterable[Run], ledger: Ledger) -> Iterator[tuple[Run, RunId]]:
    """Each run that was not started though a later revision was, and the first such revision.

    Nobody means to go back to an earlier revision. One that was started as well is left in peace:
    it cannot start again.
    """
    unstarted = [run for run in runs if not ledger.may_have_started(run.id)]
    started: dict[str, set[int]] = defaultdict(set)  # revisions, by the names of those runs
    names = {run.name for run in unstarted}
    for record in ledger.records.values() if names else ():
        name = run_name(record.run)
        if name in names and record.may_have_started:
            started[name].add(run_revision(record.run))
    for run in unstarted:
        later = [revision for revision in started.get(run.name, ()) if revision > run.revision]
        if later:
            yield run, run_id(run.name, min(later))
