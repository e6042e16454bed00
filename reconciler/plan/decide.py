"""What an apply does with one run, given its record and the other environments.

A declared duplicate waits for its original in another environment just as within its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import assert_never

from msgspec import Struct

from reconciler.enos.statuses import status_meaning
from reconciler.identity import Surroundings
from reconciler.ledger import Ledger, Record, RunState
from reconciler.model import Digest, EpochMs, Run, RunId, covers, first_attempt, run_name
from reconciler.plan.limits import Stopped
from reconciler.plan.prerequisites import Dependencies
from reconciler.plan.standing import (
    HOLDS,
    LEFT_OUT,
    Dependency,
    DependencyStanding,
    Meant,
    describe_hold,
)
from reconciler.plan.values import Action, Decision, FlowCheck, Reason
from reconciler.rules import Findings
from reconciler.times import format_instant


class OtherLedgers:
    """What matters to our runs in other environments and ledgers of the same service."""

    def __init__(self, runs: Iterable[Run], surroundings: Surroundings) -> None:
        copies = {run.digest for run in runs if run.duplicate_of is not None}
        self._ledgers = list(surroundings.elsewhere.values())
        self._unsettled: dict[str, RunId] = {}  # by digest and by name
        for ledger in self._ledgers:
            for record in ledger.unsettled:
                self._unsettled.setdefault(record.digest, record.run)
                self._unsettled.setdefault(run_name(record.run), record.run)
        self._originals: dict[Digest, list[tuple[str, Run]]] = defaultdict(list)
        for environment, others in surroundings.declared.items() if copies else ():
            for run in others:
                if run.digest in copies:
                    self._originals[run.digest].append((environment, run))

    def unsettled_twin(self, run: Run) -> RunId | None:
        """A run in another ledger, claimed or in doubt, that could be the same as this one.

        Names mean nothing across environments, except for the one that `duplicateOf` gives.
        """
        found = self._unsettled.get(run.digest)
        if found is None and run.duplicate_of is not None:
            found = self._unsettled.get(run.duplicate_of)
        return found

    def unstarted_original(self, run: Run, now: EpochMs) -> str | None:
        """The original that must start before this duplicate, in words; None where there is none.

        As within one environment, a duplicate does not wait for an original that is held back.
        """
        of = run.duplicate_of
        for environment, one in self._originals.get(run.digest, ()) if of is not None else ():
            waits = one.hold_at(now) is not None or one.depends_on or one.after
            if of is None or not covers(of, one.name) or waits:
                continue
            if not any(ledger.may_have_started(one.id) for ledger in self._ledgers):
                return f"{one.id}, which environment {environment} has not started yet"
        return None


UNSETTLED_STATES = frozenset({RunState.CLAIMED, RunState.IN_DOUBT})


class Context(Struct, frozen=True, kw_only=True):
    """What every decision depends on."""

    ledger: Ledger
    findings: Findings
    now: EpochMs
    problems: bool  # some manifest has a problem, so nothing is started
    unsettled: Mapping[str, Sequence[RunId]]  # claimed or in doubt, by digest and by name
    dependencies: Dependencies
    stopped: Mapping[str, Stopped]  # by name, the manifests with too many failed runs
    flows: Mapping[int, FlowCheck]  # the flows that the service was asked about
    beside: OtherLedgers
    is_meant: Meant  # whether this apply may start the run; if not, it counts as suspended


def decide(run: Run, record: Record | None, context: Context) -> Decision:
    """Decide on a declared run; `record` is the record of this very attempt."""
    findings = context.findings
    if findings.changed and first_attempt(run.id) in findings.changed:
        reason = "recorded with another flow, trigger time or parameters"
        return Decision(action=Action.CHANGED, reason=reason, code=Reason.CHANGED)
    if findings.duplicates and first_attempt(run.id) in findings.duplicates:
        reason = "the same as another run"
        return Decision(action=Action.DUPLICATE, reason=reason, code=Reason.DUPLICATE)
    if record is None:
        return decide_start(run, context, "")
    return _decide_recorded(run, record, context)


def _decide_recorded(run: Run, record: Record, context: Context) -> Decision:
    state = record.state(context.now)
    match state:
        case RunState.TRIGGERED | RunState.SUCCEEDED | RunState.FAILED:
            return _decide_started(run, record, state, context.now)
        case RunState.CLAIMED | RunState.IN_DOUBT:
            return decide_unsettled(record, context)
        case RunState.REJECTED:
            decision = decide_start(run, context, f"refused before ({record.error}); ")
            is_ready = decision.code is Reason.READY
            return decision.but(code=Reason.REJECTED) if is_ready else decision
        case RunState.PENDING:
            return decide_start(run, context, "")
        case _:
            assert_never(state)


def _decide_started(run: Run, record: Record, state: RunState, now: EpochMs) -> Decision:
    if state is RunState.SUCCEEDED and record.error is None:
        return succeeded_decision(record.status)
    code = {
        RunState.TRIGGERED: Reason.NOT_DUE if record.trigger_time > now else Reason.RUNNING,
        RunState.FAILED: Reason.FAILED,
    }.get(state)
    if run.cancel and state is RunState.TRIGGERED and record.cancelled is None:
        reason = "to be cancelled, if its instance still runs"
        return Decision(action=Action.CANCEL, reason=reason, code=code)
    words = _words(state, record.status)
    if record.cancelled is not None and state is RunState.TRIGGERED:
        words += f"; asked to cancel it, the service said: {record.cancelled}"
    return Decision(action=Action.DONE, reason=record.error or words, code=code)


@cache
def succeeded_decision(status: str | None) -> Decision:
    """The decision on every run that has succeeded: one value that all of them share."""
    return Decision(action=Action.DONE, reason=_words(RunState.SUCCEEDED, status))


def _words(state: RunState, status: str | None) -> str:
    """The state and the final status of the instance, in words."""
    ended = f": {status}" if status else ""
    meaning = status_meaning(status) if status else None
    return f"{state}{ended}" + (f", {meaning}" if meaning else "")


def decide_unsettled(record: Record, context: Context) -> Decision:
    """Decide on a run that is claimed or in doubt, declared or not."""
    if record.state(context.now) is RunState.CLAIMED:
        claim = context.ledger.claims[record.claim] if record.claim else None
        by = claim.by if claim else "another apply"
        reason = f"claimed by {by} until {format_instant(record.until)}"
        return Decision(action=Action.HOLD, reason=reason, code=Reason.CLAIMED)
    reason = "in doubt: it may have been started"
    return Decision(action=Action.RESOLVE, reason=reason, code=Reason.IN_DOUBT)


def decide_start(run: Run, context: Context, before: str) -> Decision:
    """Decide whether to start a run that was not started; the reason begins with `before`."""
    forbidden = _find_obstacle(run, context)
    if forbidden is not None:
        code, words = forbidden
        return Decision(action=Action.WAIT, reason=before + words, code=code)
    stopped = context.stopped.get(run.declared_manifest)
    if stopped is not None:
        return Decision(
            action=Action.WAIT,
            reason=before + stopped.words,
            waits_for=stopped.failed,
            blocked=True,
            code=Reason.STOPPED,
        )
    missing = context.dependencies.of(run)
    if missing:
        lost = [one for one in missing if one.standing is DependencyStanding.LOST]
        first = (lost or missing)[0]
        return Decision(
            action=Action.WAIT,
            reason=before + first.reason,
            gist="" if before else first.gist,
            waits_for=_names(missing),
            blocked=bool(lost),
            code=Reason.BLOCKED if lost else Reason.WAITS_FOR,
        )
    return _decide_startable(run, context, before)


def _names(missing: Sequence[Dependency]) -> tuple[str, ...]:
    """The names that are waited for, each once; runs with one shared dependency share the tuple."""
    if len(missing) == 1:
        return missing[0].names
    return tuple(dict.fromkeys(name for one in missing for name in one.names))


def _decide_startable(run: Run, context: Context, before: str) -> Decision:
    flow = context.flows.get(run.flow_id, _UNASKED)
    if flow.refusal is not None:
        reason = f"{before}would be refused: flow {run.flow_id} {flow.refusal}"
        return Decision(action=Action.WAIT, reason=reason, refused=True, code=Reason.REJECTED)
    past = run.trigger_time <= context.now
    later = "an apply hands it over, and the service starts it at its time"
    reason = "starts immediately: its time is past" if past else later
    return Decision(
        action=Action.START,
        reason=before + reason,
        warning=warn_undeclared(run, flow),
        code=Reason.READY,
    )


_UNASKED = FlowCheck()


def warn_undeclared(run: Run, flow: FlowCheck) -> str | None:
    """The warning about parameters of the run that its flow does not declare; None without any."""
    if flow.parameters is None:
        return None
    unknown = [key for key, _ in run.parameters if key not in flow.parameters]
    return f"flow {run.flow_id} does not declare {', '.join(unknown)}" if unknown else None


def _find_obstacle(run: Run, context: Context) -> tuple[Reason, str] | None:
    held = run.hold_at(context.now)
    if held is not None:
        return HOLDS[held].code, describe_hold(run, held)
    if not context.is_meant(run):
        return Reason.SUSPENDED, LEFT_OUT
    if first_attempt(run.id) in context.findings.colliding:
        return Reason.COLLISION, "collides with another run"
    if context.problems:
        return Reason.PROBLEM, "nothing starts while a manifest has a problem"
    twin = _unsettled_twin(run, context)
    if twin is not None:
        return Reason.WAITS_FOR, f"waits for {twin}, whose outcome is not known yet"
    original = context.beside.unstarted_original(run, context.now)
    return None if original is None else (Reason.WAITS_FOR, f"waits for {original}")


def _unsettled_twin(run: Run, context: Context) -> RunId | None:
    """A run, claimed or in doubt, whose instance could be taken for this run's, or the reverse.

    That is a run of the same digest, whatever its name; another revision or attempt of this run; or
    the run that this one is a declared duplicate of.
    """
    own = None
    if context.unsettled:
        keys = (run.digest, run.name, run.duplicate_of or run.name)
        own = next((id_ for key in keys for id_ in context.unsettled.get(key, ())), None)
    return own or context.beside.unsettled_twin(run)


def unsettled_runs(ledger: Ledger) -> dict[str, list[RunId]]:
    """The runs that are claimed or in doubt, by digest and by name."""
    found: dict[str, list[RunId]] = defaultdict(list)
    for record in ledger.unsettled:
        found[record.digest].append(record.run)
        found[run_name(record.run)].append(record.run)
    return found
