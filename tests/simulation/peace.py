"""What must have become of everything once the trouble is over, and what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from reconciler.errors import ExitCode
from reconciler.ledger import Ledger, Record, RunState
from reconciler.ledger.records import STARTED, Phase
from reconciler.ledger.statuses import NOT_FOUND
from reconciler.model import Run, run_attempt, run_id
from reconciler.times import parse_instant
from tests.simulation.instances import Started
from tests.simulation.promise import ViolationError, attempts, has_succeeded, needed
from tests.simulation.world import World

SLACK_SECONDS = 1.0  # clocks differ, and answers take time


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one seed came to, or several; everything is counted in runs unless it says otherwise."""

    started: int = 0  # attempts
    crashes: int = 0  # of appliers
    in_doubt: int = 0  # their time lies ahead, or their instance has an id that is taken
    dependents: int = 0  # started after what they depend on
    retried: int = 0  # further attempts
    blocked: int = 0  # not started, because of what they depend on
    called_off: int = 0  # not started, because of `cancel`
    cancelled: int = 0  # instances
    observed: int = 0  # ends that are recorded
    forgotten: int = 0  # of them: the service did not know the instance any more
    moved: int = 0  # started at another minute, for the stagger

    def __add__(self, other: "Account") -> "Account":
        return Account(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )


def check_end(world: World, looked: float, patience: float) -> None:
    """Whether every run is where it must be.

    `looked`: when an apply last began to look; `patience`: how long after its trigger time a run in
    doubt may be so.
    """
    for one in world.started:
        record = world.tip.ledger.records.get(one.run.id)
        if record is None or record.phase not in STARTED:
            state = record.state(world.service_time()) if record else RunState.PENDING
            if state is not RunState.IN_DOUBT:
                raise ViolationError(f"{one.run.id} was started and is recorded as {state}")
    for run in world.tip.runs:
        _check_run(world, run, looked, patience)


def check_waited(world: World, began: float) -> None:
    """Whether an apply has waited for all that it has started, and for what others waited for."""
    ledger = world.tip.ledger
    for one in world.started:
        record = ledger.records[one.run.id]
        if one.at >= began and record.phase is Phase.TRIGGERED:
            raise ViolationError(f"the end of {one.run.id} was not waited for")
    for run in world.tip.runs:
        if run.cancel or attempts(ledger, run.name):
            continue
        phases = {_phase(ledger, name) for name in needed(run, world.tip.runs, ledger)}
        if phases in ({Phase.TRIGGERED}, {Phase.TRIGGERED, Phase.SUCCEEDED}):
            raise ViolationError(f"{run.id} was left waiting")


def _phase(ledger: Ledger, name: str) -> Phase | None:
    recorded = attempts(ledger, name)
    return recorded[-1].phase if recorded else None


def _check_run(world: World, run: Run, looked: float, patience: float) -> None:
    recorded = attempts(world.tip.ledger, run.name)
    if not recorded:
        _must_be_kept(world, run, run.id)
        return
    for record in recorded[:-1]:
        if record.state(world.service_time()) is not RunState.FAILED and not _rerun(world, record):
            raise ViolationError(f"{record.run} has not failed, and another attempt followed")
    last = recorded[-1]
    match state := last.state(world.service_time()):
        case RunState.SUCCEEDED:
            return
        case RunState.FAILED:
            _must_not_follow(world, run, last)
        case RunState.TRIGGERED:
            _must_run(world, run, last, looked)
        case RunState.IN_DOUBT:
            _must_be_doubtful(world, last, patience)
        case RunState.PENDING | RunState.REJECTED:
            _must_be_kept(world, run, last.run)
        case _:
            raise ViolationError(f"in peace, {last.run} is still {state}")


def _rerun(world: World, record: Record) -> bool:
    return any(one.rerun for one in world.started if one.run.id == record.run)


def _must_be_kept(world: World, run: Run, id_: str) -> None:
    """The run was not started, so something must keep it; what that is, is checked by itself."""
    if not run.cancel and not is_blocked(world, run):
        raise ViolationError(f"in peace, {id_} was not started, and nothing keeps it")


def is_blocked(world: World, run: Run) -> bool:
    """Whether anything that the run depends on has not succeeded."""
    ledger = world.tip.ledger
    return any(not has_succeeded(ledger, name) for name in needed(run, world.tip.runs, ledger))


def _must_not_follow(world: World, run: Run, last: Record) -> None:
    attempt = run_attempt(last.run)
    wanted = run.retry is not None and attempt <= run.retry.max and last.status in run.retry.on
    if wanted and not run.cancel and not is_blocked(world, run):
        raise ViolationError(f"in peace, {run_id(run.name, 1, attempt + 1)} was not started")


def _must_run(world: World, run: Run, record: Record, looked: float) -> None:
    alike = _alike(world, record)
    if len(alike) > 1:
        return  # one id for several: nobody can tell which has ended how
    (instance,) = alike
    ends = instance.rerun.ends if instance.rerun else instance.ends  # between them it has no end
    seen = max(instance.begins, ends, instance.listed)
    if instance.forgotten:
        # Until it must have shown up, nobody can tell that it was forgotten.
        seen = max(seen, _triggered_at(world, record)) + world.environment.gateway.settle
    if seen + SLACK_SECONDS < looked:
        raise ViolationError(f"in peace, the end of {record.run} is not recorded")
    if run.cancel and record.cancelled is None and instance.listed + SLACK_SECONDS < looked:
        raise ViolationError(f"in peace, {record.run} was not cancelled")


def _triggered_at(world: World, record: Record) -> float:
    assert record.triggered_at is not None
    return world.clock.reached(parse_instant(record.triggered_at))


def _alike(world: World, record: Record) -> Sequence[Started]:
    return [one for one in (*world.by_hand, *world.started) if one.instance == record.instances[0]]


def _must_be_doubtful(world: World, record: Record, patience: float) -> None:
    if world.clock.reached(record.trigger_time) > world.now - patience:
        return  # nobody can tell before its time has come
    if world.ids_carry_minutes_only:
        return  # its instance may have an id that is taken
    raise ViolationError(f"in peace, {record.run} is still in doubt")


def expected_exit(world: World) -> ExitCode:
    """With what an apply ends that has nothing left to do, and does not wait."""
    if in_doubt(world):
        return ExitCode.IN_DOUBT
    records = [attempts(world.tip.ledger, run.name) for run in world.tip.runs if run.cancel]
    uncancelled = (one[-1] for one in records if one and one[-1].phase is Phase.TRIGGERED)
    # One id for several: whose instance would be cancelled, nobody can tell.
    left = any(one.cancelled is None and len(_alike(world, one)) > 1 for one in uncancelled)
    return ExitCode.PROBLEM if left else ExitCode.OK


def account_of(world: World, crashes: int) -> Account:
    """Count what has happened."""
    ledger = world.tip.ledger
    records = ledger.records.values()
    kept = [run for run in world.tip.runs if run.id not in {one.run.id for one in world.started}]
    return Account(
        started=len(world.started),
        crashes=crashes,
        in_doubt=in_doubt(world),
        dependents=sum(bool(one.run.depends_on) for one in world.started),
        retried=sum(one.run.attempt > 1 for one in world.started),
        blocked=sum(not run.cancel and is_blocked(world, run) for run in kept),
        called_off=sum(run.cancel for run in kept),
        cancelled=sum(record.cancelled == "done" for record in records),
        observed=sum(record.status is not None for record in records),
        forgotten=sum(record.status == NOT_FOUND for record in records),
        moved=sum(one.run.delay > 0 for one in world.started),
    )


def in_doubt(world: World) -> int:
    """How many runs nobody knows about whether they were started."""
    now, records = world.service_time(), world.tip.ledger.records.values()
    return sum(record.state(now) is RunState.IN_DOUBT for record in records)
