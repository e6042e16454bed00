"""What one apply has put on the branch, seen where it passes: at the store."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.apply.ports import Appended, Landed, Snapshot, Store, Unclear
from reconciler.ledger import Event, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one apply has put on the branch, and what the branch said before and says now."""

    before: Ledger
    now: Snapshot
    recorded: Sequence[Event]  # by this apply, and on the branch for certain


class WitnessedStore:
    """A store that keeps in mind what was recorded through it. It changes nothing that passes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before: Ledger | None = None
        self._now: Snapshot | None = None
        self._recorded: list[Event] = []
        self._unanswered: list[Event] = []  # their push was not answered: they may have landed

    async def fetch(self) -> Snapshot:
        """The branch as the remote has it now, as the store beneath says it."""
        snapshot = await self._store.fetch()
        if self._before is None:
            self._before = snapshot.ledger
        if self._unanswered:
            missing = snapshot.ledger.missing(self._unanswered)
            self._recorded += [one for one in self._unanswered if one not in missing]
            self._unanswered = []
        self._now = snapshot
        return snapshot

    async def append(self, base: Snapshot, events: Sequence[Event], message: str) -> Appended:
        """Append them, as the store beneath does it."""
        appended = await self._store.append(base, events, message)
        if isinstance(appended, Landed):
            self._recorded += events
            self._now = appended.snapshot
        elif isinstance(appended, Unclear):
            self._unanswered += events
        return appended

    @property
    def effect(self) -> Effect | None:
        """What has come of it by now; None where the branch was never read."""
        if self._before is None or self._now is None:
            return None
        return Effect(before=self._before, now=self._now, recorded=tuple(self._recorded))
