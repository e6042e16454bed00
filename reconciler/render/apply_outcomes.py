"""What the renderings of an apply's result read off it."""

from collections.abc import Iterator, Mapping, Sequence

from reconciler.apply.result import ApplyResult
from reconciler.enos.statuses import status_name
from reconciler.ledger import events
from reconciler.model import RunId
from reconciler.plan import PlannedRun
from reconciler.render.steps import is_done, why_absent


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
    """How each run ended of which an end was seen, by EnOS's name of the status."""
    return {event.run: status_name(event.status) for event in result.observed}


def failed(result: ApplyResult) -> dict[RunId, str]:
    """The runs that were waited for and failed for good, with the instance's status."""
    return {run.id: (run.record and run.record.status) or "failed" for run in result.failed}


def cancellations(result: ApplyResult, *, done: bool) -> Sequence[events.Cancelled]:
    """The cancellations that the service has carried out, or those that it has not."""
    return [event for event in result.cancelled if is_done(event) is done]
