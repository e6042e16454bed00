"""How long an apply waits and what for, and what it must do before it ends.

An apply waits between two looks, for instances to end, and before it records their ends. Its looks
for a run in doubt are further and further apart: a search takes many requests, and most searches
change nothing. However the apply ends, its outcomes are pushed, or kept in a file.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

from msgspec import Struct

from reconciler.apply.branch import Branch, UnrecordedError
from reconciler.apply.doubt import Doubt
from reconciler.apply.ports import Clock, Options
from reconciler.counting import format_count
from reconciler.errors import GitError, ReconcilerError
from reconciler.ledger import Record
from reconciler.ledger.records import Start
from reconciler.model import EpochMs, Nonce, RunId
from reconciler.plan import Action, Plan, PlannedRun

FIRST_LOOK_SECONDS = 1.0  # between looks whether others have finished, or an instance shows up
LONGEST_LOOK_SECONDS = 15.0
RECORD_SECONDS = 60.0  # between commits that hold nothing but ends
FAILED_FETCHES = 10  # in a row, until a wait for ends is given up

MOST_SOUGHT = 32  # runs in one look: each takes a whole search, of nine requests or more
FIRST_PAUSE_SECONDS = 15.0  # between looks for one run, if time decides nothing
EARLY_PAUSE_SECONDS = 1.0  # if a time will decide: an instance may be listed long before it
LONGEST_PAUSE_SECONDS = 900.0

NOT_YET = "in doubt: it may have been started, and was not looked for yet"

_Starts = tuple[Nonce | None, tuple[Start, ...]] | None  # the newest claim, the known starts


class Backoff:
    """Pauses that grow while nothing happens, and shrink when something does."""

    def __init__(self, clock: Clock, options: Options, jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._options = options
        self._jitter = jitter
        self._began = self._recorded = clock.elapsed()
        self._looks = 0
        self._failures = 0

    @property
    def for_ends(self) -> bool:
        """Whether the apply waits for instances to end, and has time left for that."""
        return self._options.wait and not self.is_used_up

    @property
    def is_used_up(self) -> bool:
        """Whether the time that this apply may wait is over, if there is a limit to it."""
        most = self._options.wait_seconds
        return most is not None and self._waited_seconds() >= most

    def pause(self, until: EpochMs | None, now: EpochMs) -> float:
        """Seconds until the next look; `until` is when time itself will decide something."""
        look = min(FIRST_LOOK_SECONDS * 1.5**self._looks, LONGEST_LOOK_SECONDS)
        if look < LONGEST_LOOK_SECONDS:  # after a day of looks, the power would be out of range
            self._looks += 1
        seconds = look * (0.75 + self._jitter() / 2)
        if until is not None:
            seconds = min(seconds, (until - now) / 1000 + 0.05)
        if self._options.wait_seconds is not None:
            seconds = min(seconds, self._options.wait_seconds - self._waited_seconds())
        return max(seconds, 0.05)

    def look_sooner(self) -> None:
        """Look a little sooner again."""
        self._looks = max(self._looks - 2, 0)

    def records_ends(self) -> bool:
        """Whether it is time to record ends. There is no hurry: they can be observed again."""
        due = self._clock.elapsed() - self._recorded >= RECORD_SECONDS
        if due:
            self._recorded = self._clock.elapsed()
        return due

    def outlasts(self, *, fetched: bool) -> bool:
        """Whether a wait for ends goes on after the branch could, or could not, be read."""
        self._failures = 0 if fetched else self._failures + 1
        return self._failures < FAILED_FETCHES

    def _waited_seconds(self) -> float:
        return self._clock.elapsed() - self._began


def next_decision_time(
    plan: Plan,
    doubts: Mapping[RunId, Doubt],
    now: EpochMs,
    claim_seconds: float,
    lapses: Mapping[Nonce, EpochMs] = MappingProxyType({}),
) -> EpochMs | None:
    """When a run that is held or in doubt will be decided; None if time decides none of them.

    `lapses`: when claims are expected to lapse, where that counts; see `Lapses`.
    A run in doubt whose trigger time lies further ahead than a claim lasts is left in doubt: that
    wait could take any time.
    """
    held = (one.record for one in plan.runs_of_action(Action.HOLD) if one.record)
    times = [
        min(one.until, lapses.get(one.claim, one.until)) if one.claim else one.until for one in held
    ]
    horizon = now + int(claim_seconds * 1000)
    for planned in plan.runs_of_action(Action.RESOLVE):
        doubt, record = doubts.get(planned.id), planned.record
        if doubt is None or record is None:
            times.append(now)  # in doubt only since the last look
        elif doubt.decided_at is not None and planned.trigger_time <= max(record.until, horizon):
            times.append(doubt.decided_at)
    return min(times, default=None)


def describe_wait(plan: Plan) -> str:
    """What an apply that waits is waiting for, in words."""
    held, doubts = len(plan.runs_of_action(Action.HOLD)), len(plan.runs_of_action(Action.RESOLVE))
    if not doubts:
        return f"{format_count(held, 'run')} claimed by another apply"
    also = f", {held:,} claimed by another apply" if held else ""
    return f"{format_count(doubts, 'run')} in doubt{also}"


@asynccontextmanager
async def record_at_end(branch: Branch) -> AsyncIterator[None]:
    """Push what is pending when the work ends, however it ends.

    If the push fails as well, the error names both failures: the first is often the cause.
    """
    try:
        yield
    except ReconcilerError as first:
        try:
            await asyncio.shield(branch.record())
        except GitError as second:
            raise _combine_errors(first, second) from first
        raise
    except BaseException:
        await asyncio.shield(branch.record())
        raise
    else:
        await asyncio.shield(branch.record())


def _combine_errors(first: ReconcilerError, second: GitError) -> GitError:
    """Both errors as one that says nothing twice."""
    is_known = isinstance(second, UnrecordedError) and str(second.failure) in str(first)
    said = second.what if isinstance(second, UnrecordedError) and is_known else second
    hints = "\n".join(error.hint for error in (first, second) if error.hint).split("\n")
    return GitError(f"{first}\n{said}", hint="\n".join(dict.fromkeys(hints)) or None)


def _starts(record: Record | None) -> _Starts:
    """What a search depends on in the run's record; the rest of the record is what was seen."""
    return None if record is None else (record.claim, record.starts)


class _Looked(Struct, kw_only=True):
    """The last look for a run."""

    starts: _Starts  # that were known then
    pause: float  # seconds, until the next look
    due: float  # when the next look is due, as `Clock.elapsed` gives it


class LookSchedule:
    """Which runs in doubt to look for: pauses for one run grow, and many runs take turns.

    A run is due at once if it was not looked for yet, if another claim or start of it has been
    recorded since, or if the time that decides on it has come.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked: dict[RunId, _Looked] = {}

    def due(
        self, doubts: Sequence[PlannedRun], known: Mapping[RunId, Doubt], now: EpochMs
    ) -> tuple[list[PlannedRun], int]:
        """The runs to look for now, the longest waiting first; and how many the next look gets.

        `known` is what came of the last looks for them, `now` is no later than the gateway's time.
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
        """Make every run due: what could have been its instance may be known as another's now."""
        for looked in self._looked.values():
            looked.due = self._clock.elapsed()

    def _is_due(self, run: PlannedRun, doubt: Doubt | None, now: EpochMs, elapsed: float) -> bool:
        looked = self._looked.get(run.id)
        if looked is None or doubt is None or looked.starts != _starts(run.record):
            return True
        if doubt.decided_at is not None and doubt.decided_at <= now:
            return True
        return looked.due <= elapsed
