"""Whether the runs that a run depends on have succeeded; and if not, what stands in the way.

The answer takes the newest attempt at each of those runs, and whether another attempt follows.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import assert_never

from msgspec.structs import replace

from reconciler.ledger import Ledger, Record, RunState
from reconciler.ledger.records import UNDER_WAY
from reconciler.model import (
    Declared,
    EpochMs,
    Run,
    RunId,
    covering_references,
    run_attempt,
    run_id,
    run_name,
    run_revision,
)
from reconciler.numerous import Numerous
from reconciler.plan.standing import (
    LEFT_OUT,
    Dependency,
    DependencyStanding,
    Meant,
    Prerequisite,
    accepts_every_run,
    dependency_on_group,
    dependency_on_name,
    recorded_prerequisite,
    unstarted_prerequisite,
)
from reconciler.rules.agreement import Agreeing, Groups, Reference, references


class Newest(Numerous, frozen=True, kw_only=True, gc=False):
    """The newest attempt at a run that may have been started, or else the first attempt."""

    attempt: int  # also 1 where nothing was attempted
    record: Record | None

    @property
    def state(self) -> RunState | None:
        """The attempt's state; a claim counts as expired. None where nothing is recorded."""
        return None if self.record is None else self.record.state(self.record.until)

    @property
    def may_have_started(self) -> bool:
        """Whether an instance of the run exists or could exist."""
        return self.record is not None and self.record.may_have_started


def newest_attempt(run: Run, ledger: Ledger) -> Newest:
    """Find the run's newest attempt; attempts are numbered without gaps.

    A further attempt that was certainly not started does not count. It is made again only if it is
    still wanted: meanwhile somebody may have run the attempt before it again in the service, or
    removed `retry`.
    """
    records = ledger.records
    attempt, record = 1, records.get(run.id)
    if run.id not in ledger.retried:
        return Newest(attempt=attempt, record=record)
    while following := records.get(run_id(run.name, run.revision, attempt + 1)):
        if not following.may_have_started:
            break
        attempt, record = attempt + 1, following
    return Newest(attempt=attempt, record=record)


def wants_another_attempt(run: Run, newest: Newest) -> bool:
    """Whether the manifest wants another attempt after the way in which the newest one ended."""
    if run.retry is None or run.cancel or newest.record is None:
        return False
    ended_badly = newest.state is RunState.FAILED and newest.record.status in run.retry.on
    return ended_badly and newest.attempt <= run.retry.max


class Dependencies:
    """What each run still waits for; each reference is judged once, however many runs have it.

    Lost runs are found first, from their causes on to everything that they block. So each link is
    followed once, however long a chain is. Runs that wait for each other in a circle do not count
    as lost because of that: a problem reports the circle.
    """

    def __init__(
        self,
        declared: Declared,
        ledger: Ledger,
        now: EpochMs,
        stopped: Container[str],
        is_meant: Meant = accepts_every_run,
    ) -> None:
        """`stopped`: the names of the manifests that start nothing more."""
        runs, zone = declared.runs, declared.zone
        self._stopped = stopped
        self._is_meant = is_meant
        self._ledger = ledger
        self._now = now
        self._groups = Groups(runs, ledger, zone)
        self._needs = {run.name: _needs(run, zone) for run in runs if run.depends_on or run.after}
        self._wanted = {one for needs in self._needs.values() for one in needs}
        self._own: dict[str, tuple[bool, Prerequisite]] = {}  # see `_own_standing`
        self._known: dict[Reference, Dependency] = {}
        self._declared: dict[str, list[Run]] = defaultdict(list)  # by each wanted name
        for run in sorted(runs, key=lambda run: run.turn) if self._wanted else ():
            for name in self._wanted_names(run.name):
                self._declared[name].append(run)
        self._recorded = self._newest_records()
        self._blocked = self._find_blocked(runs)

    def of(self, run: Run) -> list[Dependency]:
        """The run's dependencies that have not succeeded."""
        needs = self._needs.get(run.name, ())
        found = [self._dependency(one) for one in needs]
        if run.after is not None:
            found[-1] = _previous_date_dependency(found[-1])
        return [one for one in found if one.standing is not DependencyStanding.SUCCEEDED]

    def _wanted_names(self, name: str) -> list[str]:
        """The names in dependencies that mean the run of that name, perhaps among others."""
        return [one for one in covering_references(name) if one in self._wanted]

    def _wanted_references(self, run: Run) -> list[Reference]:
        """The references in dependencies that mean the run, perhaps among others."""
        groups = (one for one in self._groups.of(run) if one in self._wanted)
        return [*self._wanted_names(run.name), *groups]

    def _dependency(self, reference: Reference) -> Dependency:
        known = self._known.get(reference)
        if known is None:
            members = self._members(reference)
            if isinstance(reference, Agreeing):
                known = dependency_on_group(reference, members)
            else:
                known = dependency_on_name(reference, members)
            self._known[reference] = known
        return known

    def _members(self, reference: Reference) -> list[Prerequisite]:
        """Every run that the reference means: the declared ones, or else the recorded ones.

        Of an `Agreeing` reference, recorded runs under way count beside declared ones: such a run
        may not yet have written what the waiting run reads, even if its manifest has left it out
        meanwhile. An ended one counts only if nothing declared agrees; otherwise a failed run that
        was removed would block the waiting run for ever.
        """
        declared = [self._declared_prerequisite(run) for run in self._meant_runs(reference)]
        if isinstance(reference, Agreeing):
            recorded = list(_newest_by_run(self._groups.recorded_runs(reference)).values())
            recorded = [one for one in recorded if is_under_way(one)] if declared else recorded
        else:
            recorded = [] if declared else list(self._recorded.get(reference, {}).values())
        recorded.sort(key=lambda one: (one.trigger_time, one.run))
        return [*declared, *map(recorded_prerequisite, recorded)]

    def _meant_runs(self, reference: Reference) -> Sequence[Run]:
        """The declared runs that the reference means."""
        if isinstance(reference, Agreeing):
            return self._groups.declared_runs(reference)
        return self._declared.get(reference, ())

    def _declared_prerequisite(self, run: Run) -> Prerequisite:
        own = self._own_standing(run)[1]
        cause = self._blocked.get(run.name)
        if cause is None or own.standing is DependencyStanding.LOST:
            return own
        return replace(own, standing=DependencyStanding.LOST, words="is blocked", cause=cause)

    def _own_standing(self, run: Run) -> tuple[bool, Prerequisite]:
        """Whether the run, or another attempt at it, has yet to start; and how it stands by itself.

        By itself: without regard to its own dependencies.
        """
        own = self._own.get(run.name)
        if own is None:
            newest = newest_attempt(run, self._ledger)
            record = newest.record
            if record is None or not record.may_have_started or wants_another_attempt(run, newest):
                own = True, self._unstarted_prerequisite(run, newest)
            else:
                own = False, recorded_prerequisite(record)
            self._own[run.name] = own
        return own

    def _unstarted_prerequisite(self, run: Run, newest: Newest) -> Prerequisite:
        attempt = newest.attempt + 1 if wants_another_attempt(run, newest) else newest.attempt
        its = unstarted_prerequisite(run, newest.state, self._now, self._stopped)
        if its.standing is DependencyStanding.LOST or self._is_meant(run.but(attempt=attempt)):
            return its
        return replace(its, standing=DependencyStanding.LOST, words=f"is {LEFT_OUT}")

    def _find_blocked(self, runs: Iterable[Run]) -> Mapping[str, Prerequisite]:
        """By name, the runs yet to start that a lost run blocks, each with that lost run.

        The lost run is lost by itself, however long the chain from it to the blocked run.
        """
        waiting: dict[Reference, list[Run]] = defaultdict(list)  # by what they wait for
        for run in runs:
            if run.name in self._needs and self._own_standing(run)[0]:
                for one in self._needs[run.name]:
                    waiting[one].append(run)
        lost = [(one, cause) for one in waiting if (cause := self._find_lost(one)) is not None]
        blocked: dict[str, Prerequisite] = {}
        while lost:
            reference, cause = lost.pop()
            for run in waiting.pop(reference, ()):
                if run.name not in blocked:
                    blocked[run.name] = cause
                    lost += ((one, cause) for one in self._wanted_references(run))
        return blocked

    def _find_lost(self, reference: Reference) -> Prerequisite | None:
        """A run that the reference means and that is lost by itself, or None if none is.

        If the reference means no run at all, a stand-in that says so.
        """
        declared = self._meant_runs(reference)
        members = [self._own_standing(run)[1] for run in declared] or self._members(reference)
        if not members:
            name = reference if isinstance(reference, str) else reference.name
            words = "is neither declared nor recorded"
            return Prerequisite(run=RunId(name), standing=DependencyStanding.LOST, words=words)
        return next((one for one in members if one.standing is DependencyStanding.LOST), None)

    def _newest_records(self) -> dict[str, dict[str, Record]]:
        """By wanted name, the newest record of each run that it means, by the run's name.

        Empty where declared runs have all the wanted names.
        """
        found: dict[str, list[Record]] = defaultdict(list)
        names = (one for one in self._wanted if isinstance(one, str))
        if all(name in self._declared for name in names):
            return {}
        for record in self._ledger.records.values():
            for name in self._wanted_names(run_name(record.run)):
                found[name].append(record)
        return {name: _newest_by_run(records) for name, records in found.items()}


def is_under_way(record: Record) -> bool:
    """Whether the run may have been started, and is not known to have ended."""
    return record.phase in UNDER_WAY


def _previous_date_dependency(one: Dependency) -> Dependency:
    """The dependency on the run of the date before, with words that say so."""
    match one.standing:
        case DependencyStanding.SUCCEEDED:
            return one
        case DependencyStanding.COMING:
            return replace(one, gist="each waits for the date before it")
        case DependencyStanding.LOST:
            return replace(one, reason=f"{one.reason}, and each date waits for the one before it")
        case _:
            assert_never(one.standing)


def _needs(run: Run, zone: tzinfo) -> tuple[Reference, ...]:
    """Everything that must succeed before the run; the run of the date before comes last."""
    before = () if run.after is None else (run.after,)
    return (*references(run, zone), *before)


def _newest_by_run(records: Iterable[Record]) -> dict[str, Record]:
    """The record that speaks for each run, by the run's name."""
    newest: dict[str, Record] = {}
    for record in records:
        before = newest.get(run_name(record.run))
        if before is None or _rank(before) < _rank(record):
            newest[run_name(record.run)] = record
    return newest


def _rank(record: Record) -> tuple[bool, int, int]:
    """Which record speaks for a run: the newest that was started, or else the newest."""
    return record.may_have_started, run_revision(record.run), run_attempt(record.run)
