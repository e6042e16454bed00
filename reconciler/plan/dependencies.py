"""Whether what a run depends on has succeeded; and if not, what stands in the way.

That asks for the newest of a run's attempts, and whether another one follows. A declared duplicate
waits for its original in other environments (`Beside`) as it would within its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.identity import Surroundings
from reconciler.ledger import Ledger, Record, RunState
from reconciler.model import (
    Digest,
    EpochMs,
    Run,
    RunId,
    covers,
    run_attempt,
    run_id,
    run_name,
    run_revision,
    with_parents,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest attempt at a run that may have been started, or else the first attempt."""

    attempt: int  # 1 also where there is none
    record: Record | None

    @property
    def state(self) -> RunState | None:
        """Its state, as far as time does not matter to it; None where nothing is recorded."""
        return None if self.record is None else self.record.state(self.record.until)

    @property
    def may_have_started(self) -> bool:
        """Whether an instance of the run exists or could exist."""
        return self.record is not None and self.record.may_have_started


def newest_attempt(run: Run, records: Mapping[RunId, Record]) -> Newest:
    """Find it: attempts are numbered without gaps.

    A further attempt that was certainly not started does not count: it is made again only if it is
    still wanted, for the one before may have been run again in the service, or `retry` been taken
    away.
    """
    attempt, record = 1, records.get(run.id)
    while following := records.get(run_id(run.name, run.revision, attempt + 1)):
        if not following.may_have_started:
            break
        attempt, record = attempt + 1, following
    return Newest(attempt=attempt, record=record)


def another_follows(run: Run, newest: Newest) -> bool:
    """Whether the run's newest attempt ended so that the manifest wants another one."""
    if run.retry is None or run.cancel or newest.record is None:
        return False
    ended_badly = newest.state is RunState.FAILED and newest.record.status in run.retry.on
    return ended_badly and newest.attempt <= run.retry.max


class Beside:
    """Other environments and ledgers of the service, as far as they carry the same as our runs."""

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
        """A run of which nobody knows yet whether it was started, and that this one could be.

        Names mean nothing across environments, but for the one that `duplicateOf` says.
        """
        found = self._unsettled.get(run.digest)
        if found is None and run.duplicate_of is not None:
            found = self._unsettled.get(run.duplicate_of)
        return found

    def unstarted_original(self, run: Run, now: EpochMs) -> str | None:
        """What this one is a duplicate of, if that starts before it, in words.

        As within one environment, an original that something else holds back is not waited for.
        """
        of = run.duplicate_of
        for environment, one in self._originals.get(run.digest, ()) if of is not None else ():
            held = one.suspend or one.cancel or one.depends_on
            missed = one.not_after is not None and now > one.not_after
            if of is None or not covers(of, one.name) or held or missed:
                continue
            if not any(ledger.may_have_started(one.id) for ledger in self._ledgers):
                return f"{one.id}, which environment {environment} has not started yet"
        return None


class DependencyStanding(Enum):
    """How a run stands, for those that depend on it."""

    SUCCEEDED = auto()
    COMING = auto()  # it may succeed yet
    LOST = auto()  # it ended badly, or will never start as things are


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    run: RunId
    standing: DependencyStanding
    words: str  # that go on from the run: `is running`, `failed`


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One item of a `dependsOn`, and how far it has come."""

    name: str
    standing: DependencyStanding
    reason: str  # why it has not succeeded, in words; empty where it has


class Dependencies:
    """Answers for every name once, however many runs depend on it, and whatever their order.

    What is lost is found first, from its causes on to all that it blocks. So each link is followed
    once, however long a chain is; and runs that wait for each other in a circle, which a problem
    tells of, are not lost by that.
    """

    def __init__(self, runs: Iterable[Run], ledger: Ledger, now: EpochMs) -> None:
        runs = list(runs)
        self._ledger = ledger
        self._now = now
        self._wanted = {name for run in runs for name in run.depends_on}
        self._own: dict[str, tuple[bool, _One]] = {}  # by the run's name: see `_alone`
        self._known: dict[str, Dependency] = {}
        self._declared: dict[str, list[Run]] = defaultdict(list)  # by each wanted name
        for run in sorted(runs, key=lambda run: run.turn) if self._wanted else ():
            for name in self._wanted_of(run.name):
                self._declared[name].append(run)
        self._recorded = self._newest_records()
        self._blocked = self._find_blocked(runs)

    def of(self, run: Run) -> list[Dependency]:
        """Those of the run's dependencies that have not succeeded."""
        found = [self._dependency(name) for name in run.depends_on]
        return [one for one in found if one.standing is not DependencyStanding.SUCCEEDED]

    def _wanted_of(self, name: str) -> list[str]:
        """What is depended on that means the run of that name, perhaps among others."""
        return [one for one in with_parents(name) if one in self._wanted]

    def _dependency(self, name: str) -> Dependency:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _summed(name, self._members(name))
        return known

    def _members(self, name: str) -> list[_One]:
        """Every run that the name means: declared ones, or else those that are recorded."""
        declared = self._declared.get(name)
        if declared:
            return [self._declared_one(run) for run in declared]
        recorded = self._recorded.get(name, {}).values()
        return [
            _recorded_one(one)
            for one in sorted(recorded, key=lambda one: (one.trigger_time, one.run))
        ]

    def _declared_one(self, run: Run) -> _One:
        if run.name in self._blocked:
            return _One(run=run.id, standing=DependencyStanding.LOST, words="is blocked")
        return self._alone(run)[1]

    def _alone(self, run: Run) -> tuple[bool, _One]:
        """Whether the run, or an attempt at it, is yet to be started; and how it stands by itself.

        That is: whatever becomes of those that it depends on.
        """
        own = self._own.get(run.name)
        if own is None:
            newest = newest_attempt(run, self._ledger.records)
            record = newest.record
            if record is None or not record.may_have_started or another_follows(run, newest):
                own = True, _to_be_started(run, newest, self._now)
            else:
                own = False, _recorded_one(record)
            self._own[run.name] = own
        return own

    def _find_blocked(self, runs: Iterable[Run]) -> frozenset[str]:
        """The names of the runs yet to be started of which something that they need is lost."""
        waiting: dict[str, list[Run]] = defaultdict(list)  # by the name that is waited for
        for run in runs:
            if run.depends_on and self._alone(run)[0]:
                for name in run.depends_on:
                    waiting[name].append(run)
        lost = [name for name in waiting if self._is_lost(name)]
        blocked: set[str] = set()
        while lost:
            for run in waiting.pop(lost.pop(), ()):
                if run.name not in blocked:
                    blocked.add(run.name)
                    lost += self._wanted_of(run.name)
        return frozenset(blocked)

    def _is_lost(self, name: str) -> bool:
        """Whether one of those that the name means is lost by itself, or it means none."""
        declared = self._declared.get(name, ())
        members = [self._alone(run)[1] for run in declared] or self._members(name)
        return not members or any(one.standing is DependencyStanding.LOST for one in members)

    def _newest_records(self) -> dict[str, dict[str, Record]]:
        """By each wanted name that nothing declared has: what is recorded, by the run's name."""
        newest: dict[str, dict[str, Record]] = defaultdict(dict)
        if all(name in self._declared for name in self._wanted):
            return newest
        for record in self._ledger.records.values():
            one = run_name(record.run)
            for name in self._wanted_of(one):
                before = newest[name].get(one)
                if before is None or _rank(before) < _rank(record):
                    newest[name][one] = record
        return newest


def _rank(record: Record) -> tuple[bool, int, int]:
    """Which record speaks for a run: the newest that was started, or else the newest."""
    return record.may_have_started, run_revision(record.run), run_attempt(record.run)


def _recorded_one(record: Record) -> _One:
    match record.state(record.until):
        case RunState.SUCCEEDED:
            return _One(
                run=record.run, standing=DependencyStanding.SUCCEEDED, words="has succeeded"
            )
        case RunState.FAILED:
            words = f"failed ({record.status})"
            return _One(run=record.run, standing=DependencyStanding.LOST, words=words)
        case RunState.IN_DOUBT:
            return _One(
                run=record.run, standing=DependencyStanding.COMING, words="is in doubt or claimed"
            )
        case RunState.PENDING | RunState.REJECTED:
            words = "was not started, and is no longer declared"
            return _One(run=record.run, standing=DependencyStanding.LOST, words=words)
        case _:
            return _One(run=record.run, standing=DependencyStanding.COMING, words="has not ended")


_NOT_STARTED: Mapping[RunState | None, str] = {  # by the state of the newest attempt
    RunState.FAILED: "is tried again",
    RunState.REJECTED: "was refused and is tried again",
}


def _to_be_started(run: Run, newest: Newest, now: EpochMs) -> _One:
    standing = DependencyStanding.LOST
    if run.cancel:
        words = "is cancelled"
    elif run.suspend:
        words = "is suspended"
    elif run.not_after is not None and now > run.not_after:
        words = "was missed"
    else:
        standing = DependencyStanding.COMING
        words = _NOT_STARTED.get(newest.state, "was not started yet")
    return _One(run=run.id, standing=standing, words=words)


def _summed(name: str, members: Sequence[_One]) -> Dependency:
    lost = [one for one in members if one.standing is DependencyStanding.LOST]
    coming = [one for one in members if one.standing is DependencyStanding.COMING]
    if lost:
        more = f", and {len(lost) - 1} more of {name}" if len(lost) > 1 else ""
        words = f"blocked: {lost[0].run} {lost[0].words}{more}"
        return Dependency(name=name, standing=DependencyStanding.LOST, reason=words)
    if coming and len(members) > 1:
        done = len(members) - len(coming)
        words = f"waits for {name}: {done} of {len(members)} runs have succeeded"
        return Dependency(name=name, standing=DependencyStanding.COMING, reason=words)
    if coming:
        words = f"waits for {coming[0].run}, which {coming[0].words}"
        return Dependency(name=name, standing=DependencyStanding.COMING, reason=words)
    if not members:  # a problem says so as well; nothing starts on the strength of it
        words = f"blocked: {name} is neither declared nor recorded"
        return Dependency(name=name, standing=DependencyStanding.LOST, reason=words)
    return Dependency(name=name, standing=DependencyStanding.SUCCEEDED, reason="")
