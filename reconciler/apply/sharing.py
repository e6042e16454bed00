"""How many runs an apply claims at once, so that some are left for others at work.

An apply that is alone claims all that a claim has room for. If it sees open claims of others, it
claims only its part of what nobody has claimed yet: claims get smaller as less is left, and all
appliers are done at about the same time. Others that begin at the same moment cannot be seen yet:
they find what the first claim had no room for, and a claim has little room until starts have been
timed.

A claim takes whole flows as far as it has room for them, because the runs of a flow start one after
another. The promise to start each run once does not depend on how many runs a claim has.
"""

from collections.abc import Sequence
from statistics import fmean

from msgspec import Struct

from reconciler.apply.start import Capacity, capacity, choose_batch, group_by_flow
from reconciler.configuration import Environment
from reconciler.model import Run
from reconciler.plan import Action, Plan

SPARE = 1.5  # times what the last starts took: what a claim allows for each start
PUSHES = 2  # of each applier, while the smallest claim is worked off: a push may lose a race


class Sharing(Struct, kw_only=True):
    """What one apply claims next, by how long its last starts took."""

    # Until a start has been timed, it is assumed to last a second, ten times what a healthy gateway
    # needs. So several appliers find something, and a small environment is still one batch.
    request_seconds: float = 1.0

    def note_times(self, seconds: Sequence[float]) -> None:
        """Note how long each start of a batch took."""
        if seconds:
            self.request_seconds = max(SPARE * fmean(seconds), 0.01)

    def choose(
        self, runs: Sequence[Run], plan: Plan, environment: Environment, push_seconds: float
    ) -> tuple[Run, ...]:
        """The runs to claim next, out of those given: at least one, unless there is none.

        `push_seconds`: how long the last claim of this apply took to land, or to lose a race.
        """
        limits = environment.limits
        room = capacity(limits, environment.gateway.timeout, self.request_seconds)
        share: float = room.runs
        if others := _count_other_claims(plan):
            # There must be something to start while each of the others pushes, or loses a race.
            pushes = PUSHES * (others + 1) * push_seconds
            least = limits.concurrency * pushes / self.request_seconds
            share = min(max(len(runs) / (others + 1), least), share)
        return choose_batch(_first_flows(runs, share, limits.concurrency, room), room)


def _count_other_claims(plan: Plan) -> int:
    """How many claims of others are open."""
    return len({one.record.claim for one in plan.runs_of_action(Action.HOLD) if one.record})


def _first_flows(runs: Sequence[Run], share: float, concurrency: int, room: Capacity) -> list[Run]:
    """The runs of the first flows: those that start side by side, then more up to the share."""
    chosen: list[Run] = []
    size = 0
    for number, flow in enumerate(group_by_flow(runs)):
        many = min(len(flow), room.runs_of_one_flow)
        if number >= concurrency and size + many > share:
            break
        chosen += flow
        size += many
    return chosen
