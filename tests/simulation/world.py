"""Git remote and gateway as one model, and everything that can go wrong with them.

A seed chooses how long each step takes, who crashes where, which answers are lost, late or wrong,
what becomes of every instance, how odd the service is (`oddities`), and what others do to the
branch and to the service meanwhile. The appliers that live in this world run the product's own
code. After every effect the world checks what must always hold (`promise`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from reconciler.configuration import Environment
from reconciler.ledger import Event, Ledger, Record, events
from reconciler.model import EpochMs, Nonce, Run, RunId, first_attempt, run_name, run_revision
from tests.simulation.chances import CALM, Freezes
from tests.simulation.clock import MINUTE_MS
from tests.simulation.declaring import edited, revised
from tests.simulation.instances import Started
from tests.simulation.oddities import CORRELATION_PARAMETER, HOUR_MS, MOST_FORWARD_MS, USERS
from tests.simulation.ordering import linked, loosened
from tests.simulation.promise import (
    Needed,
    ViolationError,
    agreeing,
    check_claim,
    check_recorded,
    check_start,
    has_done_its_work,
    means,
    needed,
)
from tests.simulation.remembering import Memory
from tests.simulation.service import Service

_SOON_SECONDS = 50.0  # in which others come who start something


def _others_named(run: Run) -> list[str]:
    return [*run.depends_on, *([run.duplicate_of] if run.duplicate_of else [])]


def by_hand(world: "World", run: Run) -> list[Started]:
    """What others have started that is just what the run would start, and is not adopted yet.

    Where ids are shared, a person tells it from others by when it was created: not by the day, nor
    where another of the id was created at the same time.
    """
    oddities, taken = world.truth.oddities, world.truth.adopted.values()
    if oddities.shared_ids and oddities.created_unit > HOUR_MS:
        return []
    if run.stagger is not None and not oddities.plain:
        return []  # the time at which it was started need not be shown
    if run.trigger_time > world.service_time():
        return []  # which has ended an hour ago all the same
    return [
        one
        for one in world.truth.strangers
        if one.run.digest == run.digest and one.run.trigger_time == run.trigger_time
        if one.listed <= world.now and one not in taken and _is_told_apart(world, one)
    ]


def _is_told_apart(world: "World", one: Started) -> bool:
    others = (other for other in world.truth.under(one.instance) if other is not one)
    shown = world.created_as_shown(one)
    return all(world.created_as_shown(other) != shown for other in others)


class Commit(Struct, frozen=True):
    """One commit of the shared branch."""

    number: int
    runs: tuple[Run, ...]
    ledger: Ledger
    environment: Environment


@dataclass(slots=True, eq=False, kw_only=True)
class World(Service):
    """Everything outside the appliers."""

    tip: Commit = field(init=False)
    edits: int = 0  # of backfills' hours and matrices
    sequential: frozenset[str] = frozenset()  # manifests
    freezes: Freezes
    keeps_time: float  # seconds
    memory: Memory
    pages: Random  # which of them are lost; of its own, too
    kept: tuple[float, EpochMs] = (-inf, EpochMs(0))  # since when, and the time
    is_slow: bool = False  # each start takes long, and the first appliers begin together
    conditions: dict[tuple[str, RunId], Sequence[Needed]] = field(default_factory=dict)  # of claims

    def __post_init__(self) -> None:
        runs = linked(self.runs, self.sequential)
        self.tip = Commit(0, runs, Ledger.of([]), self.environment)
        for run in self.runs:
            if self.chance(self.chances.by_hand):
                self.start_by_hand(run)
            self.strangers_come(run, _SOON_SECONDS / 3)

    # The branch

    def others(self) -> None:
        """Somebody else may push to the branch: the tip moves, perhaps the manifests change."""
        if not self.chance(self.chances.others_commit):
            return
        runs, environment = self.tip.runs, self.tip.environment
        if self.chance(self.chances.withdrawn):
            run = self.random.choice(self.runs)
            if any(one.id == run.id for one in runs):
                runs = tuple(one for one in runs if one.id != run.id)
                self.note(f"others withdraw {run.id}")
            elif self.has_room(run):
                runs = (*runs, run)
                self.note(f"others declare {run.id}")
        if self.chance(self.chances.called_off):
            manifest = self.random.choice(self.runs).manifest
            self.called_off ^= {manifest}
            self.ever_called_off |= self.called_off
            self.note(f"others call off: {sorted(self.called_off)}")
        if self.chance(self.chances.suspended):
            self.suspended ^= {self.random.choice(self.runs).manifest}
            self.note(f"others suspend: {sorted(self.suspended)}")
        if self.chance(self.chances.revised):
            runs = self._revise(runs)
        if self.chance(self.chances.edited):
            runs = self._edit(runs)
        runs = self._loosen(runs)
        if self.chance(self.chances.reconfigured):
            environment = self._reconfigured(environment)
        self.commit(runs, environment)

    def _loosen(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """Raise how many of a manifest may be under way, or fail, where that has a limit."""
        limited = sorted({run.manifest for run in runs if run.max_active or run.stop_after})
        if not limited or not self.chance(self.chances.loosened):
            return runs
        manifest = self.random.choice(limited)
        self.note(f"others raise the limits of {manifest}")
        self.runs = loosened(self.runs, manifest)
        return loosened(runs, manifest)

    def _revise(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """Raise the revision of a manifest, where all of it is declared."""
        manifest = self.random.choice(self.runs).manifest
        of_it = {run.id for run in self.runs if run.manifest == manifest}
        whole = of_it <= {run.id for run in runs}
        if not whole or any(run.revision > 1 for run in self.runs if run.manifest == manifest):
            return runs
        # One of two that are meant to be the same cannot become another: they would collide.
        originals = {run.duplicate_of for run in self.runs if run.duplicate_of}
        of_two = any(
            run.duplicate_of or run.name in originals for run in self.runs if run.id in of_it
        )
        anew = not of_two and self.random.random() < 0.5
        self.note(f"others raise the revision of {manifest}{', and change it' if anew else ''}")
        self.runs = tuple(revised(run, anew=anew) if run.id in of_it else run for run in self.runs)
        return tuple(revised(run, anew=anew) if run.id in of_it else run for run in runs)

    def _edit(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """Add a key to a backfill's matrix, or move its hour: by mistake, or meaning it."""
        named = {name.partition("/")[0] for run in self.runs for name in _others_named(run)}
        whole = [
            manifest
            for manifest in sorted({run.manifest for run in self.runs if "/" in run.name})
            if manifest not in named
            and {run.id for run in self.runs if run.manifest == manifest}
            <= {run.id for run in runs}
            and not any(run.again for run in self.runs if run.manifest == manifest)
        ]
        if not whole:
            return runs
        manifest = self.random.choice(whole)
        self.edits += 1
        key, again = self.random.random() < 0.5, self.random.random() < 0.5
        self.note(
            f"others {'add a key to' if key else 'move the hour of'} {manifest}"
            f"{', meaning it' if again else ''}"
        )

        def changed(run: Run) -> Run:
            return edited(run, key=key, again=again) if run.manifest == manifest else run

        if again:
            self.runs = tuple(changed(run) for run in self.runs)
        return tuple(changed(run) for run in runs)

    def _reconfigured(self, environment: Environment) -> Environment:
        """Another user, or correlation switched on or off, where the seed has that."""
        oddities, gateway = self.truth.oddities, environment.gateway
        if oddities.users and self.chance(0.5):
            user = USERS[gateway.user_id == USERS[0]]
            gateway = replace(gateway, user_id=user)
            self.note(f"others configure {user}")
        if oddities.correlation_changes and self.chance(0.5):
            parameter = None if gateway.correlation_parameter else CORRELATION_PARAMETER
            gateway = replace(gateway, correlation_parameter=parameter)
            self.note(f"others configure the correlation parameter {parameter}")
        return replace(environment, gateway=gateway)

    def restore(self) -> None:
        """Declare everything again, but for what a review would have found to be a problem."""
        runs = [run for run in self.runs if self.has_room(run)]
        while left := [
            run for run in runs if not self._knows(run, runs) or self._is_done_otherwise(run, runs)
        ]:
            runs = [run for run in runs if run not in left]
        self.commit(runs, self.tip.environment)

    def _is_done_otherwise(self, run: Run, runs: Sequence[Run]) -> bool:
        """Whether an edit had its work done, and not the run's own start, which may be in doubt."""
        other = has_done_its_work(run, runs, self.tip.ledger)
        return other is not None and not self.truth.of_run(run.id)

    def has_room(self, run: Run) -> bool:
        """Whether no other run has been given the run's minute meanwhile.

        A staggered run's later revision keeps the minute of the one before, started or not.
        """
        records = self.tip.ledger.records
        own = records.get(run.id)
        newest = {one.name: one.revision for one in self.runs if one.stagger is not None}

        def keeps(one: Record) -> bool:
            replaced = run_revision(one.run) < newest.get(run_name(one.run), 0)
            return one.may_have_started or replaced

        if run.stagger is not None or (own is not None and own.may_have_started):
            return True
        taken = {
            (one.flow_id, one.trigger_time // MINUTE_MS)
            for one in records.values()
            if run_name(one.run) != run.name and one.digest != run.digest and keeps(one)
        }
        is_taken = (run.flow_id, run.trigger_time // MINUTE_MS) in taken
        return self.truth.oddities.same_minute or not is_taken

    def _knows(self, run: Run, runs: Sequence[Run]) -> bool:
        known = [*(run.name for run in runs), *map(run_name, self.tip.ledger.records)]
        named = all(any(means(name, one) for one in known) for name in _others_named(run))
        ledger = self.tip.ledger
        return named and all(agreeing(run, match, runs, ledger) for match in run.matching)

    def commit(self, runs: Sequence[Run], environment: Environment) -> None:
        """Declare these runs, some with `cancel: true` or `suspend: true`."""
        runs = tuple(
            run.but(
                cancel=run.manifest in self.called_off,
                suspend=run.manifest in self.suspended,
            )
            for run in runs
        )
        runs = linked(runs, self.sequential)
        self.tip = Commit(self.tip.number + 1, runs, self.tip.ledger, environment)

    def land(self, base: Commit, new: Sequence[Event]) -> bool:
        """Compare and swap."""
        if self.tip.number != base.number:
            return False
        ledger = base.ledger
        for event in new:
            check_recorded(event, ledger, self.truth, self.now)
            after = ledger.with_events([event])
            if isinstance(event, events.Claim):
                check_claim(
                    event,
                    base.runs,
                    ledger,
                    after,
                    same_minute=self.truth.oddities.same_minute,
                    most_of_flow=base.environment.limits.max_active_per_flow,
                )
                self._remember(event, base, after)
            ledger = after
        for run, before in base.ledger.records.items():
            if set(before.instances) - set(ledger.records[run].instances):
                raise ViolationError(f"the ledger lost an instance of {run}")
        self.tip = Commit(base.number + 1, base.runs, ledger, base.environment)
        return True

    def _remember(self, claim: events.Claim, base: Commit, ledger: Ledger) -> None:
        declared = {run.id: run for run in base.runs}
        if base.environment.gateway.correlation_parameter is not None:
            self.truth.correlated.add(claim.claim)
        for id_, claimed in claim.runs.items():
            run = declared[first_attempt(id_)]
            self.conditions[claim.claim, id_] = needed(run, base.runs, ledger)
            self.strangers_come(run.but(trigger_time=claimed.trigger_time), _SOON_SECONDS)

    # The gateway

    def told_time(self) -> EpochMs:
        """What a question for the time is answered with: the time itself, once all is calm."""
        if self.chances is CALM or self.now - self.kept[0] >= self.keeps_time:
            self.kept = self.now, self.service_time()
        return self.kept[1]

    def claim_of(self, run: Run, claims: frozenset[str]) -> Nonce | None:
        """The claim of the process under which the run may be started now."""
        record = self.tip.ledger.records.get(run.id)
        return record.claim if record is not None and record.claim in claims else None

    def start(
        self, applier: str, user: str, run: Run, claim: Nonce | None, *, frozen: bool
    ) -> Started:
        """Make an instance: the effect that must happen once.

        `frozen`: the process was, after its last look at the claim. No client can do anything about
        that (assumption 1), so an instance that is late for it is held against no rule but one: the
        apply tells of it.
        """
        self.note(f"{applier} STARTS {run.id}")
        if frozen and self._is_over(run, claim):
            self.note(f"{run.id} was started after its claim")
            started = self.instance_of(run, user, f"late-{len(self.truth.overdue)}")
            started.claim, started.by = claim, applier
            self.truth.overdue.append(started)
            return started
        record = self.tip.ledger.records.get(run.id)
        if record is None or claim is None or record.claim != claim:
            raise ViolationError(f"{applier} started {run.id} without a claim on the branch")
        if self.service_time() >= record.until:
            raise ViolationError(f"{applier} started {run.id} after its claim had expired")
        last = inf if run.not_after is None or frozen else run.not_after + self._on_its_way()
        if self.service_time() > last:
            raise ViolationError(f"{run.id} was started after its notAfter")
        if (run.id, claim) in self.truth.denied:
            raise ViolationError(f"{run.id} is recorded as not started and was started then")
        if run.id in self.truth.adopted:
            raise ViolationError(f"{run.id} was started by hand, is adopted, and was started again")
        if run.id in self.truth.mistaken:
            raise ViolationError(f"{run.id} is recorded as a stranger's and was started then")
        check_start(run, self.tip.ledger, self.truth, self.conditions, self.now)
        started = self.instance_of(run, user, str(len(self.truth.started)))
        started.claim = claim
        self.truth.started.append(self.own_first(started))
        return started

    def _is_over(self, run: Run, claim: Nonce | None) -> bool:
        """Whether others may go by the run's not having been started under the claim."""
        record = self.tip.ledger.records.get(run.id)
        ours = record is not None and record.claim == claim
        return not ours or record is None or self.service_time() >= record.until

    def _check_cancellation(self, one: Started) -> None:
        runs = [one.run.id]
        if one.claim is None:
            runs = self.truth.may_be_taken_for(one, self.tip.ledger)
            if not runs:
                raise ViolationError(f"a stranger's instance was cancelled: {one.instance}")
        if not {run_name(run).partition("/")[0] for run in runs} & self.ever_called_off:
            raise ViolationError(f"{one.run.id} was cancelled and never called off")

    def _on_its_way(self) -> int:
        """Milliseconds that a request may take, by a clock that may jump meanwhile."""
        return int(self.environment.gateway.timeout * 1000) + MOST_FORWARD_MS

    def _recorded_at(self, one: Started) -> EpochMs | None:
        record = self.tip.ledger.records.get(one.run.id)
        starts = () if record is None else record.starts
        return next((start.instant for start in starts if start.instance == one.instance), None)
