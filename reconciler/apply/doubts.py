"""When a run in doubt is looked for again: a search is many requests, and most change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.apply.ports import Clock
from reconciler.apply.settle import Doubt
from reconciler.ledger import Record
from reconciler.ledger.records import Start
from reconciler.model import ClaimId, EpochMs, RunId
from reconciler.plan import PlannedRun

MOST_SOUGHT = 32  # runs of one look: each is a whole search, of nine requests or more
FIRST_PAUSE_SECONDS = 15.0  # where time decides nothing
EARLY_PAUSE_SECONDS = 1.0  # where it will: an instance may be listed long before that
LONGEST_PAUSE_SECONDS = 900.0

NOT_YET = "in doubt: it may have been started, and was not looked for yet"


_Starts = tuple[ClaimId | None, tuple[Start, ...]] | None  # the newest claim, and what is known


def _starts(record: Record | None) -> _Starts:
    """What a search may depend on, of what is recorded of the run; the rest is what was seen."""
    return None if record is None else (record.claim, record.starts)


@dataclass(slots=True, kw_only=True)
class _Looked:
    """The last look for a run."""

    starts: _Starts  # that were known then
    pause: float  # seconds, until the next one
    due: float  # when that is, as `Clock.elapsed` gives it


class DoubtLooks:
    """Pauses between looks for one run grow, and of many runs each has its turn.

    A run is due at once if it was not looked for yet, if another claim or start of it is recorded
    by now, or if the time has come that decides on it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked: dict[RunId, _Looked] = {}

    def due(
        self, doubts: Sequence[PlannedRun], known: Mapping[RunId, Doubt], now: EpochMs
    ) -> tuple[list[PlannedRun], int]:
        """The runs to look for now, the longest waiting first; and how many the next look gets.

        `known` is what came of their last looks, `now` no later than the gateway's time.
        """
        elapsed = self._clock.elapsed()
        due = [run for run in doubts if self._is_due(run, known.get(run.id), now, elapsed)]
        due.sort(key=lambda run: looked.due if (looked := self._looked.get(run.id)) else -1.0)
        chosen = due[:MOST_SOUGHT]
        for run in chosen:
            before = self._looked.get(run.id)
            again = before is not None and before.starts == _starts(run.record)
            pause = min(2 * before.pause, LONGEST_PAUSE_SECONDS) if before and again else 0.0
            self._looked[run.id] = _Looked(
                starts=_starts(run.record), pause=pause, due=elapsed + pause
            )
        return chosen, len(due) - len(chosen)

    def put_off(self, doubt: Doubt) -> None:
        """Note that the look for the run settled nothing."""
        looked = self._looked.get(doubt.planned.id)
        if looked is not None:
            decides = doubt.decided_at is not None
            least = EARLY_PAUSE_SECONDS if decides else FIRST_PAUSE_SECONDS
            looked.pause = max(looked.pause, least)
            looked.due = self._clock.elapsed() + looked.pause

    def bring_forward(self) -> None:
        """Have every run looked for again: what could have been its instance is another's now."""
        for looked in self._looked.values():
            looked.due = self._clock.elapsed()

    def _is_due(self, run: PlannedRun, doubt: Doubt | None, now: EpochMs, elapsed: float) -> bool:
        looked = self._looked.get(run.id)
        if looked is None or doubt is None or looked.starts != _starts(run.record):
            return True
        if doubt.decided_at is not None and doubt.decided_at <= now:
            return True
        return looked.due <= elapsed
