"""What must have become of everything once the trouble is over, and what it came to."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from math import inf

from msgspec import Struct
from msgspec.structs import fields

from reconciler.enos.statuses import NOT_FOUND
from reconciler.errors import ExitCode
from reconciler.ledger import Ledger, Record, RunState
from reconciler.ledger.records import STARTED, UNSETTLED, Phase
from reconciler.model import Nonce, Run, first_attempt, run_attempt, run_id, run_name
from reconciler.times import MINUTE_MS, parse_instant
from tests.simulation.held import is_crowded, is_stopped
from tests.simulation.instances import Started
from tests.simulation.promise import Needed, ViolationError, attempts, has_succeeded, needed
from tests.simulation.twins import has_a_twin
from tests.simulation.world import World

SLACK_SECONDS = 1.0  # clocks differ, and answers take time


class Account(Struct, frozen=True, kw_only=True):
    """What one seed came to, or several; everything is counted in runs unless it says otherwise."""

    started: int = 0  # attempts
    shared: int = 0  # of them: while another applier was starting runs under a claim of its own
    crashes: int = 0  # of appliers
    in_doubt: int = 0  # their time lies ahead, or nobody can tell
    in_doubt_plain: int = 0  # of them: where the service is as kind as can be
    lost_answers: int = 0  # to starts
    lost_answers_plain: int = 0  # of them: the same
    lost_in_doubt: int = 0  # runs: of which nobody could tell after that, though their time came
    superseded_in_doubt: int = 0  # not declared any more: nobody knows what their instance carries
    lost_in_doubt_plain: int = 0  # of them: the same
    plain: int = 0  # seeds, the same
    strangers: int = 0  # instances that others have started
    adopted: int = 0  # started by hand, and recorded as such
    mistaken: int = 0  # recorded with an instance of others that nothing told from their own
    untold: int = 0  # whose instance has ended, and nobody could tell how
    dependents: int = 0  # started after what they depend on
    after_another: int = 0  # started after the date before
    matched: int = 0  # started after those that agree with them
    stopped: int = 0  # not started, because too many have failed
    limited: int = 0  # declared, of which only so many may be under way
    duplicates: int = 0  # the same as another run, and meant
    revised: int = 0  # by a later revision
    edited: int = 0  # edits of a backfill's hour or matrix, not in runs
    retried: int = 0  # further attempts
    blocked: int = 0  # not started, because of what they depend on
    called_off: int = 0  # not started, because of `cancel`
    cancelled: int = 0  # instances
    observed: int = 0  # ends that are recorded
    forgotten: int = 0  # of them: the service did not know the instance any more
    moved: int = 0  # started at another minute, for the stagger
    overdue: int = 0  # starts that left after their claim, from a process that was frozen

    def __add__(self, other: "Account") -> "Account":
        return Account(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )


def check_end(world: World, looked: float, patience: float, waited: float | None) -> None:
    """Whether every run is where it must be.

    `looked`: when an apply last began to look; `patience`: how long after its trigger time a run in
    doubt may be so; `waited`: when one began that waited for every end, if one did.
    """
    for one in world.truth.started:
        record = world.tip.ledger.records.get(one.run.id)
        if record is None or record.phase not in STARTED:
            state = record.state(world.service_time()) if record else RunState.PENDING
            if state is not RunState.IN_DOUBT and not _seems_to_last(world, state):
                raise ViolationError(f"{one.run.id} was started and is recorded as {state}")
    # Of what was started late, two may run: what becomes of them is a person's to say. The ledger
    # tells of it, unless the apply has come to nothing before it could.
    for one in world.truth.overdue:
        record = world.tip.ledger.records[one.run.id]
        doubts = record.phase in UNSETTLED or record.started_twice
        told = (one.run.id, one.claim) in world.truth.told_late
        if told and not doubts and one.instance not in record.instances:
            raise ViolationError(f"the ledger does not tell of {one.run.id}, which left too late")
    overdue = {first_attempt(one.run.id) for one in world.truth.overdue}
    # Nor does anybody know what came of one that is recorded so, but has never arrived.
    overdue |= {first_attempt(one.run) for one in world.tip.ledger.records.values() if one.overdue}
    for run in world.tip.runs:
        if run.id not in overdue:
            _check_run(world, run, Looks(looked=looked, patience=patience, waited=waited))


def check_told(world: World, name: str, said: Collection[str]) -> None:
    """Whether an apply tells of each start of its own that left after its claim.

    `said`: the runs that it speaks of at its end; or in words meanwhile, if an error has ended it.
    """
    for one in world.truth.overdue:
        record = world.tip.ledger.records.get(one.run.id)
        known = record is not None and (
            one.instance in record.instances
            or (record.claim == one.claim and record.phase in UNSETTLED)
        )
        if one.by == name and not known and one.run.id not in said:
            raise ViolationError(f"{name} says nothing of {one.run.id}, which left too late")


class Looks(Struct, frozen=True, kw_only=True):
    """What has been done to learn of everything; the arguments of `check_end`."""

    looked: float
    patience: float
    waited: float | None


def check_waited(world: World, began: float) -> None:
    """Whether an apply has waited for all that it has started, and for what others waited for."""
    if not world.truth.oddities.plain:
        return  # it may have to give up
    ledger = world.tip.ledger
    for one in world.truth.started:
        record = ledger.records[one.run.id]
        ours = one.at >= began and record.phase is Phase.TRIGGERED
        if ours and not has_a_twin(world, record):
            raise ViolationError(f"the end of {one.run.id} was not waited for")
    for run in world.tip.runs:
        if attempts(ledger, run.name, run.revision):
            continue
        _check_room(world, run)
        phases = {_phase(ledger, wanted) for wanted in needed(run, world.tip.runs, ledger)}
        waits = phases in ({Phase.TRIGGERED}, {Phase.TRIGGERED, Phase.SUCCEEDED})
        kept = run.cancel or is_missed(world, run) or is_held(world, run) or is_full(world, run)
        if waits and not kept:
            raise ViolationError(f"{run.id} was left waiting")


def _check_room(world: World, run: Run) -> None:
    """Whether the run finds no room only because of what has no end yet that anybody could see."""
    ledger, most = world.tip.ledger, world.environment.limits.max_active_per_flow
    held = run.cancel or is_missed(world, run) or is_held(world, run) or is_blocked(world, run)
    if held or is_stopped(run, ledger) or not is_crowded(run, ledger, most):
        return
    if not any(one.phase in UNSETTLED for one in ledger.records.values()):
        raise ViolationError(f"no room was made for {run.id}")


def _phase(ledger: Ledger, wanted: Needed) -> Phase | None:
    recorded = attempts(ledger, *wanted)
    return recorded[-1].phase if recorded else None


def _check_run(world: World, run: Run, looks: Looks) -> None:
    recorded = attempts(world.tip.ledger, run.name, run.revision)
    if not recorded:
        _must_be_kept(world, run, run.id)
        return
    _check_earlier(world, recorded[:-1])
    last = recorded[-1]
    state = last.state(world.service_time())
    plain = world.truth.oddities.plain  # else nobody may be able to tell
    match state:
        case RunState.SUCCEEDED:
            return
        case RunState.FAILED:
            _must_not_follow(world, run, last)
        case RunState.PENDING | RunState.REJECTED:
            _must_be_kept(world, run, last.run)
        case RunState.TRIGGERED | RunState.IN_DOUBT if not plain:
            return
        case RunState.TRIGGERED:
            _must_run(world, run, last, looks)
        case RunState.IN_DOUBT:
            _must_be_doubtful(world, last, looks.patience)
        case RunState.CLAIMED:
            if not _seems_to_last(world, state):
                raise ViolationError(f"in peace, {last.run} is still {state}")


def _check_earlier(world: World, recorded: Sequence[Record]) -> None:
    for record in recorded:
        if record.state(world.service_time()) is not RunState.FAILED and not _rerun(world, record):
            raise ViolationError(f"{record.run} has not failed, and another attempt followed")


def _rerun(world: World, record: Record) -> bool:
    return any(one.rerun for one in world.truth.taken_for(record.run))


def _must_be_kept(world: World, run: Run, id_: str) -> None:
    """The run was not started, so something must keep it; what that is, is checked by itself."""
    if not is_kept(world, run):
        raise ViolationError(f"in peace, {id_} was not started, and nothing keeps it")


def is_kept(world: World, run: Run) -> bool:
    """Whether anything rightly keeps the run from being started, or from being tried again."""
    missed = is_missed(world, run)
    full = is_full(world, run)
    kept = run.cancel or missed or is_blocked(world, run) or is_held(world, run) or full
    return kept or any(is_kept(world, one) for one in _to_come_first(world, run))


def _to_come_first(world: World, run: Run) -> list[Run]:
    """What the run is a duplicate of, as long as that was not started."""
    runs = [one for one in world.tip.runs if one.name == run.duplicate_of]
    return [one for one in runs if not attempts(world.tip.ledger, one.name, one.revision)]


def is_full(world: World, run: Run) -> bool:
    """Whether too many of its manifest have failed, or too many are under way."""
    ledger, most = world.tip.ledger, world.environment.limits.max_active_per_flow
    return is_stopped(run, ledger) or is_crowded(run, ledger, most)


def is_missed(world: World, run: Run) -> bool:
    """Whether its `notAfter` has passed."""
    return run.not_after is not None and run.not_after < world.service_time()


def is_blocked(world: World, run: Run) -> bool:
    """Whether anything that the run depends on has not succeeded."""
    ledger = world.tip.ledger
    return any(not has_succeeded(ledger, one) for one in needed(run, world.tip.runs, ledger))


def is_held(world: World, run: Run) -> bool:
    """Whether a run is in doubt whose instance could be taken for this one's."""
    return any(
        one.digest == run.digest or run_name(one.run) in {run.name, run.duplicate_of}
        for one in in_doubt(world)
    )


def _must_not_follow(world: World, run: Run, last: Record) -> None:
    attempt = run_attempt(last.run)
    wanted = run.retry is not None and attempt <= run.retry.max and last.status in run.retry.on
    if wanted and not is_kept(world, run):
        following = run_id(run.name, run.revision, attempt + 1)
        raise ViolationError(f"in peace, {following} was not started")


def _must_run(world: World, run: Run, record: Record, looks: Looks) -> None:
    looked = looks.looked
    (instance,) = world.truth.taken_for(record.run)
    ends = instance.rerun.ends if instance.rerun else instance.ends  # between them it has no end
    shown = max(instance.begins, _triggered_at(world, record))
    shown += world.environment.gateway.settle
    seen = max(instance.begins, ends, instance.listed, shown)
    if instance.forgotten:
        # Until it must have shown up, nobody can tell that it was forgotten; nor at one look.
        seen = max(seen, _triggered_at(world, record)) + world.environment.gateway.settle
        looked = -inf if looks.waited is None else looks.waited
    if has_a_twin(world, record) or _is_contested(world, record):
        return
    if seen + SLACK_SECONDS < looked:
        raise ViolationError(f"in peace, the end of {record.run} is not recorded")
    if run.cancel and record.cancelled is None and instance.listed + SLACK_SECONDS < looked:
        raise ViolationError(f"in peace, {record.run} was not cancelled")


def _triggered_at(world: World, record: Record) -> float:
    assert record.triggered_at is not None
    return world.truth.clock.reached(parse_instant(record.triggered_at))


def _seems_to_last(world: World, state: RunState) -> bool:
    """Whether a claim has lapsed that the gateway's clock, set back, still takes for a live one."""
    return state is RunState.CLAIMED and bool(world.truth.oddities.jumps)


def _must_be_doubtful(world: World, record: Record, patience: float) -> None:
    if world.truth.clock.reached(record.trigger_time) > world.now - patience:
        return  # nobody can tell before its time has come
    if has_a_twin(world, record) or _stood_there_by_a_round_stamp(world, record):
        return
    raise ViolationError(f"in peace, {record.run} is still in doubt")


def _is_contested(world: World, record: Record) -> bool:
    """Whether a run in doubt of the minute may have made what has a round stamp."""
    return any(
        (one.flow_id, one.trigger_time // MINUTE_MS)
        == (record.flow_id, record.trigger_time // MINUTE_MS)
        and _stood_there_by_a_round_stamp(world, one)
        for one in in_doubt(world)
    )


def _stood_there_by_a_round_stamp(world: World, record: Record) -> bool:
    """Whether what was seen before the claim may be told by its stamp from nothing newer."""
    claim = world.tip.ledger.claims[record.claim] if record.claim else None
    seen = claim.before if claim is not None else ()
    return any(not (one.created and one.created % 30_000) for one in seen)


def check_exit(world: World, code: ExitCode) -> None:
    """Whether an apply that has nothing left to do, and does not wait, ends as it must."""
    twice = any(one.started_twice for one in world.tip.ledger.records.values())
    expected = ExitCode.IN_DOUBT if in_doubt(world) or twice else ExitCode.OK
    # Where the service is odd, something may be left to a person; that nothing is in doubt is not
    # said where something is.
    odd = not world.truth.oddities.plain and expected is ExitCode.OK
    if code is not expected and not odd:
        raise ViolationError(f"the last apply ends with {code!r}")


def _shared(started: Sequence[Started]) -> int:
    """How many of the starts lie between two of another claim."""
    times: dict[Nonce | None, list[float]] = defaultdict(list)
    for one in started:
        times[one.claim].append(one.at)
    spans = {claim: (min(its), max(its)) for claim, its in times.items()}
    return sum(
        any(first <= one.at <= last for claim, (first, last) in spans.items() if claim != one.claim)
        for one in started
    )


def account_of(world: World, crashes: int) -> Account:
    """Count what has happened."""
    ledger = world.tip.ledger
    records = ledger.records.values()
    truth, plain = world.truth, world.truth.oddities.plain
    ids = {one.run.id for one in truth.started}
    kept = [run for run in world.tip.runs if run.id not in ids]
    doubts = len(in_doubt(world))
    now = world.service_time()
    declared = {run.id for run in world.tip.runs}
    due = [one.run for one in in_doubt(world) if one.trigger_time <= now]
    lost = sum(one in world.lost and first_attempt(one) in declared for one in due)
    return Account(
        started=len(truth.started),
        shared=_shared(truth.started),
        crashes=crashes,
        in_doubt=doubts,
        in_doubt_plain=doubts if plain else 0,
        lost_answers=len(world.lost),
        lost_answers_plain=len(world.lost) if plain else 0,
        lost_in_doubt=lost,
        superseded_in_doubt=sum(first_attempt(one) not in declared for one in due),
        lost_in_doubt_plain=lost if plain else 0,
        plain=int(plain),
        strangers=len(truth.strangers),
        adopted=len(truth.adopted),
        mistaken=len(truth.mistaken),
        untold=sum(_is_untold(world, record) for record in records),
        dependents=sum(bool(one.run.depends_on) for one in truth.started),
        after_another=sum(one.run.after is not None for one in truth.started),
        matched=sum(bool(one.run.matching) for one in truth.started),
        stopped=sum(not run.cancel and is_stopped(run, ledger) for run in kept),
        limited=sum(run.max_active is not None for run in world.tip.runs),
        duplicates=sum(one.run.duplicate_of is not None for one in truth.started),
        edited=world.edits,
        revised=sum(one.run.revision > 1 for one in truth.started),
        retried=sum(one.run.attempt > 1 for one in truth.started),
        blocked=sum(not run.cancel and is_blocked(world, run) for run in kept),
        called_off=sum(run.cancel for run in kept),
        cancelled=sum(record.cancelled == "done" for record in records),
        observed=sum(record.status is not None for record in records),
        forgotten=sum(record.status == NOT_FOUND for record in records),
        overdue=len(truth.overdue),
        moved=sum(one.run.delay > 0 for one in truth.started),
    )


def _is_untold(world: World, record: Record) -> bool:
    if record.phase is not Phase.TRIGGERED:
        return False
    return all(not one.is_running(world.now) for one in world.truth.taken_for(record.run))


def in_doubt(world: World) -> list[Record]:
    """The runs of which nobody knows whether they were started."""
    now, records = world.service_time(), world.tip.ledger.records.values()
    return [record for record in records if record.state(now) is RunState.IN_DOUBT]
