"""What a change does: the runs declared before it and after it, compared with one ledger.

Only runs that an apply could still start, or would refuse to, are compared. A run that was started
and stays as it is, or is no longer declared, starts nothing either way.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from reconciler.ledger import Ledger, Record
from reconciler.ledger.records import Phase
from reconciler.model import (
    Declared,
    Run,
    RunId,
    Terms,
    first_attempt,
    run_id,
    run_name,
)
from reconciler.plan.pairs import former_references, pairs, unjudged_names, with_former_references
from reconciler.plan.prerequisites import newest_attempt, wants_another_attempt
from reconciler.rules.edits import is_edited, lowered_runs


class Kind(StrEnum):
    """What a change does with one run."""

    ADDED = "added"  # declared now and not before
    REMOVED = "removed"  # declared before and not now: it will never start
    RENAMED = "renamed"  # the same run under another name: it starts, or has started, once
    CHANGED = "changed"  # not started yet: other parameters, time or conditions; or called off
    RERUN = "rerun"  # recorded, and to be started again: another revision, or another attempt
    REFUSED = "refused"  # recorded, and edited: an apply refuses it


_ASIDE = frozenset(
    {
        *("name", "revision", "attempt", "formerly", "declared_as"),  # which run it is
        *("file", "marks", "labels", "description", "sensitive", "times"),  # how it is shown
        "terms",  # whose fields are listed one by one
        *("digest", "stagger", "delay", "sequence"),  # others say the same, or only the order
        "again",  # decides only whether a problem is reported
    }
)
# The fields of a run that decide whether and how it is started: a new one does until it is put
# aside. A change tells of them, in words and in JSON.
_EVERY = [*Run.__struct_fields__, *Terms.__struct_fields__]
_EVERY.remove("after")  # documents have it beside what else a run waits for
_EVERY.insert(_EVERY.index("matching") + 1, "after")
FIELDS = tuple(name for name in _EVERY if name not in _ASIDE)


def document_name(field: str) -> str:
    """What manifests and JSON documents call one of FIELDS: `notAfter`."""
    if field == "matching":
        return "match"
    first, *others = field.split("_")
    return first + "".join(map(str.capitalize, others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change does with one run: see `Kind`."""

    id: RunId  # of the attempt that would be started next
    kind: Kind
    before: Run | None
    after: Run | None
    earlier: tuple[Record, ...] = ()  # its earlier revisions and attempts, the newest last
    unseen: str = ""  # why nobody can tell what the run was before; empty where that is known
    # Of renamed runs and manifests: the name that references used before, by the name used now.
    former: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def run(self) -> Run:
        """The run as it is declared now, or as it was declared before where it is gone."""
        run = self.after or self.before
        if run is None:
            raise ValueError(f"{self.id} changed from nothing to nothing")
        return run

    @property
    def manifest(self) -> str:
        """The manifest that declares the run, or did, by its name in the file."""
        return self.run.declared_manifest

    @property
    def is_renamed(self) -> bool:
        """Whether the run's name in its file is another one than before."""
        names = {run.declared_name for run in (self.before, self.after) if run is not None}
        return len(names) > 1

    @property
    def fields(self) -> tuple[str, ...]:
        """Which of FIELDS differ; none where the run was added or removed."""
        if self.before is None or self.after is None:
            return ()
        found = differing_fields(self.before, with_former_references(self.after, self.former))
        times = {run.trigger_time - run.delay for run in (self.before, self.after)}
        if self.kind is Kind.REFUSED and len(times) == 1:  # only the delays differ
            return tuple(name for name in found if name != "trigger_time")
        return found


def differing_fields(before: Run, after: Run) -> tuple[str, ...]:
    """Which of FIELDS differ between the two runs."""
    return tuple(
        name for name in FIELDS if _compared_value(before, name) != _compared_value(after, name)
    )


def _compared_value(run: Run, name: str) -> object:
    """The field's value to compare. Of `after`, the manifest's name does not count."""
    value = getattr(run, name)
    return value.partition("/")[2] if name == "after" and value is not None else value


def changes(before: Declared, after: Declared, ledger: Ledger) -> tuple[Change, ...]:
    """Everything that the change from `before` to `after` does, sorted by run id.

    Both must be scheduled with this ledger. A run is listed exactly if the change alters what an
    apply would start of it, when or under which conditions, or if it was started and is edited.
    """
    was, now = (_Side.of(declared, ledger) for declared in (before, after))
    lost = frozenset[str]().union(*unjudged_names(before, after).values())
    found = [*_startable_changes(was, now, ledger, lost), *_recorded_changes(was, now, ledger)]
    return tuple(sorted(found, key=lambda change: change.id))


class _Side(Struct, frozen=True, kw_only=True):
    """What is declared on one side of the change."""

    runs: Mapping[RunId, Run]  # by the id of the first attempt
    by_name: Mapping[str, Run]
    startable: Mapping[RunId, Run]  # by the id of the attempt that could be started next
    lowered: frozenset[RunId]  # refused: not started, although a later revision was

    @classmethod
    def of(cls, declared: Declared, ledger: Ledger) -> "_Side":
        startable = _startable_attempts(declared.runs, ledger)
        refused = frozenset(run.id for run, _ in lowered_runs(declared.runs, ledger))
        return cls(
            runs={run.id: run for run in declared.runs},
            by_name={run.name: run for run in declared.runs},
            startable={id_: run for id_, run in startable.items() if id_ not in refused},
            lowered=refused,
        )


def _startable_attempts(runs: Iterable[Run], ledger: Ledger) -> dict[RunId, Run]:
    """The attempts that an apply may start next, even if they still wait for something."""
    found: dict[RunId, Run] = {}
    for run in runs:
        newest = newest_attempt(run, ledger)
        if not newest.may_have_started:
            found[run.id] = run
        elif not is_edited(run, ledger) and wants_another_attempt(run, newest):
            following = run.but(attempt=newest.attempt + 1)
            found[following.id] = following
    return found


def _startable_changes(
    was: _Side, now: _Side, ledger: Ledger, lost: frozenset[str]
) -> Iterator[Change]:
    started = _Started(ledger)
    same = pairs(was.startable, now.startable, lambda run: bool(started.of(run)))
    former = former_references((was.startable[same[id_]], now.startable[id_]) for id_ in same)
    for id_, after in now.startable.items():
        before = was.startable.get(same.get(id_, id_))
        if before is None:
            earlier = started.of(after)
            kind = Kind.RERUN if earlier else Kind.ADDED
            like = was.by_name.get(after.name) if earlier else None
            yield Change(id=id_, kind=kind, before=like, after=after, earlier=earlier)
        elif before is after:
            continue
        elif differing_fields(before, with_former_references(after, former)):
            yield Change(id=id_, kind=Kind.CHANGED, before=before, after=after, former=former)
        elif before.declared_name != after.declared_name:
            yield Change(
                id=id_,
                kind=Kind.RENAMED,
                before=before,
                after=after,
                earlier=started.of(after),
                former=former,
            )
    for id_ in was.startable.keys() - now.startable.keys() - set(same.values()):
        run, declared = was.startable[id_], now.runs.get(first_attempt(id_))
        # What was edited, `_recorded_changes` yields.
        is_told = declared is not None and is_edited(declared, ledger)
        if not is_told and run.name not in lost:
            yield Change(id=id_, kind=Kind.REMOVED, before=run, after=None)


def _recorded_changes(was: _Side, now: _Side, ledger: Ledger) -> Iterator[Change]:
    """Started runs that the change edits, renames, or cancels or not; and lowered revisions."""
    for id_ in now.lowered - was.lowered:
        after = now.runs[first_attempt(id_)]
        yield Change(id=id_, kind=Kind.REFUSED, before=was.by_name.get(after.name), after=after)
    for id_, after in now.runs.items():
        record, before = ledger.records.get(id_), was.runs.get(id_)
        if record is None or not record.may_have_started:
            continue
        if record.digest != after.digest:
            if before is None or before.digest == record.digest:
                yield Change(id=id_, kind=Kind.REFUSED, before=before, after=after)
        elif after.cancel != (before is not None and before.cancel):
            newest = newest_attempt(after, ledger).record
            if newest is not None and newest.phase not in _ENDED:
                yield Change(id=newest.run, kind=Kind.CHANGED, before=before, after=after)
        elif before is not None and before.declared_name != after.declared_name:
            following = newest_attempt(after, ledger).attempt + 1
            if run_id(after.name, after.revision, following) in now.startable:
                continue  # `_startable_changes` yields it
            yield Change(id=id_, kind=Kind.RENAMED, before=before, after=after, earlier=(record,))


_ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED})


class _Started:
    """The records of runs that may have been started, by the runs' names."""

    def __init__(self, ledger: Ledger) -> None:
        self._records: dict[str, list[Record]] = {}
        for record in ledger.records.values():
            if record.may_have_started:
                self._records.setdefault(run_name(record.run), []).append(record)

    def of(self, run: Run) -> tuple[Record, ...]:
        """Every revision and attempt of the run that may have been started."""
        return tuple(self._records.get(run.name, ()))
