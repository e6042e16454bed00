"""What must hold after every effect, said once more and in other words than the product's.

Nothing here asks the product's plan: a claim is judged by the manifests and the ledger that it was
derived from, a record by what has really become of the instance.
"""

from collections.abc import Mapping, Sequence

from reconciler.enos.statuses import FINAL, status_name
from reconciler.ledger import Event, Ledger, Record, events
from reconciler.ledger.records import Phase
from reconciler.model import (
    Match,
    Run,
    RunId,
    combination_of,
    first_attempt,
    manifest_of,
    run_id,
    run_name,
    run_revision,
)
from tests.simulation.clock import DAY_MS, MINUTE_MS
from tests.simulation.held import UNDER_WAY, agrees, agrees_by_record, is_crowded, is_stopped
from tests.simulation.instances import Started
from tests.simulation.truth import Truth


class ViolationError(Exception):
    """Something happened that must never happen."""


Needed = tuple[str, int]  # the name and the revision of a run that must have succeeded before


def attempts(ledger: Ledger, name: str, revision: int) -> list[Record]:
    """What is recorded of the run, attempt after attempt; but for one made in vain after others."""
    found: list[Record] = []
    while record := ledger.records.get(run_id(name, revision, len(found) + 1)):
        if found and not record.may_have_started:
            break
        found.append(record)
    return found


def has_succeeded(ledger: Ledger, wanted: Needed) -> bool:
    """Whether the branch says that the run's last attempt ended well."""
    recorded = attempts(ledger, *wanted)
    return bool(recorded) and recorded[-1].phase is Phase.SUCCEEDED


def needed(run: Run, runs: Sequence[Run], ledger: Ledger) -> list[Needed]:
    """All the runs that must have succeeded before; one that is unknown as well."""
    found: list[Needed] = []
    matches = {name: match for match in run.matching for name in match.names}
    for wanted in run.depends_on:
        match = matches.get(wanted)
        if match is not None:
            found += agreeing(run, match, runs, ledger) or [(wanted, 1)]
            continue
        of_it = [(one.name, one.revision) for one in runs if means(wanted, one.name)]
        found += of_it or _started(ledger, wanted) or [(wanted, 1)]
    found += [(one.name, one.revision) for one in runs if one.name == run.after]
    return list(dict.fromkeys(found))


def agreeing(run: Run, match: Match, runs: Sequence[Run], ledger: Ledger) -> list[Needed]:
    """The runs that agree with this one; of those that are not declared any more, the newest.

    Of the latter only what is under way, where declared ones agree.
    """
    found = [(one.name, one.revision) for one in runs if agrees(run, one, match)]
    names = {one.name for one in runs}
    recorded = [
        one
        for one in ledger.records.values()
        if run_name(one.run) not in names and agrees_by_record(run, one, match)
    ]
    gone = [
        one
        for name in dict.fromkeys(run_name(record.run) for record in recorded)
        for one in _started(ledger, name) or [(name, 1)]
    ]
    running = [one for one in gone if _is_under_way(attempts(ledger, *one))]
    return found + running if found else gone


def _is_under_way(recorded: Sequence[Record]) -> bool:
    return bool(recorded) and recorded[-1].phase in UNDER_WAY


def _started(ledger: Ledger, wanted: str) -> list[Needed]:
    """What the name means among runs that are not declared any more, by their newest revision."""
    newest: dict[str, int] = {}
    for record in ledger.records.values():
        name = run_name(record.run)
        if record.may_have_started and means(wanted, name):
            newest[name] = max(newest.get(name, 1), run_revision(record.run))
    return list(newest.items())


def means(wanted: str, name: str) -> bool:
    """Whether a reference means that run."""
    parts = wanted.split("/")
    return name.split("/")[: len(parts)] == parts


def check_claim(
    claim: events.Claim,
    runs: Sequence[Run],
    before: Ledger,
    after: Ledger,
    *,
    same_minute: bool,
    most_of_flow: int | None,
) -> None:
    """Whether each run may be claimed: `after` is the ledger with all that one push carries."""
    declared = {run.name: run for run in runs}
    for id_, claimed in claim.runs.items():
        run = declared.get(run_name(id_))
        if run is None:
            raise ViolationError(f"{id_} is claimed and not declared")
        if run.cancel:
            raise ViolationError(f"{id_} is claimed though it is cancelled")
        if run.suspend:
            raise ViolationError(f"{id_} is claimed though it is suspended")
        _check_numbers(id_, run, after, most_of_flow)
        _check_attempt(id_, run, before, after)
        own = before.records.get(run.id)
        other = has_done_its_work(run, runs, before)
        if other is not None and not (own is not None and own.may_have_started):
            raise ViolationError(f"{id_} is claimed, and {other} has done its work")
        for wanted in needed(run, runs, after):
            if not has_succeeded(after, wanted):
                raise ViolationError(
                    f"{id_} is claimed, and no success of {run_id(*wanted)} is recorded"
                )
        _check_time(id_, claimed, run, runs, before)
        if not same_minute:
            _check_minute(id_, claimed, run, runs, after)


def _check_numbers(id_: RunId, run: Run, after: Ledger, most_of_flow: int | None) -> None:
    if is_crowded(run, after, most_of_flow, more=0):
        raise ViolationError(f"{id_} is claimed, and too many are under way by that")
    if is_stopped(run, after):
        raise ViolationError(f"{id_} is claimed though too many of {run.manifest} have failed")


def has_done_its_work(run: Run, runs: Sequence[Run], ledger: Ledger) -> RunId | None:
    """What was started for the run's date and combination before its backfill was edited.

    Nothing if that is meant. A backfill has one time a date here, so none is merely cut off.
    """
    if run.again or run.times is None:
        return None
    values, names = combination_of(run.name), {one.name for one in runs}
    for record in ledger.records.values():
        name, others = run_name(record.run), combination_of(run_name(record.run))
        of_its_day = record.trigger_time // DAY_MS == run.trigger_time // DAY_MS
        of_it = manifest_of(name) == run.manifest and run_revision(record.run) >= run.revision
        agrees = all(values.get(key, value) == value for key, value in others.items())
        gone = name not in names and record.may_have_started
        if gone and of_its_day and of_it and agrees:
            return record.run
    return None


def _check_attempt(id_: RunId, run: Run, before: Ledger, after: Ledger) -> None:
    recorded = attempts(after, run.name, run.revision)  # this one is the last of them
    number = len(recorded)
    if id_ != run_id(run.name, run.revision, number):
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
    others = [one for one in before.records.values() if first_attempt(one.run) != run.id]
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
    if _is_by_hand(after.records.get(run.id)):
        return  # whoever starts by hand chooses the minute, and a further attempt keeps it
    for other in runs:
        record = after.records.get(other.id)
        if record is None or not record.may_have_started or _is_by_hand(record):
            continue
        if other.name == run.name or other.digest == run.digest:  # the latter: a meant duplicate
            continue
        same = record.trigger_time // MINUTE_MS == claimed.trigger_time // MINUTE_MS
        if same and other.flow_id == run.flow_id:
            raise ViolationError(f"{id_} and {other.id} share flow {run.flow_id} and a minute")


def _is_by_hand(record: Record | None) -> bool:
    return record is not None and record.is_by_hand(record.claim)


def check_start(
    run: Run,
    tip: Ledger,
    truth: Truth,
    conditions: Mapping[tuple[str, RunId], Sequence[Needed]],
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
    if truth.of_run(run.id):
        raise ViolationError(f"{run.id} was started twice")
    before = [one for one in truth.started if _of(one, (run.name, run.revision))]
    if any(one.is_running(now) for one in before):
        raise ViolationError(f"{run.id} is started while the attempt before still runs")
    for wanted in conditions[record.claim, run.id]:
        if not has_succeeded(tip, wanted):
            raise ViolationError(
                f"{run.id} was started before the success of {run_id(*wanted)} is recorded"
            )
        taken = [
            one
            for id_, one in (*truth.mistaken.items(), *truth.adopted.items())
            if first_attempt(id_) == run_id(*wanted)
        ]
        own = (*truth.started, *truth.overdue)
        ended = [one for one in own if _of(one, wanted)] + taken
        if not any("SUCCESS" in one.finals(now) for one in ended):
            raise ViolationError(f"{run.id} was started, and {run_id(*wanted)} has never succeeded")


def _of(one: Started, wanted: Needed) -> bool:
    return (one.run.name, one.run.revision) == wanted


def check_recorded(event: Event, before: Ledger, truth: Truth, now: float) -> None:
    """Whether what is recorded is true, and new."""
    if isinstance(event, events.Claim):
        for run in event.runs:
            if truth.late_and_told(run):
                raise ViolationError(f"{run} is claimed again after a late start of it")
        return
    own = (*truth.of_run(event.run), *truth.late_and_told(event.run))
    of_claim = [one for one in own if one.claim == event.claim]
    match event:
        case events.Triggered():
            _check_triggered(event, before, truth)
        case events.Absent() | events.Rejected():
            kind = "absent" if isinstance(event, events.Absent) else "rejected"
            if of_claim:
                raise ViolationError(f"{event.run} is recorded as {kind} and was started")
            truth.denied.add((event.run, event.claim))
        case events.Unknown() if isinstance(event.seen, str):  # the start's own, not a search's
            truth.told_late.add((event.run, event.claim))
        case events.Adopted():
            _check_adopted(event, before, truth)
        case events.Observed():
            _check_observed(event, before, truth, now)
        case _:
            return


def _check_triggered(event: events.Triggered, before: Ledger, truth: Truth) -> None:
    own = (*truth.of_run(event.run), *(one for one in truth.overdue if one.run.id == event.run))
    sent = {(one.instance, one.run.trigger_time, one.run.digest) for one in own}
    if (event.flow_instance_id, event.trigger_time, event.digest) in sent:
        return
    alike = truth.look_alike(event, before)
    if alike is None:
        whose = ", ".join(one.run.id for one in truth.under(event.flow_instance_id)) or "nobody's"
        raise ViolationError(
            f"{event.run} is recorded as started and was not: {event.flow_instance_id} ({whose})"
        )
    truth.mistaken[event.run] = alike


def _check_adopted(event: events.Adopted, before: Ledger, truth: Truth) -> None:
    record = before.records.get(event.run)
    if record is not None and record.may_have_started:
        raise ViolationError(f"{event.run} is adopted and may have been started: {record.phase}")
    if truth.of_run(event.run):
        raise ViolationError(f"{event.run} is adopted and was started")
    one = truth.meant[event.run, event.by]
    if (one.instance, one.run.digest) != (event.flow_instance_id, event.digest):
        raise ViolationError(f"{event.run} is adopted as what is not its work")
    truth.adopted[event.run] = one


def _check_observed(event: events.Observed, before: Ledger, truth: Truth, now: float) -> None:
    status = status_name(event.status)
    if status not in FINAL:
        raise ViolationError(f"{status} of {event.run} is recorded and not final")
    record = before.records.get(event.run)
    if record is not None and record.status == status:
        raise ViolationError(f"{status} of {event.run} is recorded a second time")
    if not any(status in one.finals(now) for one in truth.taken_for(event.run)):
        raise ViolationError(f"{event.run} is recorded as {status}, which it never came to")
