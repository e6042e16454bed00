"""Adopt a run that was started by hand: record it as started, so that no apply starts it.

The run must be one that nobody has claimed, or whose claims have certainly started nothing. An
adoption and a claim exclude each other by compare-and-swap: whoever pushes second reads what the
first has pushed.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct

from reconciler.apply.evidence import is_disowned, standing
from reconciler.apply.fitting import Fitting, look_of, row_of
from reconciler.apply.known import Known
from reconciler.apply.lease import ServiceClock
from reconciler.apply.look import Look
from reconciler.apply.nonces import claim_named_in
from reconciler.apply.ports import Gateway, Instance, Snapshot
from reconciler.apply.spoken import ask_for_instance, check_instance, message_of, shows_minute
from reconciler.apply.suspect import Standing, Suspect, contradicts
from reconciler.errors import RefusedError
from reconciler.identity import service_of
from reconciler.ledger import Event, Ledger, events
from reconciler.model import EpochMs, InstanceId, Nonce, Run, RunId
from reconciler.plan import Action, Plan, PlannedRun, plan_environment
from reconciler.times import format_instant


class Adoption(Struct, frozen=True, kw_only=True):
    """Who says that runs were started by hand, and how sure they are."""

    by: str
    reason: str
    sure: bool = False  # though the service shows another time, or not just the run's parameters
    forced: bool = False  # though it shows other parameters, or the id is another run's as well


class Adopting:
    """Runs to adopt, each with the instance that it was started as."""

    def __init__(
        self,
        adoption: Adoption,
        instances: Mapping[RunId, InstanceId],
        new_claim: Callable[[], Nonce],
        found: Mapping[RunId, Instance] | None = None,  # from a search: not asked for again
    ) -> None:
        self.runs: Sequence[RunId] = list(instances)
        self._adoption = adoption
        self._wanted = instances
        self._nonces = {run: new_claim() for run in instances}
        self._found = dict(found or {})
        self._asked: tuple[Gateway, ServiceClock] | None = None

    def check(self, snapshot: Snapshot, now: EpochMs) -> None:
        """Refuse a run that may have been started otherwise, and an instance that does not fit."""
        check_ledgers(snapshot)
        planned = {one.id: one for one in plan_at(snapshot, now).runs}
        runs = [check_pending(run, planned.get(run)) for run in self.runs]
        if self._asked is None:
            return
        judging = Judging.of(snapshot, look_of(snapshot, *self._asked))
        for run in runs:
            judging.check(self._adoption, run, self._found[run.id])

    async def look(
        self, snapshot: Snapshot, gateway: Gateway, service: ServiceClock
    ) -> Sequence[Fitting]:
        """Ask the service for the instances. Raises RefusedError for one that does not fit."""
        for run, instance in self._wanted.items():
            if run not in self._found:
                self._found[run] = await ask_for_instance(gateway, instance)
        self._asked = gateway, service
        self.check(snapshot, service.earliest_time())
        return [
            Fitting(run=run, listed=(found,), fitting=(found,))
            for run, found in self._found.items()
        ]

    def news(self, snapshot: Snapshot, shown: Sequence[Fitting], now: EpochMs) -> list[Event]:
        """The adoptions to record."""
        planned = {one.id: one for one in plan_at(snapshot, now).runs}
        return [
            self._build_adoption(
                check_pending(one.run, planned.get(one.run)), one.fitting[0], snapshot, now
            )
            for one in shown
        ]

    def find_ledger(self, snapshot: Snapshot) -> Ledger | None:
        """The ledger that holds these very adoptions."""
        return next(
            (one for one in snapshot.ledgers if one.claims.keys() >= {*self._nonces.values()}), None
        )

    def message(self, snapshot: Snapshot) -> str:
        """The commit's message."""
        what = "started by hand"
        if len(self.runs) == 1:
            what += f" as {self._wanted[self.runs[0]]}"
        return message_of(snapshot, self.runs, what, list(self._nonces.values()))

    def _build_adoption(
        self, run: Run, found: Instance, snapshot: Snapshot, now: EpochMs
    ) -> events.Adopted:
        time = time_of(run, found)
        return events.Adopted(
            v=events.ADOPTED_VERSION,
            at=format_instant(now),
            run=run.id,
            claim=self._nonces[run.id],
            by=self._adoption.by,
            commit=snapshot.commit,
            digest=run.digest,
            flow_id=run.flow_id,
            trigger_time=time,
            stagger=time - run.trigger_time + run.delay,
            flow_instance_id=found.id,
            service=service_of(snapshot.environment.gateway),
            reason=self._adoption.reason,
            evidence=row_of(found),
        )


class Judging(Struct, frozen=True, kw_only=True):
    """What a snapshot knows that speaks against taking an instance for a run's."""

    known: Known
    rivals: Sequence[Suspect]  # the runs in doubt, or claimed: they may have made the instance
    zone: tzinfo

    @classmethod
    def of(cls, snapshot: Snapshot, look: Look) -> "Judging":
        """Judge by all ledgers of the service."""
        records = (record for ledger in snapshot.ledgers for record in ledger.unsettled)
        found = (look.suspect(record, record.claim) for record in records)
        rivals = [one for one in found if one is not None]
        return cls(known=look.known, rivals=rivals, zone=snapshot.environment.gateway.zone)

    def check(self, adoption: Adoption, run: Run, found: Instance) -> None:
        """Raise RefusedError unless the instance can be the run's, and nobody else's."""
        time = time_of(run, found)
        check_instance(run.id, run.flow_id, time, found, sure=adoption.sure)
        suspect = suspect_of(run, time, self.zone)
        if not adoption.forced and contradicts(suspect, found):
            raise RefusedError(
                f"instance {found.id} shows other parameters than {run.id} has: "
                f"{', '.join(_differing_parameters(run, found))}",
                hint="Say --force with a --reason if it did the run's work all the same.",
            )
        shows_others = found.parameters is not None and not carries(run, found)
        if shows_others and not (adoption.sure or adoption.forced):
            raise RefusedError(
                f"instance {found.id} does not show just what {run.id} carries",
                hint="Say --yes once you know that it is the run's.",
            )
        claim = claim_named_in(suspect, found, self.known)
        if claim is not None:
            raise RefusedError(f"instance {found.id} was started under claim {claim}")
        owner = self.owner_of(found)
        if owner is not None and not adoption.forced:
            raise RefusedError(
                f"instance {found.id} is recorded as that of {owner}",
                hint="Say --force with a --reason if the service gives several runs one id.",
            )
        self._check_rivals(time, found)

    def owner_of(self, found: Instance) -> RunId | None:
        """The run recorded with the instance's id, unless the instance cannot be that run's."""
        owners = (record for record, _ in self.known.owners(found.id))
        return next((one.run for one in owners if not is_disowned(one, found)), None)

    def _check_rivals(self, time: EpochMs, found: Instance) -> None:
        """Refuse what a run in doubt may have made: that run would seem absent, and start again."""
        for other in self.rivals:
            near = other.trigger_time == time or shows_minute(other.trigger_time, found)
            # Other values of parameters rule nothing out: a service may show them as it likes.
            if near and standing(other, found, self.known) is not Standing.NOT_OURS:
                raise RefusedError(
                    f"instance {found.id} may be that of {other.run}, which is in doubt",
                    hint=f"Settle that first: `reconciler status {other.run}`.",
                )


def plan_at(snapshot: Snapshot, now: EpochMs) -> Plan:
    """What an apply would do at that time."""
    return plan_environment(
        snapshot.environment,
        snapshot.declared,
        snapshot.ledger,
        now,
        commit=snapshot.commit,
        surroundings=snapshot.surroundings,
    )


def check_ledgers(snapshot: Snapshot) -> None:
    """Raise RefusedError if the ledgers of the repository are not in order.

    Then this ledger may be another service's, or a ledger that nobody reads may record the run.
    """
    for problem in snapshot.surroundings.problems:
        raise RefusedError(f"nothing can be adopted: {problem}")


def check_pending(run: RunId, planned: PlannedRun | None) -> Run:
    """The run as it would be started. Raises RefusedError unless it is still to be started."""
    if planned is None or planned.run is None:
        raise RefusedError(
            f"{run} is not declared as a run to start",
            hint="`reconciler status` lists every run.",
        )
    if planned.action not in {Action.START, Action.WAIT}:
        raise RefusedError(f"{run} cannot be adopted: {planned.reason}")
    return planned.run


def time_of(run: Run, found: Instance) -> EpochMs:
    """The trigger time that the instance was started with: a staggered run has several."""
    if run.stagger is None or shows_minute(run.trigger_time, found):
        return run.trigger_time
    times = run.stagger.times(EpochMs(run.trigger_time - run.delay))
    return next((time for time in times if shows_minute(time, found)), run.trigger_time)


def suspect_of(run: Run, time: EpochMs, zone: tzinfo) -> Suspect:
    """How to recognise an instance of the run, which nobody has claimed."""
    return Suspect(
        run=run.id,
        claim=None,
        flow_id=run.flow_id,
        trigger_time=time,
        parameters=run.parameters,
        digest=run.digest,
        claimed_at=None,
        zone=zone,
    )


def carries(run: Run, found: Instance) -> bool:
    """Whether the instance shows the run's parameters exactly as they are, and no others."""
    return found.parameters is not None and sorted(found.parameters) == sorted(run.parameters)


def _differing_parameters(run: Run, found: Instance) -> list[str]:
    """The names of the parameters that it shows otherwise. No values: some are sensitive."""
    listed = {key.casefold(): value for key, value in found.parameters or ()}
    return [key for key, value in run.parameters if listed.get(key.casefold(), value) != value]
