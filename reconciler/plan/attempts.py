"""A run's attempts: which is the newest, and whether another one follows."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.ledger import Record, RunState
from reconciler.model import Run, RunId, run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest attempt at a run that may have been started, or else the first attempt."""

    attempt: int  # 1 also where there is none
    record: Record | None

    @property
    def state(self) -> RunState | None:
        """Its state, as far as time does not matter to it; None where nothing is recorded."""
        return None if self.record is None else self.record.state(self.record.until)

    @property
    def may_have_started(self) -> bool:
        """Whether an instance of the run exists or could exist."""
        return self.record is not None and self.record.may_have_started


def newest_attempt(run: Run, records: Mapping[RunId, Record]) -> Newest:
    """Find it: attempts are numbered without gaps.

    A further attempt that was certainly not started does not count: it is made again only if it is
    still wanted, for the one before may have been run again in the service, or `retry` been taken
    away.
    """
    attempt, record = 1, records.get(run.id)
    while following := records.get(run_id(run.name, run.revision, attempt + 1)):
        if not following.may_have_started:
            break
        attempt, record = attempt + 1, following
    return Newest(attempt=attempt, record=record)


def another_follows(run: Run, newest: Newest) -> bool:
    """Whether the run's newest attempt ended so that the manifest wants another one."""
    if run.retry is None or run.cancel or newest.record is None:
        return False
    ended_badly = newest.state is RunState.FAILED and newest.record.status in run.retry.on
    return ended_badly and newest.attempt <= run.retry.max
