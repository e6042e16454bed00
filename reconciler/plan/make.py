"""Making the plan of an environment."""

from collections.abc import Iterator, Mapping
from itertools import chain

from reconciler.configuration import Environment
from reconciler.identity import NOTHING_ELSE, Surroundings
from reconciler.ledger import Ledger, Record
from reconciler.ledger.records import Phase
from reconciler.model import Declared, Digest, EpochMs, Run, run_name
from reconciler.plan.decide import (
    UNSETTLED_STATES,
    Context,
    OtherLedgers,
    decide,
    decide_start,
    decide_unsettled,
    succeeded_decision,
    unsettled_runs,
)
from reconciler.plan.limits import limit_runs, stopped_manifests
from reconciler.plan.prerequisites import (
    Dependencies,
    Newest,
    newest_attempt,
    wants_another_attempt,
)
from reconciler.plan.standing import Meant, accepts_every_run
from reconciler.plan.values import (
    Action,
    BriefPlanned,
    Decision,
    FlowCheck,
    FullPlanned,
    Plan,
    PlannedRun,
    Reason,
)
from reconciler.rules import check
from reconciler.schedule import schedule_runs, undeclared_records

_NO_FLOWS: Mapping[int, FlowCheck] = {}


def plan_environment(
    environment: Environment,
    declared: Declared,
    ledger: Ledger,
    now: EpochMs,
    *,
    commit: str | None,
    flows: Mapping[int, FlowCheck] = _NO_FLOWS,
    surroundings: Surroundings = NOTHING_ELSE,
    is_scheduled: bool = False,
    is_meant: Meant = accepts_every_run,
) -> Plan:
    """The plan of an environment by its configuration; see `make_plan`."""
    return make_plan(
        declared,
        ledger,
        now,
        environment=environment.name,
        commit=commit,
        same_minute_allowed=environment.gateway.same_minute_allowed,
        reserved_parameter=environment.gateway.correlation_parameter,
        max_active_per_flow=environment.limits.max_active_per_flow,
        flows=flows,
        surroundings=surroundings,
        is_scheduled=is_scheduled,
        is_meant=is_meant,
    )


def make_plan(  # noqa: PLR0913 - all that a plan follows from, by keyword
    declared: Declared,
    ledger: Ledger,
    now: EpochMs,
    *,
    environment: str,
    commit: str | None,
    same_minute_allowed: bool,
    reserved_parameter: str | None = None,
    flows: Mapping[int, FlowCheck] = _NO_FLOWS,
    surroundings: Surroundings = NOTHING_ELSE,
    is_scheduled: bool = False,
    is_meant: Meant = accepts_every_run,
    max_active_per_flow: int | None = None,
) -> Plan:
    """Decide on every declared run, and on every recorded run that still matters.

    `is_scheduled`: `declared` is already scheduled with this ledger. A run for which `is_meant` is
    false is planned as if it were suspended. `now` is the time by the gateway's clock if it is
    known, otherwise by the local one. `flows` are the flows that the service was asked about,
    `surroundings` the rest of the repository.
    """
    declared = declared if is_scheduled else schedule_runs(declared, ledger)
    findings = check(
        declared,
        ledger,
        same_minute_allowed=same_minute_allowed,
        reserved_parameter=reserved_parameter,
        surroundings=surroundings,
        now=now,
    )
    problems = tuple(sorted((*declared.problems, *findings.problems)))
    stopped = stopped_manifests(declared.runs, ledger)
    context = Context(
        ledger=ledger,
        findings=findings,
        stopped=stopped,
        now=now,
        problems=bool(problems),
        unsettled=unsettled_runs(ledger),
        dependencies=Dependencies(declared, ledger, now, stopped.keys(), is_meant),
        flows=flows,
        beside=OtherLedgers(declared.runs, surroundings),
        is_meant=is_meant,
    )
    runs = limit_runs(_planned_runs(declared, context), declared.runs, ledger, max_active_per_flow)
    return Plan(
        environment=environment,
        commit=commit,
        at=now,
        runs=tuple(runs),
        problems=problems,
        retired=_count_retired(declared, surroundings),
    )


def _count_retired(declared: Declared, surroundings: Surroundings) -> int:
    """How many runs of retired ledgers may have been started and are declared nowhere."""
    ledgers = [surroundings.elsewhere[folder] for folder in surroundings.retired]
    everywhere = chain(declared.runs, *surroundings.declared.values()) if ledgers else ()
    digests = {run.digest for run in everywhere}
    return sum(
        record.may_have_started and record.digest not in digests
        for ledger in ledgers
        for record in ledger.records.values()
    )


def _planned_runs(declared: Declared, context: Context) -> tuple[PlannedRun, ...]:
    """Every run of the plan, in the order in which they start."""
    runs = [_succeeded_run(run, context) or _declared_run(run, context) for run in declared.runs]
    runs += _undeclared_runs(declared, context)
    runs.sort(key=lambda run: run.turn)
    return tuple(_defer_duplicates(runs))


def _defer_duplicates(runs: list[PlannedRun]) -> list[PlannedRun]:
    """Let a declared duplicate wait for its original, so that their instances can be told apart."""
    starting = [planned for planned in runs if planned.action is Action.START]
    if len({planned.digest for planned in starting}) == len(starting):
        return runs
    first: dict[Digest, PlannedRun] = {}
    for planned in starting:
        if planned.run is not None:
            before = first.setdefault(planned.digest, planned)
            if before.run and before.run.duplicate_of and not planned.run.duplicate_of:
                first[planned.digest] = planned
    return [
        planned.but(
            action=Action.WAIT,
            reason=f"waits for {first[planned.digest].id}",
            code=Reason.WAITS_FOR,
        )
        if planned.action is Action.START and first[planned.digest] is not planned
        else planned
        for planned in runs
    ]


def _succeeded_run(run: Run, context: Context) -> PlannedRun | None:
    """The planned run, if its only attempt has succeeded, as nearly all have; None otherwise.

    A shortcut with the same result as `_declared_run`, which asks much that cannot matter here: no
    attempt follows, and only two of the findings apply.
    """
    id_, findings, ledger = run.id, context.findings, context.ledger
    record = ledger.records.get(id_)
    if (
        record is None
        or record.phase is not Phase.SUCCEEDED
        or record.error is not None
        or id_ in ledger.retried
        or id_ in findings.changed
        or id_ in findings.duplicates
    ):
        return None
    return BriefPlanned(run, record, succeeded_decision(record.status))


def _declared_run(run: Run, context: Context) -> PlannedRun:
    """Plan the run's newest attempt, or the one that follows it."""
    newest = newest_attempt(run, context.ledger)
    if run.id not in context.findings.changed and wants_another_attempt(run, newest):
        following = run.but(attempt=newest.attempt + 1)
        return _plan_next_attempt(
            following, newest, context.ledger.records.get(following.id), context
        )
    if newest.attempt != run.attempt:
        run = run.but(attempt=newest.attempt)
    return BriefPlanned(run, newest.record, decide(run, newest.record, context))


def _plan_next_attempt(
    run: Run, newest: Newest, record: Record | None, context: Context
) -> PlannedRun:
    """Plan the attempt after the newest; `record`: of an earlier try to start that attempt."""
    if record is not None:
        return BriefPlanned(run, record, decide(run, record, context))
    status = newest.record.status if newest.record else None
    of = f"{run.attempt} of {run.retry.max + 1}" if run.retry else ""
    before = f"attempt {of}, because the one before ended with {status}; "
    return BriefPlanned(run, None, decide_start(run, context, before))


def _undeclared_runs(declared: Declared, context: Context) -> Iterator[PlannedRun]:
    names = {run.name for run in declared.runs}
    for record in undeclared_records(declared.runs, context.ledger):
        if record.state(context.now) in UNSETTLED_STATES:
            decision = decide_unsettled(record, context)
        elif record.may_have_started and run_name(record.run) not in names:
            decision = Decision(action=Action.ORPHANED, reason="recorded, and no longer declared")
        else:
            continue
        yield FullPlanned(
            id=record.run,
            action=decision.action,
            reason=decision.reason,
            flow_id=record.flow_id,
            trigger_time=record.trigger_time,
            parameters=(),
            digest=record.digest,
            place=None,
            record=record,
            code=decision.code,
        )
