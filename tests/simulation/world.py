"""Git remote and gateway as one model, and everything that can go wrong with them.

A seed chooses how long each step takes, who crashes where, which answers are lost, late or wrong,
what becomes of every instance, and what others do to the branch meanwhile. The appliers that live
in this world run the product's own code. After every effect the world checks what must always hold
(`promise`).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reconciler.configuration import Environment
from reconciler.ledger import Event, Ledger, events
from reconciler.model import EpochMs, InstanceId, Run, RunId, first_attempt, run_name
from tests.simulation.clock import MINUTE_MS, ServiceTime
from tests.simulation.instances import Rerun, Started
from tests.simulation.loop import VirtualLoop
from tests.simulation.promise import (
    ViolationError,
    check_claim,
    check_recorded,
    check_start,
    means,
    needed,
)

BAD = (-1, 7, 8, 4, 10)  # FAIL, TIMEOUT, CANCEL, INTERNAL_ERROR, SKIP
LONGEST_LIFE_SECONDS = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How often what goes wrong, each as a probability of one occasion."""

    crash: float = 0.02
    slow: float = 0.05
    lost_answer: float = 0.1
    refused: float = 0.1
    not_sent: float = 0.1
    not_processed: float = 0.1
    search_fails: float = 0.1
    push_unclear: float = 0.1
    push_declined: float = 0.03
    fetch_fails: float = 0.03
    others_commit: float = 0.1
    by_hand: float = 0.2  # that somebody has started a run by hand before it was declared
    withdrawn: float = 0.2  # of those commits: take a run's manifest away, or bring it back
    called_off: float = 0.1  # of those commits: `cancel: true` for all of a manifest, or not
    ends_badly: float = 0.3
    forgotten: float = 0.07  # that the service does not know an instance any more that has ended
    rerun: float = 0.1  # that somebody has the service run a failed instance again
    misses: float = 0.1  # that a look at many leaves one out
    unreadable: float = 0.05  # that the service says nothing readable of a status
    question_fails: float = 0.1  # one about a flow, or a cancellation
    locked: float = 0.1  # that a flow is


CALM = Chances(
    crash=0,
    slow=0,
    lost_answer=0,
    refused=0,
    not_sent=0,
    not_processed=0,
    search_fails=0,
    push_unclear=0,
    push_declined=0,
    fetch_fails=0,
    others_commit=0,
    misses=0,
    unreadable=0,
    question_fails=0,
    locked=0,
)


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of the shared branch."""

    number: int
    runs: tuple[Run, ...]
    ledger: Ledger


@dataclass(slots=True, eq=False)
class World:
    """Everything outside the appliers."""

    loop: VirtualLoop
    random: random.Random
    environment: Environment
    runs: tuple[Run, ...]  # everything that is ever declared
    chances: Chances
    clock: ServiceTime
    ids_carry_minutes_only: bool = False  # so two starts of a flow in one minute share one
    tip: Commit = field(init=False)
    started: list[Started] = field(default_factory=list)
    by_hand: list[Started] = field(default_factory=list)  # instances of before, just like a run's
    called_off: set[str] = field(default_factory=set)  # manifests with `cancel: true`
    ever_called_off: set[str] = field(default_factory=set)
    conditions: dict[tuple[str, RunId], Sequence[str]] = field(default_factory=dict)  # of claims
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tip = Commit(0, self.runs, Ledger.of([]))
        for number, run in enumerate(self.runs):
            if self.chance(self.chances.by_hand):
                instance = self._instance_id(run, f"by-hand-{number}")
                ended = Started(
                    run=run,
                    instance=instance,
                    claim=None,
                    at=-3600,
                    begins=-3600,
                    listed=-3600,
                    ends=-3500,
                    status=self._end(),
                )
                self.by_hand.append(ended)

    @property
    def now(self) -> float:
        return self.loop.time()

    def service_time(self) -> EpochMs:
        return self.clock.at(self.now)

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:10.3f} {text}")

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    # The branch

    def others(self) -> None:
        """Somebody else may push to the branch: the tip moves, perhaps the manifests change."""
        if not self.chance(self.chances.others_commit):
            return
        runs = self.tip.runs
        if self.chance(self.chances.withdrawn):
            run = self.random.choice(self.runs)
            if any(one.id == run.id for one in runs):
                runs = tuple(one for one in runs if one.id != run.id)
                self.note(f"others withdraw {run.id}")
            elif self._has_room(run):
                runs = (*runs, run)
                self.note(f"others declare {run.id}")
        if self.chance(self.chances.called_off):
            manifest = self.random.choice(self.runs).manifest
            self.called_off ^= {manifest}
            self.ever_called_off |= self.called_off
            self.note(f"others call off: {sorted(self.called_off)}")
        self.commit(runs)

    def restore(self) -> None:
        """Declare everything again, but for what a review would have found to be a problem."""
        runs = [run for run in self.runs if self._has_room(run)]
        while unknown := [run for run in runs if not self._knows(run.depends_on, runs)]:
            runs = [run for run in runs if run not in unknown]
        self.commit(runs)

    def _has_room(self, run: Run) -> bool:
        """Whether no other run has been given the run's minute meanwhile."""
        records = self.tip.ledger.records
        own = records.get(run.id)
        if run.stagger is not None or (own is not None and own.may_have_started):
            return True
        taken = {
            (one.flow_id, one.trigger_time // MINUTE_MS)
            for one in records.values()
            if one.may_have_started
        }
        return (run.flow_id, run.trigger_time // MINUTE_MS) not in taken

    def _knows(self, names: Sequence[str], runs: Sequence[Run]) -> bool:
        known = [*(run.name for run in runs), *map(run_name, self.tip.ledger.records)]
        return all(any(means(name, one) for one in known) for name in names)

    def commit(self, runs: Sequence[Run]) -> None:
        """Declare these runs, those called off with `cancel: true`."""
        runs = tuple(replace(run, cancel=run.manifest in self.called_off) for run in runs)
        self.tip = Commit(self.tip.number + 1, runs, self.tip.ledger)

    def land(self, base: Commit, new: Sequence[Event]) -> bool:
        """Compare and swap."""
        if self.tip.number != base.number:
            return False
        ledger = base.ledger
        for event in new:
            check_recorded(event, ledger, self.started, self.now)
            after = ledger.extended([event])
            if isinstance(event, events.Claim):
                check_claim(event, base.runs, ledger, after)
                self._remember(event, base.runs, after)
            ledger = after
        for run, before in base.ledger.records.items():
            if set(before.instances) - set(ledger.records[run].instances):
                raise ViolationError(f"the ledger lost an instance of {run}")
        self.tip = Commit(base.number + 1, base.runs, ledger)
        return True

    def _remember(self, claim: events.Claim, runs: Sequence[Run], ledger: Ledger) -> None:
        declared = {run.id: run for run in runs}
        for id_ in claim.runs:
            conditions = needed(declared[first_attempt(id_)], runs, ledger)
            self.conditions[claim.claim, id_] = conditions

    # The gateway

    def start(self, applier: str, run: Run, claims: frozenset[str]) -> Started:
        """Make an instance: the effect that must happen once."""
        self.note(f"{applier} STARTS {run.id}")
        record = self.tip.ledger.records.get(run.id)
        if record is None or record.claim not in claims:
            raise ViolationError(f"{applier} started {run.id} without a claim on the branch")
        if self.service_time() >= record.until:
            raise ViolationError(f"{applier} started {run.id} after its claim had expired")
        check_start(run, self.tip.ledger, self.started, self.conditions, self.now)
        started = self._instance(run)
        started.claim = record.claim
        self.started.append(started)
        return started

    def _instance(self, run: Run) -> Started:
        """Choose the instance's life."""
        begins = max(self.now, self.clock.reached(run.trigger_time))
        # A waiting instance need not be listed.
        shown = self.now if self.random.random() < 0.5 else begins
        ends = begins + 1 + self.random.random() ** 2 * LONGEST_LIFE_SECONDS
        status = self._end()
        forgotten, rerun = self.chance(self.chances.forgotten), None
        if status in BAD and self.chance(self.chances.rerun):
            again = ends + self.random.random() * 10
            rerun = Rerun(begins=again, ends=again + self.random.random() * 10, status=self._end())
        return Started(
            run=run,
            instance=self._instance_id(run, f"{run.flow_id}-{len(self.started)}"),
            claim=None,
            at=self.now,
            begins=begins,
            listed=shown + self.random.random() * self.environment.gateway.settle * 0.95,
            ends=ends,
            status=status,
            forgotten=forgotten,
            rerun=rerun,
        )

    def _end(self) -> int:
        return self.random.choice(BAD) if self.chance(self.chances.ends_badly) else 1

    def _instance_id(self, run: Run, otherwise: str) -> InstanceId:
        minute = f"{run.flow_id}-{run.trigger_time // MINUTE_MS}"
        return InstanceId(minute if self.ids_carry_minutes_only else otherwise)

    def known(self, instance: InstanceId | None = None) -> list[Started]:
        """What the service shows now; of one id, or of all."""
        return [
            one
            for one in (*self.by_hand, *self.started)
            if instance in {None, one.instance}
            and one.listed <= self.now
            and not (one.forgotten and self.now >= one.ends and self._is_recorded(one))
        ]

    def _is_recorded(self, one: Started) -> bool:
        """Only then it may be forgotten: longer than that every service remembers what it did."""
        record = self.tip.ledger.records.get(one.run.id)
        return record is not None and one.instance in record.instances

    def cancel(self, applier: str, instance: InstanceId) -> bool:
        """Cancel what still runs under that id; whether there was anything."""
        running = [
            one for one in self.started if one.instance == instance and one.is_running(self.now)
        ]
        for one in running:
            self.note(f"{applier} CANCELS {one.run.id}")
            if one.run.manifest not in self.ever_called_off:
                raise ViolationError(f"{one.run.id} was cancelled and never called off")
            one.cancelled(self.now)
        return bool(running)
