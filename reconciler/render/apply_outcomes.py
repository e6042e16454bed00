"""What the renderings of an apply's result read off it."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.apply.result import ApplyResult
from reconciler.counting import counted
from reconciler.enos.statuses import SUCCEEDED, status_name
from reconciler.ledger import events
from reconciler.model import RunId, first_attempt
from reconciler.plan import PlannedRun
from reconciler.render.apply_steps import is_done, why_absent
from reconciler.render.backfills import attempt_of, natural_order


def triggered(result: ApplyResult) -> list[events.Triggered]:
    """The runs that were started, or found to have been."""
    return [event for event in result.outcomes if isinstance(event, events.Triggered)]


def rejected(result: ApplyResult) -> Mapping[RunId, events.Rejected]:
    """The starts that the service refused."""
    return {event.run: event for event in result.outcomes if isinstance(event, events.Rejected)}


def reasons_not_started(result: ApplyResult) -> Iterator[tuple[RunId, str]]:
    """The runs that the next apply starts, and why this one did not; without those refused."""
    refused = rejected(result)
    absent = {event.run: event for event in result.outcomes if isinstance(event, events.Absent)}
    for run in result.unstarted:
        if run.id not in refused:
            yield run.id, _why_not_started(run, absent)


def _why_not_started(run: PlannedRun, absent: Mapping[RunId, events.Absent]) -> str:
    return why_absent(absent[run.id]) if run.id in absent else "not reached"


def ends(result: ApplyResult) -> dict[RunId, str]:
    """How each run ended of which an end was seen, by EnOS's name of the status, in one order."""
    found = {event.run: status_name(event.status) for event in result.observed}
    return dict(sorted(found.items(), key=lambda one: natural_order(one[0])))


def failed(result: ApplyResult) -> dict[RunId, str]:
    """The runs that were waited for and failed for good, with the instance's status."""
    return {run.id: (run.record and run.record.status) or "failed" for run in result.failed}


def cancellations(result: ApplyResult, *, done: bool) -> Sequence[events.Cancelled]:
    """The cancellations that the service has carried out, or those that it has not."""
    return [event for event in result.cancelled if is_done(event) is done]


def bad_ends(result: ApplyResult) -> dict[RunId, str]:
    """Those of the ends that are no success."""
    return {run: status for run, status in ends(result).items() if status not in SUCCEEDED}


def lasting_failures(result: ApplyResult) -> dict[RunId, str]:
    """How each run ended badly that this apply has not started again."""
    found = bad_ends(result) | failed(result)
    again = {(first_attempt(event.run), attempt_of(event.run) - 1) for event in triggered(result)}
    return {
        run: status
        for run, status in found.items()
        if (first_attempt(run), attempt_of(run)) not in again
    }


def numbers(result: ApplyResult) -> dict[str, int]:
    """`triggered`, `refused`, …: how many runs that became of, where it is any."""
    counts = {
        "triggered": len(triggered(result)),
        "cancelled": len(cancellations(result, done=True)),
        "not cancelled": len(cancellations(result, done=False)) + len(result.uncancelled),
        "succeeded": len(ends(result)) - len(bad_ends(result)),
        "failed": len(bad_ends(result) | failed(result)),
        "not ended": len(result.unfinished),
        "waited for in vain": len(result.untold),
        "refused": len(rejected(result)) + len(result.refused),
        "not started": len(list(reasons_not_started(result))),
        "started twice": len(result.twice),
        "in doubt": len(result.doubts),
        "waiting": len(result.waiting),
    }
    return {word: number for word, number in counts.items() if number}


def has_done_anything(result: ApplyResult) -> bool:
    """Whether it did something, or there was something that it could not do."""
    started = (result.outcomes, result.unstarted, result.doubts, result.refused, result.twice)
    ended = (result.observed, result.failed, result.unfinished, result.untold)
    return any((*started, *ended, result.cancelled, result.uncancelled))


def conclusion(result: ApplyResult, unpushed: str | None) -> str | None:
    """What is to be said before the numbers. `unpushed`: what is here and not on the branch."""
    if result.interrupted:
        return "Interrupted: what is known was recorded, and another apply goes on from there."
    if has_done_anything(result):
        return None
    if unpushed is not None:
        return f"Nothing to do there: {unpushed}."
    return None if result.left_out else "Nothing to do."


def left_out(result: ApplyResult) -> str | None:
    """That a run waits for what the apply was not called for, and what helps; None if none does."""
    if not result.left_out:
        return None
    run, names = next(iter(result.left_out.items()))
    others = len(result.left_out) - 1
    more = f" (and {counted(others, 'more run')} for what was left out)" if others else ""
    return (
        f"{run} waits for {_some(names)}, which this apply was not called for{more}: name that as "
        "well, or call it without names."
    )


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
