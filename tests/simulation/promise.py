"""What must hold after every effect, said once more and in other words than the product's.

Nothing here asks the product's plan: a claim is judged by the manifests and the ledger that it was
derived from, a record by what has really become of the instance.
"""

from collections.abc import Mapping, Sequence

from reconciler.ledger import Event, Ledger, Record, events
from reconciler.ledger.records import Phase
from reconciler.ledger.statuses import FINAL, status_name
from reconciler.model import Run, RunId, run_id, run_name
from tests.simulation.clock import MINUTE_MS
from tests.simulation.instances import Started


class ViolationError(Exception):
    """Something happened that must never happen."""


def attempts(ledger: Ledger, name: str) -> list[Record]:
    """What is recorded of the run, attempt after attempt; but for one made in vain after others."""
    found: list[Record] = []
    while record := ledger.records.get(run_id(name, 1, len(found) + 1)):
        if found and not record.may_have_started:
            break
        found.append(record)
    return found


def has_succeeded(ledger: Ledger, name: str) -> bool:
    """Whether the branch says that the run's last attempt ended well."""
    recorded = attempts(ledger, name)
    return bool(recorded) and recorded[-1].phase is Phase.SUCCEEDED


def needed(run: Run, runs: Sequence[Run], ledger: Ledger) -> list[str]:
    """The names of all the runs that must have succeeded before; one that is unknown as well."""
    found: list[str] = []
    for wanted in run.depends_on:
        of_it = [one.name for one in runs if means(wanted, one.name)]
        of_it = of_it or [name for name in _started_names(ledger) if means(wanted, name)]
        found += of_it or [wanted]
    return list(dict.fromkeys(found))


def _started_names(ledger: Ledger) -> list[str]:
    return [run_name(one.run) for one in ledger.records.values() if one.may_have_started]


def means(wanted: str, name: str) -> bool:
    """Whether a reference means that run."""
    parts = wanted.split("/")
    return name.split("/")[: len(parts)] == parts


def check_claim(claim: events.Claim, runs: Sequence[Run], before: Ledger, after: Ledger) -> None:
    """Whether each run may be claimed: `after` is the ledger with all that one push carries."""
    declared = {run.name: run for run in runs}
    for id_, claimed in claim.runs.items():
        run = declared.get(run_name(id_))
        if run is None:
            raise ViolationError(f"{id_} is claimed and not declared")
        if run.cancel:
            raise ViolationError(f"{id_} is claimed though it is cancelled")
        _check_attempt(id_, run, before, after)
        for name in needed(run, runs, after):
            if not has_succeeded(after, name):
                raise ViolationError(f"{id_} is claimed, and no success of {name} is recorded")
        _check_time(id_, claimed, run, runs, before)
        _check_minute(id_, claimed, run, runs, after)


def _check_attempt(id_: RunId, run: Run, before: Ledger, after: Ledger) -> None:
    recorded = attempts(after, run.name)  # this one is the last of them
    number = len(recorded)
    if id_ != run_id(run.name, 1, number):
        raise ViolationError(f"{id_} is claimed, and its run has {number} attempt(s)")
    own = before.records.get(id_)
    if own is not None and own.may_have_started:
        raise ViolationError(f"{id_} is claimed and may have been started")
    if number == 1:
        return
    last = recorded[-2]
    wanted = run.retry is not None and last.status in run.retry.on
    if last.phase is not Phase.FAILED or not wanted:
        raise ViolationError(f"{id_} is claimed after {last.run}: {last.phase}, {last.status}")
    if run.retry is not None and number > run.retry.max + 1:
        raise ViolationError(f"{id_} is one attempt too many: retry.max is {run.retry.max}")


def _check_time(
    id_: RunId, claimed: events.ClaimedRun, run: Run, runs: Sequence[Run], before: Ledger
) -> None:
    """A stagger is chosen once; what the digest says is the time without it."""
    if (claimed.digest, claimed.flow_id) != (run.digest, run.flow_id):
        raise ViolationError(f"{id_} is claimed as something else than it is declared as")
    delay = claimed.trigger_time - run.trigger_time
    step = run.stagger.step if run.stagger else 1
    in_time = run.stagger is None or claimed.trigger_time < run.stagger.before
    if claimed.stagger != delay or delay < 0 or delay % step or not in_time:
        raise ViolationError(f"{id_} is claimed with a trigger time that it cannot have")
    if run.stagger is None and delay:
        raise ViolationError(f"{id_} is moved and has no stagger")
    first = before.records.get(run.id)
    if first is None or first.trigger_time == claimed.trigger_time:
        return
    # It was claimed, not started and not declared meanwhile, and another has its minute by now.
    others = [one for one in before.records.values() if run_name(one.run) != run.name]
    times = [one.trigger_time for one in others if one.flow_id == run.flow_id]
    times += [
        one.trigger_time for one in runs if one.stagger is None and one.flow_id == run.flow_id
    ]
    taken = {time // MINUTE_MS for time in times}
    if first.may_have_started or first.trigger_time // MINUTE_MS not in taken:
        raise ViolationError(f"{id_} was moved after it had been claimed")


def _check_minute(
    id_: RunId, claimed: events.ClaimedRun, run: Run, runs: Sequence[Run], after: Ledger
) -> None:
    for other in runs:
        record = after.records.get(other.id)
        if other.name == run.name or record is None or not record.may_have_started:
            continue
        same = record.trigger_time // MINUTE_MS == claimed.trigger_time // MINUTE_MS
        if same and other.flow_id == run.flow_id:
            raise ViolationError(f"{id_} and {other.id} share flow {run.flow_id} and a minute")


def check_start(
    run: Run,
    tip: Ledger,
    started: Sequence[Started],
    conditions: Mapping[tuple[str, RunId], Sequence[str]],
    now: float,
) -> None:
    """Whether the branch says, as it is now, that the run may be started as it is sent.

    `conditions`: by claim and run, whose success the claim was derived from.
    """
    record = tip.records[run.id]
    if record.claim is None:
        raise ViolationError(f"{run.id} is started without a claim")
    held = tip.claims[record.claim].runs[run.id]
    if (run.trigger_time, run.flow_id, run.digest) != (
        held.trigger_time,
        held.flow_id,
        held.digest,
    ):
        raise ViolationError(f"{run.id} is not started as it was claimed")
    if any(one.run.id == run.id for one in started):
        raise ViolationError(f"{run.id} was started twice")
    if any(one.run.name == run.name and one.is_running(now) for one in started):
        raise ViolationError(f"{run.id} is started while the attempt before still runs")
    for name in conditions[record.claim, run.id]:
        if not has_succeeded(tip, name):
            raise ViolationError(f"{run.id} was started before the success of {name} is recorded")
        if not any("SUCCESS" in one.finals(now) for one in started if one.run.name == name):
            raise ViolationError(f"{run.id} was started, and {name} has never succeeded")


def check_recorded(event: Event, before: Ledger, started: Sequence[Started], now: float) -> None:
    """Whether what is recorded is true, and new."""
    if isinstance(event, events.Claim):
        return
    of_run = [one for one in started if one.run.id == event.run]
    match event:
        case events.Triggered():
            _check_triggered(event, of_run)
        case events.Absent() if any(one.claim == event.claim for one in of_run):
            raise ViolationError(f"{event.run} is recorded as absent and was started")
        case events.Rejected() if any(one.claim == event.claim for one in of_run):
            raise ViolationError(f"{event.run} is recorded as rejected and was started")
        case events.Observed():
            _check_observed(event, before, of_run, now)
        case _:
            return


def _check_triggered(event: events.Triggered, of_run: Sequence[Started]) -> None:
    sent = {(one.instance, one.run.trigger_time, one.run.digest) for one in of_run}
    if (event.flow_instance_id, event.trigger_time, event.digest) not in sent:
        raise ViolationError(f"{event.run} is recorded as started and was not")


def _check_observed(
    event: events.Observed, before: Ledger, of_run: Sequence[Started], now: float
) -> None:
    status = status_name(event.status)
    if status not in FINAL:
        raise ViolationError(f"{status} of {event.run} is recorded and not final")
    record = before.records.get(event.run)
    if record is not None and record.status == status:
        raise ViolationError(f"{status} of {event.run} is recorded a second time")
    if not any(status in one.finals(now) for one in of_run):
        raise ViolationError(f"{event.run} is recorded as {status}, which it never came to")
