"""How many runs to claim at once: as many as can be started well within the claim's time."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.configuration import Limits
from reconciler.model import Run

# Until a request has been timed, one is taken to last a second: ten times what a healthy gateway
# needs, and little enough that a small environment is one batch.
FIRST_GUESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many starts fit into one claim."""

    runs: int
    runs_of_one_flow: int  # they start one after another


def capacity(limits: Limits, timeout: float, request_seconds: float) -> Capacity:
    """What fits into a claim when one request lasts `request_seconds`; at least one run."""
    usable = max(limits.claim_seconds - timeout - limits.margin, 0.0)
    in_a_row = max(int(usable / request_seconds), 1)
    runs = in_a_row * limits.concurrency
    if limits.requests_per_second is not None:
        runs = min(runs, max(int(usable * limits.requests_per_second), 1))
    return Capacity(runs=runs, runs_of_one_flow=in_a_row)


def choose_batch(runs: Iterable[Run], room: Capacity) -> tuple[Run, ...]:
    """The runs to claim next, in their order; a flow's later ones wait for the next batch."""
    chosen: list[Run] = []
    of_flow: dict[int, int] = defaultdict(int)
    for run in sorted(runs, key=lambda run: run.turn):
        if len(chosen) == room.runs:
            break
        if of_flow[run.flow_id] < room.runs_of_one_flow:
            of_flow[run.flow_id] += 1
            chosen.append(run)
    return tuple(chosen)


def by_flow(runs: Iterable[Run]) -> list[tuple[Run, ...]]:
    """The runs of each flow in their order; flows in the order of their first run."""
    flows: dict[int, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.turn):
        flows[run.flow_id].append(run)
    return [tuple(flow) for flow in flows.values()]
