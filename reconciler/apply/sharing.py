"""How many runs an apply claims at once, so that others that are at work find some left.

Every claim costs a push, and all pushes go one after another. So an apply that is alone claims more
each time. Where it sees open claims of others, it claims a part of what nobody has claimed yet:
claims get smaller as less is left, and all are done at about the same time.

A claim takes whole flows as far as it has room for them, for the runs of a flow start one after
another. Nothing of the promise depends on how many runs a claim has.
"""

from collections.abc import Sequence
from statistics import fmean

from msgspec import Struct

from reconciler.apply.claim import Claims
from reconciler.apply.start import Capacity, by_flow, capacity, choose_batch
from reconciler.configuration import Environment, Limits
from reconciler.model import Run
from reconciler.plan import Action, Plan

# Until a start has been timed, one is taken to last a second where that decides what a claim has
# room for: ten times what a healthy gateway needs.
FIRST_GUESS_SECONDS = 1.0
SPARE = 1.5  # times what the last starts took, for the same

FIRST = 1 / 16  # of claimSeconds: what an apply claims at first is started in that time
GROWTH = 4  # times what it has claimed so far: more than that it does not claim at once


class Sharing(Struct, kw_only=True):
    """The gateway's pace, as one apply has seen it, and what follows for its claims."""

    asked_seconds: float = FIRST_GUESS_SECONDS  # what the gateway took to tell the time
    start_seconds: float | None = None  # of one start, as the last ones took

    def timed(self, seconds: Sequence[float]) -> None:
        """Note how long each start of a batch took."""
        if seconds:
            self.start_seconds = max(fmean(seconds), 0.01)

    def choose(
        self, runs: Sequence[Run], plan: Plan, environment: Environment, claims: Claims
    ) -> tuple[Run, ...]:
        """Those of the runs to claim next: at least one, unless there is none.

        `claims`: those that this apply has made; the open ones of others are in the plan.
        """
        limits, known = environment.limits, self.start_seconds
        guess = FIRST_GUESS_SECONDS if known is None else SPARE * known
        room = capacity(limits, environment.gateway.timeout, guess)
        share = self._share(len(runs), 1 + _others(plan), limits, claims)
        return choose_batch(_first_flows(runs, share, limits.concurrency, room), room)

    def _share(self, left: int, appliers: int, limits: Limits, claims: Claims) -> float:
        """How many of the runs that are left are this apply's to claim next."""
        pace = self._starts_in_a_second(limits)
        # Whoever begins at the same moment cannot be seen yet.
        most = max(pace * limits.claim_seconds * FIRST, GROWTH * claims.starts.total())
        if appliers == 1:
            return most
        # There must be something to start while each of the others pushes once.
        least = pace * appliers * claims.push_seconds
        return min(max(left / appliers, least), most)

    def _starts_in_a_second(self, limits: Limits) -> float:
        known = self.start_seconds
        seconds = max(self.asked_seconds, 0.01) if known is None else known
        pace = limits.concurrency / seconds
        return pace if limits.requests_per_second is None else min(pace, limits.requests_per_second)


def _others(plan: Plan) -> int:
    """How many claims of others are open."""
    return len({one.record.claim for one in plan.of_action(Action.HOLD) if one.record})


def _first_flows(runs: Sequence[Run], share: float, concurrency: int, room: Capacity) -> list[Run]:
    """The runs of the first flows: enough for the share, and to start so many side by side."""
    chosen: list[Run] = []
    size = 0
    for number, flow in enumerate(by_flow(runs)):
        if size >= share and number >= concurrency:
            break
        chosen += flow
        size += min(len(flow), room.runs_of_one_flow)
    return chosen
