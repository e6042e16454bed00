"""What a change does: what was declared before it, and after it, against one ledger.

Only what an apply could still start is compared, and what it would refuse to: a run that ran and
stays as it is, or is no longer declared, starts nothing either way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.ledger import Ledger, Record
from reconciler.ledger.records import Phase
from reconciler.model import (
    Declared,
    Place,
    Run,
    RunId,
    combination_of,
    first_attempt,
    manifest_of,
    run_id,
    run_name,
)
from reconciler.plan.dependencies import another_follows, newest_attempt
from reconciler.rules.revisions import is_edited, lowered


class Kind(StrEnum):
    """What a change does with one run."""

    ADDED = "added"  # declared now and not before
    REMOVED = "removed"  # declared before and not now: it will never start
    CHANGED = "changed"  # not recorded, and carries something else, or starts otherwise, or renamed
    RERUN = "rerun"  # recorded, and to be started again: another revision, or another attempt
    REFUSED = "refused"  # recorded, and edited: an apply refuses it


FIELDS = (
    *("flow_id", "trigger_time", "parameters", "suspend", "not_after"),
    *("depends_on", "matching", "after", "max_active", "stop_after"),
    *("cancel", "retry", "duplicate_of"),
)  # of a run, which decide what is started, and whether


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One run that a change adds, removes, or makes start in another way."""

    id: RunId  # of the attempt that would be started
    kind: Kind
    before: Run | None
    after: Run | None
    earlier: tuple[Record, ...] = ()  # of a rerun: what has run already, the newest last
    unseen: str = ""  # why nobody can say what it was before, where that is so

    @property
    def run(self) -> Run:
        """The run as it is declared now, or else as it was."""
        run = self.after or self.before
        if run is None:
            raise ValueError(f"{self.id} changed from nothing to nothing")
        return run

    @property
    def manifest(self) -> str:
        """The manifest that declares the run, or did."""
        return manifest_of(run_name(self.id))

    @property
    def fields(self) -> tuple[str, ...]:
        """Which of FIELDS differ; none where the run was not declared before, or is not now."""
        if self.before is None or self.after is None:
            return ()
        found = differing(self.before, self.after)
        times = {run.trigger_time - run.delay for run in (self.before, self.after)}
        if self.kind is Kind.REFUSED and len(times) == 1:  # it never starts at another minute
            return tuple(name for name in found if name != "trigger_time")
        return found


def differing(before: Run, after: Run) -> tuple[str, ...]:
    """Which of FIELDS differ between the two."""
    return tuple(name for name in FIELDS if _compared(before, name) != _compared(after, name))


def _compared(run: Run, name: str) -> object:
    """What counts of the field: of the run before it, not how their manifest is called."""
    value = getattr(run, name)
    return value.partition("/")[2] if name == "after" and value is not None else value


def changes(before: Declared, after: Declared, ledger: Ledger) -> tuple[Change, ...]:
    """Everything that the change from one to the other does, by run id.

    Both are scheduled with that very ledger. A run is listed exactly if what an apply would start
    of it, when, and under which conditions differs, or if it ran and the change edits it.
    """
    was, now = (_Side.of(declared, ledger) for declared in (before, after))
    found = [*_of_startable(was, now, ledger), *_of_recorded(was, now, ledger)]
    return tuple(sorted(found, key=lambda change: change.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """What is declared on one side."""

    runs: Mapping[RunId, Run]  # by the id of the first attempt
    by_name: Mapping[str, Run]
    startable: Mapping[RunId, Run]  # by the attempt that could be started next
    lowered: frozenset[RunId]  # not started, and a later revision was: refused

    @classmethod
    def of(cls, declared: Declared, ledger: Ledger) -> "_Side":
        startable = _startable(declared.runs, ledger)
        refused = frozenset(run.id for run, _ in lowered(declared.runs, ledger))
        return cls(
            runs={run.id: run for run in declared.runs},
            by_name={run.name: run for run in declared.runs},
            startable={id_: run for id_, run in startable.items() if id_ not in refused},
            lowered=refused,
        )


def _startable(runs: Iterable[Run], ledger: Ledger) -> dict[RunId, Run]:
    """The attempts that an apply may start next, whatever they still wait for."""
    found: dict[RunId, Run] = {}
    for run in runs:
        newest = newest_attempt(run, ledger.records)
        if not newest.may_have_started:
            found[run.id] = run
        elif not is_edited(run, ledger) and another_follows(run, newest):
            following = replace(run, attempt=newest.attempt + 1)
            found[following.id] = following
    return found


def _of_startable(was: _Side, now: _Side, ledger: Ledger) -> Iterator[Change]:
    started = _Started(ledger)
    renamed = _renamed(was, now)
    for id_, after in now.startable.items():
        before = was.startable.get(renamed.get(id_, id_))
        if before is None:
            earlier = started.of(after)
            kind = Kind.RERUN if earlier else Kind.ADDED
            like = was.by_name.get(after.name) if earlier else None
            yield Change(id=id_, kind=kind, before=like, after=after, earlier=earlier)
        elif id_ in renamed or (before is not after and differing(before, after)):
            yield Change(id=id_, kind=Kind.CHANGED, before=before, after=after)
    for id_ in was.startable.keys() - now.startable.keys() - set(renamed.values()):
        declared = now.runs.get(first_attempt(id_))
        if declared is None or not is_edited(declared, ledger):  # or `_of_recorded` tells of it
            yield Change(id=id_, kind=Kind.REMOVED, before=was.startable[id_], after=None)


def _renamed(was: _Side, now: _Side) -> dict[RunId, RunId]:
    """The runs that were renamed and never recorded, each with its id before, by `formerly`."""
    found: dict[RunId, RunId] = {}
    for id_, run in now.startable.items():
        rest = run.name.removeprefix(run.manifest)
        for former in run.formerly if id_ not in was.startable else ():
            before = run_id(former + rest, run.revision, run.attempt)
            if before in was.startable and before not in now.startable:
                found[id_] = before
    return found


def _of_recorded(was: _Side, now: _Side, ledger: Ledger) -> Iterator[Change]:
    """Runs that ran and were edited; and runs that go on and are called off, or no longer."""
    for id_ in now.lowered - was.lowered:
        after = now.runs[first_attempt(id_)]
        yield Change(id=id_, kind=Kind.REFUSED, before=was.by_name.get(after.name), after=after)
    for id_, after in now.runs.items():
        record = ledger.records.get(id_)
        if record is None or not record.may_have_started:
            continue
        before = was.runs.get(id_)
        if record.digest != after.digest:
            if before is None or before.digest == record.digest:
                yield Change(id=id_, kind=Kind.REFUSED, before=before, after=after)
        elif after.cancel != (before is not None and before.cancel):
            newest = newest_attempt(after, ledger.records).record
            if newest is not None and newest.phase not in _ENDED:
                yield Change(id=newest.run, kind=Kind.CHANGED, before=before, after=after)


_ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED})


class _Started:
    """What may have run, by the names of runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._records: dict[str, list[Record]] = {}
        for record in ledger.records.values():
            if record.may_have_started:
                self._records.setdefault(run_name(record.run), []).append(record)

    def of(self, run: Run) -> tuple[Record, ...]:
        """Every earlier revision and attempt of it."""
        return tuple(self._records.get(run.name, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfManifest:
    """What a change does to one manifest."""

    name: str
    place: Place | None  # where it stands now; None where it is gone
    before: int  # runs that it declared
    after: int  # and that it declares
    changes: Sequence[Change]
    values: Mapping[str, frozenset[str]]  # of its matrix before, by key

    def of(self, kind: Kind) -> list[Change]:
        """Its changes of that kind."""
        return [change for change in self.changes if change.kind is kind]


def undeclared(before: Declared, after: Declared) -> frozenset[str]:
    """The names of the runs that only `before` declares."""
    names = {run.name for run in after.runs}
    return frozenset(run.name for run in before.runs if run.name not in names)


def by_manifest(
    found: Sequence[Change], before: Declared, after: Declared
) -> tuple[OfManifest, ...]:
    """The changes of each manifest, by its name; only of those that have any."""
    groups: dict[str, list[Change]] = {}
    for change in found:
        groups.setdefault(change.manifest, []).append(change)
    was, now = (_runs_of(declared, groups) for declared in (before, after))
    return tuple(
        OfManifest(
            name=name,
            place=now[name][0].place if now[name] else None,
            before=len(was[name]),
            after=len(now[name]),
            changes=tuple(groups[name]),
            values=_values(was[name]),
        )
        for name in sorted(groups)
    )


def _runs_of(declared: Declared, names: Iterable[str]) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for run in declared.runs:
        if run.manifest in runs:
            runs[run.manifest].append(run)
    return runs


def _values(runs: Iterable[Run]) -> dict[str, frozenset[str]]:
    values: dict[str, set[str]] = {}
    for run in runs:
        for key, value in combination_of(run.name).items():
            values.setdefault(key, set()).add(value)
    return {key: frozenset(found) for key, found in values.items()}
