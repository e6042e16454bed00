"""What an apply has yet to record, once it has read the branch again.

Others may have recorded the same meanwhile, or more. And what was concluded from what the service
lists may be wrong by a claim of theirs: that is dropped, and looked for again.
"""

from collections.abc import Iterable, Sequence
from typing import TypeGuard

from reconciler.apply.known import Minute, minute_of
from reconciler.apply.suspect import id_window
from reconciler.enos.statuses import SUCCEEDED, status_name
from reconciler.ledger import Event, Ledger, events
from reconciler.ledger.records import UNSETTLED
from reconciler.model import RunId


def select_pending(pending: Sequence[Event], before: Ledger, now: Ledger) -> list[Event]:
    """Those of the pending events that must be recorded, after the ledger has gone on.

    `before`, `now`: the branch's ledger when they were concluded, and as it is read by now.
    """
    claimed = _runs_claimed_since(before, now)
    shared = {minute_of(one.flow_id, one.trigger_time) for one in claimed}
    return [
        event
        for event in list_additions(pending, now)
        if not (isinstance(event, events.Observed) and _minute(event.run, now) in shared)
        and not (_is_absent_by_search(event) and _may_be_hidden(event.run, now, claimed))
    ]


def list_additions(recorded: Sequence[Event], ledger: Ledger) -> list[Event]:
    """The events that add something to what the ledger holds."""
    # What others know better must not stand beside what only this apply has seen: together they
    # could seem to add nothing.
    return ledger.missing([event for event in recorded if not is_known(event, ledger)])


def _may_be_hidden(run: RunId, ledger: Ledger, claimed: Iterable[events.ClaimedRun]) -> bool:
    """Whether an instance of those runs may have hidden the run's own from a search.

    It may if one id stands for a whole day and the service lists only the newest instance of an id.
    """
    start, end = id_window(ledger.records[run].trigger_time)
    return any(start <= one.trigger_time < end for one in claimed)


def _minute(run: RunId, ledger: Ledger) -> Minute:
    record = ledger.records[run]
    return minute_of(record.flow_id, record.trigger_time)


def _runs_claimed_since(before: Ledger, now: Ledger) -> list[events.ClaimedRun]:
    """What others have claimed meanwhile.

    An instance that was seen in a minute may be of their start, if the service gives both starts
    one id, and so may the one that hid another. So an end, or an absence, that was concluded
    without knowing of their claim is looked for again.
    """
    return [
        claimed
        for nonce in now.claims.keys() - before.claims.keys()
        for claimed in now.claims[nonce].runs.values()
    ]


def _is_absent_by_search(event: Event) -> TypeGuard[events.Absent]:
    """Whether a search proved the absence. That a start was not sent is certain without one."""
    return (
        isinstance(event, events.Absent)
        and isinstance(event.evidence, dict)
        and "searchedAt" in event.evidence
    )


def is_known(event: Event, ledger: Ledger) -> bool:
    """Whether others have meanwhile recorded what the event says of a run's instance, or more."""
    record = ledger.records.get(event.run) if not isinstance(event, events.Claim) else None
    if record is None:
        return False
    match event:
        case events.Triggered() | events.Unknown() if _is_by_search(event):
            # Once the run was settled otherwise, what was found may be of a later start.
            return record.claim != event.claim or record.phase not in UNSETTLED
        case events.Observed():
            # Another end, seen before the success, is out of date; after a success nobody looks.
            return record.status in {status_name(event.status), *SUCCEEDED}
        case events.Cancelled():
            return record.cancelled is not None
        case _:
            return False


def _is_by_search(event: events.Triggered | events.Unknown) -> bool:
    """Whether the event is from a search for a run in doubt, not from the answer to its start."""
    if isinstance(event, events.Triggered):
        return event.inferred
    return isinstance(event.seen, dict) and "searchedAt" in event.seen
