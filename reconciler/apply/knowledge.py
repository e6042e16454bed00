"""What one apply knows: the branch as it last saw it, and what it has tried itself."""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from msgspec.structs import replace

from reconciler.apply.branch import Branch
from reconciler.apply.checks import Chosen, is_as_saved, refuse_too_many
from reconciler.apply.claim import Claims
from reconciler.apply.doubt import Doubt
from reconciler.apply.known import Known
from reconciler.apply.lease import Lapses, ServiceClock
from reconciler.apply.look import Look, index_runs
from reconciler.apply.observer import Observer
from reconciler.apply.overdue import Overdue
from reconciler.apply.ports import Gateway, Options, Ports
from reconciler.apply.result import ApplyResult
from reconciler.apply.start import StartOutcome
from reconciler.apply.wait import NOT_YET, LookSchedule
from reconciler.configuration import Environment
from reconciler.errors import RefusedError
from reconciler.ledger import Ledger, Record, events
from reconciler.model import (
    Declared,
    Digest,
    EpochMs,
    Run,
    RunId,
    covering_references,
    first_attempt,
    run_name,
)
from reconciler.plan import Action, FlowCheck, Plan, PlannedRun, Reason, plan_environment
from reconciler.plan.outlook import HarmlessEnd, find_over
from reconciler.refused import InvalidManifestsError

STARTS_OF_ONE_RUN = 3  # after so many that proved absent, the run is left to the next apply

_Source = TypeVar("_Source")
_Made = TypeVar("_Made")


class _Derived(Generic[_Source, _Made]):
    """Something made from a value and kept: it is made again only when the value changes."""

    def __init__(self, make: Callable[[_Source], _Made]) -> None:
        self._make = make
        self._last: tuple[_Source, _Made] | None = None

    def of(self, source: _Source) -> _Made:
        """What is made from the source; the same as before if the source is the same object."""
        if self._last is None or self._last[0] is not source:
            self._last = source, self._make(source)
        return self._last[1]


class Knowledge:
    """What an apply has tried, what came of it, what is in doubt; and the plan that follows."""

    def __init__(self, ports: Ports, options: Options, branch: Branch) -> None:
        self.options = options
        self.branch = branch
        self.claims = Claims(ports, options, branch)
        self.observer = Observer(ports, branch)
        self.outcomes: dict[RunId, StartOutcome] = {}
        self.doubts: dict[RunId, Doubt] = {}
        self.overdue = Overdue(ports.progress)
        self.looks = LookSchedule(ports.clock)
        self.lapses = Lapses(clock=ports.clock)
        self._looks = 0
        self._known = _Derived[Ledger, Known](lambda _: Known(branch.ledgers))
        self._declared = _Derived[Declared, dict[Digest, Run]](lambda one: index_runs(one.runs))
        first = branch.snapshot
        self.chosen = Chosen(options.runs, first.declared, first.ledger)
        self.flows: dict[int, FlowCheck] = {}  # those that the service was asked about

    @property
    def environment(self) -> Environment:
        """The environment as the branch configures it, with the gateway of this apply."""
        return self.branch.environment

    def notice(self, now: EpochMs) -> None:
        """Note which claims have run out by now, before a look is made that depends on it."""
        self.lapses.notice(self.branch.ledger, now, self.environment.limits.margin)

    def plan(self, now: EpochMs) -> Plan:
        """Derive the plan from the branch as last seen."""
        snapshot, ledger = self.branch.snapshot, self.branch.ledger
        self.notice(now)
        return plan_environment(
            self.environment,
            snapshot.declared,
            ledger.with_lapsed(self.lapses.lapsed),
            now,
            commit=snapshot.commit,
            flows=self.flows,
            surroundings=snapshot.surroundings,
            is_meant=self.chosen.has,
        )

    def look(self, gateway: Gateway, clock: ServiceClock) -> Look:
        """One look at the service, by what is known now."""
        self._looks += 1
        return Look(
            gateway=gateway,
            environment=self.environment,
            ledger=self.branch.ledger,
            declared=self._declared.of(self.branch.snapshot.declared),
            now=clock.earliest_time,
            known=self._known.of(self.branch.ledger),
            lapsed=self.lapses.lapsed,
            turn=self._looks,
        )

    def guard(self, plan: Plan) -> None:
        """Raise RefusedError for a plan that must not be applied."""
        if plan.problems:
            raise InvalidManifestsError(plan.problems, tried=len(self.claims.starts))
        if self.branch.is_reconfigured:
            raise RefusedError(
                f"the gateway of {self.environment.name} was configured anew meanwhile",
                hint="What was started is recorded. Apply again.",
            )
        wanted = {run.id for run in self.triggers(plan)} | self.claims.starts.keys()
        if self.options.wait:  # what waits for others may be started by this very apply
            wanted |= {run.id for run in self._followers(plan)}
        limit = self.options.max_runs or self.environment.limits.max_runs_per_apply
        refuse_too_many(len({first_attempt(run) for run in wanted}), limit)

    def awaited_records(self, plan: Plan) -> list[Record]:
        """The unfinished runs that this apply has started, or that its other runs wait for."""
        return self.observer.awaited_records(self._followers(plan), self._own_outcomes())

    def forget_absence(self, run: RunId) -> None:
        """Report no absence of a run that a later look leaves in doubt: it was not recorded."""
        if isinstance(self.outcomes.get(run), events.Absent):
            del self.outcomes[run]

    def _own_outcomes(self) -> dict[RunId, StartOutcome]:
        """The outcomes of runs that this apply was called for; others may have been settled too."""
        return {
            run: outcome
            for run, outcome in self.outcomes.items()
            if run in self.claims.starts or self.chosen.names(run)
        }

    def _followers(self, plan: Plan) -> list[PlannedRun]:
        return [run for run in plan.runs if run.may_follow and self._is_meant(run)]

    def _is_meant(self, planned: PlannedRun) -> bool:
        only = self.options.only
        return only is None or is_as_saved(planned, only.get(planned.id))

    def _is_chosen(self, planned: PlannedRun) -> bool:
        run = planned.run
        return self.chosen.names(planned.id) if run is None else self.chosen.has(run)

    def awaits(self, plan: Plan) -> Plan:
        """The plan with only what is worth waiting for: the runs that this apply was called for.

        If one of them waits for another run, or for room, that may be any run, so all are kept.
        """
        chosen = tuple(filter(self._is_chosen, plan.runs))
        if any(one.code in {Reason.WAITS_FOR, Reason.NO_ROOM} for one in chosen):
            return plan
        return replace(plan, runs=chosen)

    def triggers(self, plan: Plan) -> list[Run]:
        """The runs that the plan starts and that this apply is meant to start."""
        return [
            planned.run
            for planned in plan.runs_of_action(Action.START)
            if planned.run is not None and self._is_meant(planned)
        ]

    def cancels(self, plan: Plan) -> list[PlannedRun]:
        """The runs that the plan cancels and that this apply is meant to cancel."""
        meant = self.options.cancels
        return [
            planned
            for planned in plan.runs_of_action(Action.CANCEL)
            if (meant is None or planned.id in meant) and self._is_chosen(planned)
        ]

    def startable(self, plan: Plan) -> list[Run]:
        """Those of `triggers` that this apply may still try; the next apply gets the others."""
        return [
            run
            for run in self.triggers(plan)
            if not isinstance(self.outcomes.get(run.id), events.Rejected)
            and self.claims.starts[run.id] < STARTS_OF_ONE_RUN
        ]

    def result(self, plan: Plan, *, interrupted: bool) -> ApplyResult:
        """What has become of everything, as far as this apply knows."""
        wanted = {run.id for run in self.triggers(plan)}
        twice = [one for one in self.branch.ledger.records.values() if one.started_twice]
        failed = self.observer.failed_runs(plan, self._own_outcomes()) if self.options.wait else []
        ended = {*(event.run for event in self.observer.observed), *(run.id for run in failed)}
        return ApplyResult(
            commit=self.branch.snapshot.commit,
            outcomes=tuple(self.outcomes.values()),
            unstarted=[run for run in plan.runs_of_action(Action.START) if run.id in wanted],
            doubts=self._all_doubts(plan),
            waiting=[
                run
                for run in plan.runs_of_action(Action.WAIT)
                if not run.refused and self._is_chosen(run)
            ],
            refused=[run for run in plan.refused if self._is_meant(run)],
            observed=self.observer.observed,
            over=_harmless_ends(plan, ended),
            cancelled=self.observer.cancelled,
            uncancelled=self.cancels(plan),
            failed=failed,
            unfinished=self._unfinished_runs(plan) if self.options.wait else [],
            untold=self.observer.untold() if self.options.wait else {},
            twice=twice,
            interrupted=interrupted,
            left_out=self._unchosen_needs(plan),
        )

    def _all_doubts(self, plan: Plan) -> list[Doubt]:
        doubts = {
            run.id: self.doubts.get(run.id) or Doubt(planned=run, reason=NOT_YET, decided_at=None)
            for run in plan.runs_of_action(Action.RESOLVE)
        }
        overdue = self.overdue.doubts(self.branch.ledger)
        return [*doubts.values(), *(one for one in overdue if one.planned.id not in doubts)]

    def _unfinished_runs(self, plan: Plan) -> list[Record]:
        """The runs whose end a waiting apply has not seen, also those that others have claimed."""
        held = (one.record for one in self.awaits(plan).runs_of_action(Action.HOLD))
        return [*self.awaited_records(plan), *(record for record in held if record is not None)]

    def _unchosen_needs(self, plan: Plan) -> dict[RunId, list[str]]:
        """By chosen run, what it waits for that is held back only because it was not chosen."""
        out = {
            name
            for one in plan.runs_of_action(Action.WAIT)
            if one.code is Reason.SUSPENDED and one.run is not None and not one.run.suspend
            for name in covering_references(run_name(one.id))
        }
        waiting = (run for run in plan.runs_of_action(Action.WAIT) if out and self._is_chosen(run))
        found = {run.id: [one for one in run.waits_for if one in out] for run in waiting}
        return {run: names for run, names in found.items() if names}


def _harmless_ends(plan: Plan, ended: Collection[RunId]) -> dict[RunId, HarmlessEnd]:
    """The ended runs whose bad end asks nothing of anybody, and why."""
    firsts = {first_attempt(run) for run in ended}
    attempts: dict[RunId, list[PlannedRun]] = defaultdict(list)
    for one in plan.runs if ended else ():
        if first_attempt(one.id) in firsts:
            attempts[first_attempt(one.id)].append(one)
    found = {run: find_over(run, attempts[first_attempt(run)]) for run in ended}
    return {run: why for run, why in found.items() if why is not None}
