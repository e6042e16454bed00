"""What an apply would do: a pure function of declared runs, ledger and time."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from reconciler.ledger import Ledger, Record, RunState
from reconciler.model import (
    Declared,
    Digest,
    EpochMs,
    InstanceId,
    Parameters,
    Place,
    Problem,
    Run,
    RunId,
    run_name,
)
from reconciler.rules import Findings, check
from reconciler.times import format_instant


class Action(StrEnum):
    """What the next apply does with a run."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"  # in doubt: look for the instance, or ask a person
    HOLD = "hold"  # claimed by a live apply
    WAIT = "wait"  # suspended, missed, or not yet allowed
    DONE = "done"
    CHANGED = "changed"
    DUPLICATE = "duplicate"
    ORPHANED = "orphaned"  # recorded, and no longer declared


WORK = frozenset({Action.TRIGGER, Action.RESOLVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run, what an apply would do with it, and why."""

    id: RunId
    action: Action
    reason: str
    flow_id: int | None  # None: no longer declared, and the ledger does not say
    trigger_time: EpochMs
    parameters: Parameters
    digest: Digest
    place: Place | None  # None: no longer declared
    labels: Mapping[str, str] = field(default_factory=dict)
    run: Run | None = None  # None: no longer declared
    record: Record | None = None
    instance: InstanceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of one environment, in the order in which runs would start."""

    environment: str
    commit: str | None  # of the ledger; None where there is no commit yet
    at: EpochMs
    runs: tuple[PlannedRun, ...]
    problems: tuple[Problem, ...]

    @property
    def summary(self) -> dict[str, int]:
        """How many runs have which action, in the order of the actions."""
        counts = Counter(run.action for run in self.runs)
        return {action.value: counts[action] for action in Action if counts[action]}

    @property
    def digest(self) -> str:
        """SHA-256 over every run's id, action and digest: the same work has the same digest."""
        content = [self.environment, [[run.id, run.action, run.digest] for run in self.runs]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def has_work(self) -> bool:
        """Whether an apply would start a run or look for one."""
        return any(run.action in WORK for run in self.runs)

    def of_action(self, action: Action) -> tuple[PlannedRun, ...]:
        """The runs with that action."""
        return tuple(run for run in self.runs if run.action is action)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    ledger: Ledger
    findings: Findings
    now: EpochMs
    blocked: bool  # some manifest has a problem, so nothing is started
    unsettled: Mapping[str, Sequence[RunId]]  # by digest and by name: not known whether started


def make_plan(
    declared: Declared,
    ledger: Ledger,
    now: EpochMs,
    *,
    environment: str,
    commit: str | None,
    same_minute_allowed: bool,
    reserved_parameter: str | None = None,
) -> Plan:
    """Decide on every declared run and on every recorded one that is still of interest.

    `now` is the gateway's clock where it is known; before an apply, the local one.
    """
    findings = check(
        declared,
        ledger,
        same_minute_allowed=same_minute_allowed,
        reserved_parameter=reserved_parameter,
    )
    problems = tuple(sorted((*declared.problems, *findings.problems)))
    context = _Context(
        ledger=ledger,
        findings=findings,
        now=now,
        blocked=bool(problems),
        unsettled=_unsettled_runs(ledger, now),
    )
    runs = [_declared_run(run, context) for run in declared.runs]
    runs += _undeclared_runs(declared, context)
    runs.sort(key=lambda run: (run.trigger_time, run.id))
    return Plan(
        environment=environment,
        commit=commit,
        at=now,
        runs=tuple(_one_of_a_digest_at_a_time(runs)),
        problems=problems,
    )


def _one_of_a_digest_at_a_time(runs: list[PlannedRun]) -> list[PlannedRun]:
    """Let a declared duplicate wait for its original, so that their instances are told apart."""
    first: dict[Digest, PlannedRun] = {}
    for planned in runs:
        if planned.action is Action.TRIGGER and planned.run is not None:
            before = first.setdefault(planned.digest, planned)
            if before.run and before.run.duplicate_of and not planned.run.duplicate_of:
                first[planned.digest] = planned
    return [
        replace(planned, action=Action.WAIT, reason=f"waits for {first[planned.digest].id}")
        if planned.action is Action.TRIGGER and first[planned.digest] is not planned
        else planned
        for planned in runs
    ]


def _declared_run(run: Run, context: _Context) -> PlannedRun:
    record = context.ledger.records.get(run.id)
    action, reason = _decide(run, record, context)
    return PlannedRun(
        id=run.id,
        action=action,
        reason=reason,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        parameters=run.parameters,
        digest=run.digest,
        place=run.place,
        labels=run.labels,
        run=run,
        record=record,
        instance=record.instances[0] if record and record.instances else None,
    )


def _decide(run: Run, record: Record | None, context: _Context) -> tuple[Action, str]:
    if run.id in context.findings.changed:
        return Action.CHANGED, "recorded with another flow, trigger time or parameters"
    if run.id in context.findings.duplicates:
        return Action.DUPLICATE, "the same as another run"
    if record is None:
        return _start(run, context, "")
    return _recorded(run, record, context)


def _recorded(run: Run, record: Record, context: _Context) -> tuple[Action, str]:
    state = record.state(context.now)
    match state:
        case RunState.TRIGGERED | RunState.SUCCEEDED | RunState.FAILED:
            return Action.DONE, record.error or f"{state}{_status(record)}"
        case RunState.CLAIMED | RunState.IN_DOUBT:
            return _unsettled(record, context)
        case RunState.REJECTED:
            return _start(run, context, f"refused before ({record.error}); ")
        case RunState.PENDING:
            return _start(run, context, "")
        case _:
            assert_never(state)


def _status(record: Record) -> str:
    return f": {record.status}" if record.status else ""


def _unsettled(record: Record, context: _Context) -> tuple[Action, str]:
    if record.state(context.now) is RunState.CLAIMED:
        claim = context.ledger.claims[record.claim] if record.claim else None
        by = claim.by if claim else "another apply"
        return Action.HOLD, f"claimed by {by} until {format_instant(record.until)}"
    return Action.RESOLVE, "in doubt: it may have been started"


def _start(run: Run, context: _Context, before: str) -> tuple[Action, str]:
    if run.suspend:
        return Action.WAIT, f"{before}suspended"
    if run.not_after is not None and context.now > run.not_after:
        return Action.WAIT, f"{before}missed: notAfter was {format_instant(run.not_after)}"
    if run.id in context.findings.colliding:
        return Action.WAIT, f"{before}collides with another run"
    if context.blocked:
        return Action.WAIT, f"{before}nothing starts while a manifest has a problem"
    twin = _unsettled_twin(run, context)
    if twin is not None:
        return Action.WAIT, f"{before}waits for {twin}, whose outcome is not known yet"
    if run.trigger_time <= context.now:
        return Action.TRIGGER, f"{before}starts immediately: its time is past"
    return Action.TRIGGER, f"{before}the service starts it at its time"


def _unsettled_twin(run: Run, context: _Context) -> RunId | None:
    """A run whose instance, if it has any, could be taken for this one's, or the other way round.

    That is one that carries the same, whatever its name, another revision, or the run of which
    this one is a declared duplicate.
    """
    keys = (run.digest, run.name, run.duplicate_of or run.name)
    return next((id_ for key in keys for id_ in context.unsettled.get(key, ())), None)


def _unsettled_runs(ledger: Ledger, now: EpochMs) -> dict[str, list[RunId]]:
    found: dict[str, list[RunId]] = defaultdict(list)
    for record in ledger.records.values():
        if record.state(now) in _UNSETTLED:
            found[record.digest].append(record.run)
            found[run_name(record.run)].append(record.run)
    return found


_UNSETTLED = frozenset({RunState.CLAIMED, RunState.IN_DOUBT})


def _undeclared_runs(declared: Declared, context: _Context) -> Iterator[PlannedRun]:
    ids = {run.id for run in declared.runs}
    names = {run.name for run in declared.runs}
    for record in context.ledger.records.values():
        if record.run in ids:
            continue
        if record.state(context.now) in _UNSETTLED:
            action, reason = _unsettled(record, context)
        elif record.may_have_started and run_name(record.run) not in names:
            action, reason = Action.ORPHANED, "recorded, and no longer declared"
        else:
            continue
        yield PlannedRun(
            id=record.run,
            action=action,
            reason=reason,
            flow_id=record.flow_id,
            trigger_time=record.trigger_time,
            parameters=(),
            digest=record.digest,
            place=None,
            record=record,
            instance=record.instances[0] if record.instances else None,
        )
