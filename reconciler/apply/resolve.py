"""A person settles a run that is in doubt, and lost outcomes are fed back: the protocol of both."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from reconciler.apply.branch import Branch
from reconciler.apply.evidence import is_disowned
from reconciler.apply.lease import ServiceClock
from reconciler.apply.look import elsewhere
from reconciler.apply.ports import Clock, Gateway, Instance, Landed, Raced, Snapshot, Store
from reconciler.apply.suspect import is_of_another_flow, search_window
from reconciler.configuration import Environment
from reconciler.errors import GitError, RefusedError
from reconciler.ledger import Event, Ledger, Record, RunState, events
from reconciler.ledger.files import TRAILER
from reconciler.ledger.records import STARTED
from reconciler.model import EpochMs, InstanceId, RunId, run_attempt, run_id
from reconciler.schedule import scheduled
from reconciler.times import MINUTE_MS, format_instant, parse_instant

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonsDecision:
    """What a person says about a run."""

    run: RunId
    triggered: InstanceId | None  # None: it was not started
    by: str
    reason: str = ""
    sure: bool = False  # even though somebody may still start it, or its time lies ahead


async def resolve(
    decision: PersonsDecision,
    store: Store,
    open_gateway: Callable[[Environment], AbstractAsyncContextManager[Gateway]],
    clock: Clock,
) -> Record:
    """Record the decision on the shared branch, and give what is known of the run then.

    The run may be called as its manifest calls it by now. Raises RefusedError where the run is not
    in doubt, the instance is not one of the run's flow, or the decision is premature and not
    `sure`; GitError, GatewayError.
    """
    _check_words(decision)
    snapshot = await store.fetch()
    decision = replace(decision, run=_recorded(snapshot, decision.run))
    judged = _unsettled(snapshot.ledger, decision).claim
    async with open_gateway(snapshot.environment) as gateway:
        service = await ServiceClock.ask(gateway, clock)
        for _ in range(_ATTEMPTS):
            record = _unsettled(snapshot.ledger, decision)
            if record.claim != judged:
                raise RefusedError(
                    f"{decision.run} was claimed anew meanwhile",
                    hint=f"Look again: `reconciler status {decision.run}`.",
                )
            await _check_decision(decision, snapshot, record, gateway, service.earliest())
            event = _resolved(decision, record, service.earliest())
            appended = await store.append(snapshot, [event], _message(snapshot, record, decision))
            if isinstance(appended, Landed):
                return appended.snapshot.ledger.records[decision.run]
            if not isinstance(appended, Raced):
                raise GitError(f"the decision was not recorded for certain: {appended.message}")
            snapshot = await store.fetch()
    raise GitError("the decision was not recorded: the branch kept moving", hint="Try again.")


def _recorded(snapshot: Snapshot, run: RunId) -> RunId:
    """The run as it is recorded. Raises RefusedError for one of which nothing is recorded."""
    if run in snapshot.ledger.records:
        return run
    for one in scheduled(snapshot.declared, snapshot.ledger).runs:
        if one.declared_id(run_attempt(run)) == run:
            if one.declared_as:
                return run_id(one.name, one.revision, run_attempt(run))
            raise RefusedError(
                f"{run} was never claimed: there is nothing to settle",
                hint=f"`reconciler status {run}` says what it waits for.",
            )
    raise RefusedError(f"{run} is not in the ledger", hint="`reconciler status` lists every run.")


def _check_words(decision: PersonsDecision) -> None:
    """Refuse words that no service or ledger can hold, such as bytes that are no text."""
    id_ = decision.triggered
    if id_ is not None and not _is_name(id_):
        raise RefusedError(f"{id_!r} is no instance id")
    if decision.reason.encode(errors="replace").decode() != decision.reason:
        raise RefusedError(f"the reason {decision.reason!r} is no text")


def _is_name(id_: InstanceId) -> bool:
    return id_.isprintable() and id_ == id_.strip() != ""


def _unsettled(ledger: Ledger, decision: PersonsDecision) -> Record:
    """The record of a run in doubt, or of one that was started twice and is given its instance."""
    run, record = decision.run, ledger.records[decision.run]
    if record.started_twice and record.phase in STARTED:
        if decision.triggered not in record.instances:
            raise RefusedError(
                f"{run} was {record.error}",
                hint=f"Say which of them counts: --triggered {' or '.join(record.instances)}.",
            )
        return record
    state = record.state(record.until)  # a claim is judged by `_check_due`, not here
    if state is not RunState.IN_DOUBT:
        raise RefusedError(f"{run} is not in doubt: it is {state}")
    return record


async def _check_decision(
    decision: PersonsDecision, snapshot: Snapshot, record: Record, gateway: Gateway, now: EpochMs
) -> None:
    """Refuse a decision that the service does not bear out, or that comes too early."""
    _check_service(snapshot, record)
    if decision.triggered is not None:
        found = await _known(gateway, decision.triggered)
        _check_free(snapshot.ledger, record, found)
        _check_its(record, found, sure=decision.sure)
    elif not decision.sure:
        _check_due(record, now)


def _resolved(decision: PersonsDecision, record: Record, now: EpochMs) -> events.Resolved:
    return events.Resolved(
        v=events.VERSION,
        at=format_instant(now),
        run=decision.run,
        by=decision.by,
        triggered=decision.triggered,
        claim=record.claim,
        reason=decision.reason,
    )


def _check_due(record: Record, now: EpochMs) -> None:
    for what, until in (
        ("its claim lasts until", record.until),
        ("its trigger time comes at", record.trigger_time),
    ):
        if until > now:
            raise RefusedError(
                f"{what} {format_instant(until)}: until then {record.run} may still be started, or "
                "wait unseen at the service",
                hint="Wait, or say --yes if you know that it was not and will not be started.",
            )


def _check_service(snapshot: Snapshot, record: Record) -> None:
    reason = elsewhere(record, snapshot.ledger.claims, snapshot.environment.gateway)
    if reason is not None:
        raise RefusedError(f"{record.run} cannot be settled: {reason}")


def _check_free(ledger: Ledger, record: Record, found: Instance) -> None:
    """Refuse an instance of another run, unless the service gives both runs one id.

    It may in one minute. Elsewhere, as where an id is a whole day's, the instance itself must show
    a flow or a trigger time that cannot be the other run's.
    """
    for other in ledger.records.values():
        same = _minute(other) == _minute(record)
        if found.id in other.instances and not same and not is_disowned(other, found):
            raise RefusedError(f"instance {found.id} is recorded as that of {other.run}")


def _minute(record: Record) -> tuple[int | None, int]:
    return record.flow_id, record.trigger_time // MINUTE_MS


async def _known(gateway: Gateway, instance: InstanceId) -> Instance:
    found = await gateway.instance(instance)
    if found is None:
        raise RefusedError(f"the service knows no instance {instance}")
    return found


def _check_its(record: Record, found: Instance, *, sure: bool) -> None:
    """Refuse an instance that shows another flow or trigger time than the run's."""
    if is_of_another_flow(record.flow_id, found):
        raise RefusedError(
            f"instance {found.id} is of flow {found.flow_id}, and {record.run} of {record.flow_id}"
        )
    if not (sure or _shows_minute(record, found)):
        times = found.trigger_time, record.trigger_time
        shown, own = (format_instant(time) for time in times if time is not None)
        raise RefusedError(
            f"instance {found.id} has the trigger time {shown}, and {record.run} has {own}",
            hint="Say --yes if the service cuts the times that it shows, or shows other ones.",
        )


def _shows_minute(record: Record, found: Instance) -> bool:
    """Whether it shows the run's minute, in some zone, and not merely an hour or a day around."""
    if found.trigger_time is None:
        return True
    start, end = search_window(record.trigger_time)
    return any(start <= one < end for one in (found.trigger_time, *found.trigger_times))


def _message(snapshot: Snapshot, record: Record, decision: PersonsDecision) -> str:
    what = f"triggered as {decision.triggered}" if decision.triggered else "not triggered"
    subject = f"reconciler: {snapshot.environment.name}: {decision.run} was {what} [skip ci]"
    return f"{subject}\n\n{TRAILER}: {record.claim}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What came of feeding lost outcomes back."""

    missing: int  # of them were not on the branch before
    twice: Sequence[Record]  # runs of which two starts are known by now, and nobody settled it


async def recover(lost: Sequence[Event], branch: Branch) -> Recovered:
    """Append those of the lost outcomes that the branch does not hold.

    Raises RefusedError for an outcome whose claim the branch does not have with that run and
    digest, and what `Branch.record` raises.
    """
    ledger = branch.snapshot.ledger
    for event in lost:
        _check_claimed(event, ledger)
    branch.pending = branch.news(lost)
    missing = len(branch.pending)
    await branch.record()
    runs = {event.run for event in lost if not isinstance(event, events.Claim)}
    records = (branch.snapshot.ledger.records.get(run) for run in sorted(runs))
    twice = [record for record in records if record is not None and record.started_twice]
    return Recovered(missing=missing, twice=twice)


def _check_claimed(event: Event, ledger: Ledger) -> None:
    if isinstance(event, events.Claim | events.Observed | events.Resolved):
        raise RefusedError("the file holds other events than outcomes: it is not a rescue file")
    claim = ledger.claims.get(event.claim) if event.claim else None
    claimed = claim.runs.get(event.run) if claim else None
    if claimed is None:
        raise RefusedError(
            f"the branch has no claim {event.claim} of {event.run}",
            hint="Is this the repository and the environment that the file comes from?",
        )
    try:
        parse_instant(event.at)
    except ValueError as error:
        raise RefusedError(f"{event.run} has a time in the file that {error}: {event.at}") from None
    if isinstance(event, events.Triggered):
        _check_triggered(event, claimed)


def _check_triggered(event: events.Triggered, claimed: events.ClaimedRun) -> None:
    pairs = (
        ("digest", event.digest, claimed.digest),
        ("trigger time", event.trigger_time, claimed.trigger_time),
        ("flow", event.flow_id, event.flow_id if claimed.flow_id is None else claimed.flow_id),
    )
    for what, told, recorded in pairs:
        if told != recorded:
            raise RefusedError(f"{event.run} was claimed with another {what} than the file says")
    if not _is_name(event.flow_instance_id):
        raise RefusedError(f"{event.run} has no readable instance id in the file")
