"""Whether what a run depends on has succeeded; and if not, what stands in the way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.ledger import Ledger, Record, RunState
from reconciler.model import EpochMs, Run, RunId, run_attempt, run_name, run_revision, with_parents
from reconciler.plan.attempts import Newest, another_follows, newest_attempt


class Standing(Enum):
    """How a run stands, for those that depend on it."""

    SUCCEEDED = auto()
    COMING = auto()  # it may succeed yet
    LOST = auto()  # it ended badly, or will never start as things are


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    run: RunId
    standing: Standing
    words: str  # that go on from the run: `is running`, `failed`


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One item of a `dependsOn`, and how far it has come."""

    name: str
    standing: Standing
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
        return [one for one in found if one.standing is not Standing.SUCCEEDED]

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
            return _One(run=run.id, standing=Standing.LOST, words="is blocked")
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
        return not members or any(one.standing is Standing.LOST for one in members)

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
            return _One(run=record.run, standing=Standing.SUCCEEDED, words="has succeeded")
        case RunState.FAILED:
            words = f"failed ({record.status})"
            return _One(run=record.run, standing=Standing.LOST, words=words)
        case RunState.IN_DOUBT:
            return _One(run=record.run, standing=Standing.COMING, words="is in doubt or claimed")
        case RunState.PENDING | RunState.REJECTED:
            words = "was not started, and is no longer declared"
            return _One(run=record.run, standing=Standing.LOST, words=words)
        case _:
            return _One(run=record.run, standing=Standing.COMING, words="has not ended")


_NOT_STARTED: Mapping[RunState | None, str] = {  # by the state of the newest attempt
    RunState.FAILED: "is tried again",
    RunState.REJECTED: "was refused and is tried again",
}


def _to_be_started(run: Run, newest: Newest, now: EpochMs) -> _One:
    standing = Standing.LOST
    if run.cancel:
        words = "is cancelled"
    elif run.suspend:
        words = "is suspended"
    elif run.not_after is not None and now > run.not_after:
        words = "was missed"
    else:
        standing = Standing.COMING
        words = _NOT_STARTED.get(newest.state, "was not started yet")
    return _One(run=run.id, standing=standing, words=words)


def _summed(name: str, members: Sequence[_One]) -> Dependency:
    lost = [one for one in members if one.standing is Standing.LOST]
    coming = [one for one in members if one.standing is Standing.COMING]
    if lost:
        more = f", and {len(lost) - 1} more of {name}" if len(lost) > 1 else ""
        words = f"blocked: {lost[0].run} {lost[0].words}{more}"
        return Dependency(name=name, standing=Standing.LOST, reason=words)
    if coming and len(members) > 1:
        done = len(members) - len(coming)
        words = f"waits for {name}: {done} of {len(members)} runs have succeeded"
        return Dependency(name=name, standing=Standing.COMING, reason=words)
    if coming:
        words = f"waits for {coming[0].run}, which {coming[0].words}"
        return Dependency(name=name, standing=Standing.COMING, reason=words)
    if not members:  # a problem says so as well; nothing starts on the strength of it
        words = f"blocked: {name} is neither declared nor recorded"
        return Dependency(name=name, standing=Standing.LOST, reason=words)
    return Dependency(name=name, standing=Standing.SUCCEEDED, reason="")
