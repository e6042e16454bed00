"""Whether what a run depends on has succeeded; and if not, what stands in the way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.ledger import Ledger, Record, RunState
from reconciler.model import EpochMs, Run, RunId, covers, run_attempt, run_name, run_revision
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


_DEEPEST = 50  # links of a chain


class Dependencies:
    """Answers for every name once, however many runs depend on it."""

    def __init__(self, runs: Iterable[Run], ledger: Ledger, now: EpochMs) -> None:
        self._ledger = ledger
        self._now = now
        self._declared: dict[str, list[Run]] = defaultdict(list)  # by manifest
        self._recorded: dict[str, list[Record]] | None = None  # the same
        self._known: dict[str, Dependency] = {}
        self._depth = 0
        for run in runs:
            self._declared[run.manifest].append(run)

    def of(self, run: Run) -> list[Dependency]:
        """Those of the run's dependencies that have not succeeded."""
        found = [self._dependency(name) for name in run.depends_on]
        return [one for one in found if one.standing is not Standing.SUCCEEDED]

    def _dependency(self, name: str) -> Dependency:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _summed(name, self._members(name))
        return known

    def _members(self, name: str) -> list[_One]:
        """Every run that the name means: declared ones, or else those that are recorded."""
        manifest = name.partition("/")[0]
        declared = [run for run in self._declared.get(manifest, ()) if covers(name, run.name)]
        if declared:
            return [self._declared_one(run) for run in declared]
        return [_recorded_one(record) for record in self._newest_records(manifest, name)]

    def _declared_one(self, run: Run) -> _One:
        newest = newest_attempt(run, self._ledger.records)
        started = newest.record is not None and newest.record.may_have_started
        if newest.record is None or not started or another_follows(run, newest):
            if self._is_blocked(run):
                return _One(run=run.id, standing=Standing.LOST, words="is blocked")
            return _to_be_started(run, newest, self._now)
        return _recorded_one(newest.record)

    def _is_blocked(self, run: Run) -> bool:
        """Whether something that the run itself depends on is lost.

        Asked only so deep into a chain: beyond, what is blocked shows as coming, and never starts.
        """
        if not run.depends_on or self._depth == _DEEPEST:
            return False
        self._depth += 1
        lost = any(one.standing is Standing.LOST for one in self.of(run))
        self._depth -= 1
        return lost

    def _newest_records(self, manifest: str, name: str) -> list[Record]:
        if self._recorded is None:
            self._recorded = defaultdict(list)
            for record in self._ledger.records.values():
                self._recorded[run_name(record.run).partition("/")[0]].append(record)
        newest: dict[str, Record] = {}
        for record in self._recorded.get(manifest, ()):
            one = run_name(record.run)
            if covers(name, one):
                before = newest.get(one)
                if before is None or _rank(before) < _rank(record):
                    newest[one] = record
        return list(newest.values())


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
