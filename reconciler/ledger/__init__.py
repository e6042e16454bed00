"""The ledger: what was claimed, started and observed, as append-only events."""

from reconciler.ledger.brief import Record
from reconciler.ledger.events import Event
from reconciler.ledger.files import ACTIVE, append_events, read_events
from reconciler.ledger.fold import Ledger
from reconciler.ledger.records import RunState

__all__ = ["ACTIVE", "Event", "Ledger", "Record", "RunState", "append_events", "read_events"]
