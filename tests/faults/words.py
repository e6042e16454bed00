"""A cell's words, and the promise that holds whatever the words are."""

from collections.abc import Iterator, Sequence

from tests.faults.catalogue import Cell
from tests.faults.observation import RUNS, LedgerEvent, Observation, Seen

_NOTHING_RECORDED = {"pending": "nothing started", "in-doubt": "still in doubt"}


def words(cell: Cell, observed: Observation) -> str:
    """What became of the run that the fault met, in the first command and in the next apply."""
    name = _met(observed)
    run, after = observed.first.runs[name], observed.following.runs[name]
    said = _first_words(cell, observed, run)
    if observed.first.exit_code:
        said += f", exit {observed.first.exit_code}"
    if after.events:
        said += f"; next: {_path(after.events, 'started', 'found')}"
    if cell.table.outside:
        said += f"; {len(after.instances)} instances"
    (other,) = (one for one in RUNS if one != name)
    beside = observed.first.runs[other].state
    as_if_nothing_had_happened = (
        "pending" if run.state == "pending" and not run.claims else "triggered"
    )
    return said if beside == as_if_nothing_had_happened else f"{said}; the other run: {beside}"


def broken_promises(cell: Cell, observed: Observation) -> Iterator[str]:
    """What must never be seen, in words. Only the run that a fault outside meets may be doubled."""
    following = observed.following
    if following.exit_code:
        yield f"the apply without the fault exits with {following.exit_code}"
    for name, run in following.runs.items():
        if run.state != "triggered" or run.instance not in run.instances:
            yield f"{name} ends {run.state} as {run.instance}: {list(run.instances)}"
        if len(run.instances) != 1 and not (cell.table.outside and name == _met(observed)):
            yield f"{name} has been started {len(run.instances)} times: {list(run.instances)}"


def _met(observed: Observation) -> str:
    """The run that the fault met: the first, unless the other had to be sent again."""
    return max(RUNS, key=lambda name: observed.first.runs[name].posts)


def _first_words(cell: Cell, observed: Observation, run: Seen) -> str:
    operation = cell.column.operation
    if not run.events:
        return _NOTHING_RECORDED[run.state]
    path = _path(run.events, "triggered", "triggered")
    # A search is many requests, and a refresh is not repeated.
    again = operation in {"token", "time", "timezone", "instance"}
    if operation == "trigger" and run.posts > run.claims:
        return f"retried, {path}"
    return f"retried, {path}" if again and observed.first.asked[operation] > 1 else path


def _path(events: Sequence[LedgerEvent], started: str, found: str) -> str:
    """The outcomes in their order; a pair that comes several times is counted."""
    outcomes = [_outcome(one, started, found) for one in events if one["event"] != "claim"]
    pair, times = outcomes[:2], len(outcomes) // 2
    if times > 1 and outcomes == pair * times:
        return f"{' → '.join(pair)}, {times} times"
    return " → ".join(outcomes)


def _outcome(event: LedgerEvent, started: str, found: str) -> str:
    match event["event"]:
        case "triggered":
            return found if event.get("evidence") else started
        case "unknown":
            return "in doubt"
        case "absent":
            return "not started" if "notStarted" in event["evidence"] else "absent"
        case other:
            return str(other)
