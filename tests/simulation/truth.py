"""What has really happened, which no applier can see whole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.ledger import Ledger, events
from reconciler.ledger.records import UNSETTLED
from reconciler.model import InstanceId, Nonce, RunId
from reconciler.times import parse_instant
from tests.simulation.clock import ServiceTime
from tests.simulation.instances import Started
from tests.simulation.listing import listed
from tests.simulation.oddities import Oddities

LATE_SECONDS = 40.0  # that a record may be behind the search that it is derived from


@dataclass(slots=True, kw_only=True, eq=False)
class Truth:
    """Every instance, whose it is, and what was recorded by the one inference that may err."""

    clock: ServiceTime
    now: Callable[[], float]  # the loop's time
    oddities: Oddities
    started: list[Started] = field(default_factory=list)  # the runs' own
    strangers: list[Started] = field(default_factory=list)  # that others started
    overdue: list[Started] = field(default_factory=list)  # that left after their claim: see there
    told_late: set[tuple[RunId, Nonce]] = field(default_factory=set)  # the ledger tells of them
    correlated: set[Nonce] = field(default_factory=set)  # made with a correlation parameter
    denied: set[tuple[RunId, Nonce]] = field(default_factory=set)  # recorded as not started
    mistaken: dict[RunId, Started] = field(default_factory=dict)  # a stranger's, taken for it
    adopted: dict[RunId, Started] = field(default_factory=dict)  # a stranger's, by a person's word
    # What each person who adopts knows of, by the run and the person.
    meant: dict[tuple[RunId, str], Started] = field(default_factory=dict)

    def of_run(self, run: RunId) -> Sequence[Started]:
        """The instances that the run was really started as."""
        return [one for one in self.started if one.run.id == run]

    def late_and_told(self, run: RunId) -> Sequence[Started]:
        """The instances of the run that left too late, and of which the ledger tells."""
        own = [one for one in self.overdue if one.run.id == run]
        return [one for one in own if (run, one.claim) in self.told_late]

    def taken_for(self, run: RunId) -> Iterator[Started]:
        """The run's own instances, and the one that may be taken for its own."""
        yield from self.of_run(run)
        if run in self.mistaken:
            yield self.mistaken[run]
        if run in self.adopted:
            yield self.adopted[run]
        yield from (one for one in self.overdue if one.run.id == run)

    def runs_of(self, one: Started) -> Sequence[RunId]:
        """The runs of which the instance is one, or is recorded to be one."""
        recorded = (*self.mistaken.items(), *self.adopted.items())
        own = [one.run.id] if one.claim is not None else []
        return own or [run for run, other in recorded if other is one]

    def under(self, instance: InstanceId) -> Sequence[Started]:
        """Every instance of that id, the newest last."""
        every = (*self.strangers, *self.overdue, *self.started)
        found = [one for one in every if one.instance == instance]
        return sorted(found, key=lambda one: one.at)

    def look_alike(self, event: events.Triggered, ledger: Ledger) -> Started | None:
        """Another's instance of that id that nothing tells apart from the run's own."""
        claim = ledger.claims.get(event.claim) if event.claim else None
        others = (*self.strangers, *self.overdue)
        found = (one for one in others if one.instance == event.flow_instance_id)
        alike = (one for one in found if claim and self._are_alike(one, event.run, claim))
        return next(alike, None)

    def may_be_taken_for(self, one: Started, ledger: Ledger) -> list[RunId]:
        """The runs for which the instance is taken, or may be before that is on the branch."""
        taken = (*self.mistaken.items(), *self.adopted.items())
        found = [run for run, other in taken if other is one]
        for record in ledger.records.values():
            if record.claim and record.phase in UNSETTLED:
                claim = ledger.claims[record.claim]
                found += [record.run] if self._are_alike(one, record.run, claim) else []
        return found

    def _are_alike(self, one: Started, run: RunId, claim: events.Claim) -> bool:
        """Whether nothing tells the stranger's instance from the run's, which is not to be seen.

        The run's never came to be, or is not listed yet. The other carries the same, was created
        after the claim as far as its stamp tells, and the claim was made without a correlation
        parameter.
        """
        claimed = claim.runs.get(run)
        hidden = all(own.listed > self.now() - LATE_SECONDS for own in self.of_run(run))
        if claimed is None or claim.claim in self.correlated or not hidden:
            return False
        if (one.run.digest, one.run.trigger_time) != (claimed.digest, claimed.trigger_time):
            return False
        created = self.clock.at(one.at)
        shown = listed(one, self.oddities, created=created, now=one.at, readable=True)
        claimed_at = parse_instant(claim.at) // 1000 * 1000
        return shown.created is not None and shown.created >= claimed_at
