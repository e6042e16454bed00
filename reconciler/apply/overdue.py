"""Starts that left after their claim had ended: the process was frozen at the last moment.

Another apply may have looked for the run in vain by then, and may have started it. Once the outcome
is recorded, the ledger tells of it too; an apply that ends before that must have said so.
"""

from reconciler.apply.doubt import Doubt
from reconciler.apply.ports import Noted, Progress
from reconciler.apply.start import Batch
from reconciler.ledger import Ledger, Record, events
from reconciler.ledger.records import UNSETTLED
from reconciler.model import Nonce, Run, RunId
from reconciler.plan import Action
from reconciler.plan.values import FullPlanned
from reconciler.times import format_instant


class Overdue:
    """The overdue starts of one apply, until it is known what became of their claims."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._runs: dict[tuple[RunId, Nonce | None], Run] = {}

    def note(self, batch: Batch) -> None:
        """Note the starts of the batch that may have been made.

        A person is told at once: this apply may end with an error.
        """
        found = [
            run
            for run in batch.runs
            if run.id in batch.overdue and isinstance(batch.outcomes.get(run.id), events.Unknown)
        ]
        for run in found:
            self._runs[run.id, batch.claim] = run
            self._progress(Noted(message=f"{run.id}: {_reason(run)}"))

    def doubts(self, ledger: Ledger) -> list[Doubt]:
        """Those of which nobody else would tell, as the ledger is now: another claim is open."""
        records = ledger.records
        return [
            _doubt(run, records.get(name))
            for (name, claim), run in self._runs.items()
            if not _is_told(records.get(name), claim)
        ]


def _is_told(record: Record | None, claim: Nonce | None) -> bool:
    if record is None:
        return False
    if all(one.claim != claim for one in record.overdue):
        return True  # it is known what became of it
    is_in_doubt = record.phase in UNSETTLED and record.claim == claim
    return is_in_doubt or record.started_twice or record.acknowledged


def _reason(run: Run) -> str:
    return (
        "its start left after its claim had ended: it may have been started twice; "
        f"look at flow {run.flow_id}, trigger time {format_instant(run.trigger_time)}"
    )


def _doubt(run: Run, record: Record | None) -> Doubt:
    reason = _reason(run)
    planned = FullPlanned(
        id=run.id,
        action=Action.RESOLVE,
        reason=reason,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        parameters=run.parameters,
        digest=run.digest,
        place=run.place,
        run=run,
        record=record,
    )
    return Doubt(planned=planned, reason=reason, decided_at=None)
