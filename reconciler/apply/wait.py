"""How long an apply waits, and what for; and what it owes in the end.

It waits between two looks, for the ends of instances, and to record them. However it ends, its
outcomes are pushed, or kept in a file.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from reconciler.apply.branch import Branch
from reconciler.apply.doubt import Doubt
from reconciler.apply.ports import Clock, Options
from reconciler.errors import GitError, ReconcilerError
from reconciler.model import EpochMs, RunId
from reconciler.plan import Action, Plan

FIRST_LOOK_SECONDS = 1.0  # between looks whether others have finished, or an instance shows up
LONGEST_LOOK_SECONDS = 15.0
RECORD_SECONDS = 60.0  # between commits of nothing but ends
FAILED_FETCHES = 10  # in a row, until a wait for ends is given up


class Patience:
    """Grows while nothing happens, and shrinks when something does."""

    def __init__(self, clock: Clock, options: Options, jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._options = options
        self._jitter = jitter
        self._began = self._recorded = clock.elapsed()
        self._looks = 0
        self._failures = 0

    @property
    def for_ends(self) -> bool:
        """Whether ends of instances are waited for, and the time for that is not used up."""
        most = self._options.wait_seconds
        return self._options.wait and (most is None or self._waited() < most)

    def pause(self, until: EpochMs | None, now: EpochMs) -> float:
        """Seconds until the next look; `until` is when time itself will decide something."""
        look = min(FIRST_LOOK_SECONDS * 1.5**self._looks, LONGEST_LOOK_SECONDS)
        if look < LONGEST_LOOK_SECONDS:  # a power of the looks of a day would be out of range
            self._looks += 1
        seconds = look * (0.75 + self._jitter() / 2)
        if until is not None:
            seconds = min(seconds, (until - now) / 1000 + 0.05)
        if self.for_ends and self._options.wait_seconds is not None:
            seconds = min(seconds, self._options.wait_seconds - self._waited())
        return max(seconds, 0.05)

    def something_ended(self) -> None:
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

    def _waited(self) -> float:
        return self._clock.elapsed() - self._began


def worth_waiting_for(
    plan: Plan, doubts: Mapping[RunId, Doubt], now: EpochMs, claim_seconds: float
) -> EpochMs | None:
    """When something that is held or in doubt will be decided; None if time decides nothing.

    A run in doubt whose trigger time lies further ahead than a claim lasts is left so: there is no
    bound to that wait.
    """
    times = [held.record.until for held in plan.of_action(Action.HOLD) if held.record]
    horizon = now + int(claim_seconds * 1000)
    for planned in plan.of_action(Action.RESOLVE):
        doubt, record = doubts.get(planned.id), planned.record
        if doubt is None or record is None:
            times.append(now)  # in doubt only since the last look
        elif doubt.decided_at is not None and planned.trigger_time <= max(record.until, horizon):
            times.append(doubt.decided_at)
    return min(times, default=None)


def waits_for(plan: Plan) -> str:
    """What an apply that waits is waiting for, in words."""
    held, doubts = len(plan.of_action(Action.HOLD)), len(plan.of_action(Action.RESOLVE))
    if not doubts:
        return f"{held} run(s) claimed by another apply"
    return f"{doubts} run(s) in doubt" + (f", {held} claimed by another apply" if held else "")


@asynccontextmanager
async def recorded(branch: Branch) -> AsyncIterator[None]:
    """Push what is pending in the end, however the work ends.

    Where that fails as well, the error says both: the first is often the cause.
    """
    try:
        yield
    except ReconcilerError as first:
        try:
            await asyncio.shield(branch.record())
        except GitError as second:
            hints = dict.fromkeys(error.hint for error in (first, second) if error.hint)
            raise GitError(f"{first}\n{second}", hint="\n".join(hints) or None) from first
        raise
    except BaseException:
        await asyncio.shield(branch.record())
        raise
    else:
        await asyncio.shield(branch.record())
