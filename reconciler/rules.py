"""The rules that need more than one manifest: changed, duplicate and colliding runs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.ledger import Ledger
from reconciler.model import Declared, Digest, Problem, Run, RunId, run_name
from reconciler.times import format_instant

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the rules found, as problems and as the runs that they are about."""

    problems: tuple[Problem, ...]
    changed: frozenset[RunId]
    duplicates: frozenset[RunId]
    colliding: frozenset[RunId]


def check(declared: Declared, ledger: Ledger, *, same_minute_allowed: bool) -> Findings:
    """Apply the rules to everything declared, against everything recorded."""
    changed = [(run, problem) for run in declared.runs for problem in _changed(run, ledger)]
    duplicates = list(_duplicates(declared.runs, ledger))
    colliding = [] if same_minute_allowed else list(_collisions(declared.runs))
    found = (*changed, *duplicates, *colliding)
    return Findings(
        problems=tuple(sorted(problem for _, problem in found)),
        changed=frozenset(run.id for run, _ in changed),
        duplicates=frozenset(run.id for run, _ in duplicates),
        colliding=frozenset(run.id for run, _ in colliding),
    )


def _changed(run: Run, ledger: Ledger) -> Iterator[Problem]:
    record = ledger.records.get(run.id)
    if record is not None and record.may_have_started and record.digest != run.digest:
        yield Problem(
            place=run.place_of("/metadata/name"),
            code="changed",
            pointer="/spec",
            message=f"{run.id} is recorded with another flow, trigger time or parameters: "
            f"restore them, or write `revision: {run.revision + 1}` to run it again as it is now",
        )


def _duplicates(runs: Iterable[Run], ledger: Ledger) -> Iterator[tuple[Run, Problem]]:
    groups: dict[Digest, list[Run]] = defaultdict(list)
    names = set()
    for run in runs:
        groups[run.digest].append(run)
        names.add(run.name)
    orphans: dict[Digest, str] = {}
    for record in ledger.records.values():
        name = run_name(record.run)
        if record.may_have_started and name not in names and record.digest in groups:
            orphans[record.digest] = name
    for digest, group in groups.items():
        if len(group) > 1 or digest in orphans or group[0].duplicate_of is not None:
            yield from _duplicates_of_group(group, orphans.get(digest), names, ledger)


def _duplicates_of_group(
    group: list[Run], orphan: str | None, names: set[str], ledger: Ledger
) -> Iterator[tuple[Run, Problem]]:
    originals = [run for run in group if run.duplicate_of is None]
    for run in group:
        if run.duplicate_of is not None:
            yield from _wrong_reference(run, names, ledger)
            continue
        others = [
            other for other in originals if other is not run and not _both(run, other, ledger)
        ]
        if orphan is not None and not _recorded(run, ledger):
            yield run, _duplicate(run, f"{orphan}, which is recorded", orphan)
        elif others:
            other = others[0]
            yield (
                run,
                _duplicate(run, f"{other.name} ({other.place_of('/metadata/name')})", other.name),
            )


def _duplicate(run: Run, of: str, name: str) -> Problem:
    return Problem(
        place=run.place_of("/metadata/name"),
        code="duplicate",
        pointer="/metadata/name",
        message=f"{run.id} is the same run as {of}: the same flow, trigger time and parameters; "
        f"remove one, or write `duplicateOf: {name}` under `spec` of the one to start once more",
    )


def _wrong_reference(run: Run, names: set[str], ledger: Ledger) -> Iterator[tuple[Run, Problem]]:
    of = run.duplicate_of or ""
    if of != run.name and (of in names or RunId(of) in ledger.records):
        return
    what = "the run itself" if of == run.name else "neither declared nor recorded"
    yield (
        run,
        Problem(
            place=run.place_of("/spec/duplicateOf"),
            code="reference",
            pointer="/spec/duplicateOf",
            message=f"spec.duplicateOf: {of} is {what}; name the other run that is meant",
        ),
    )


def _both(one: Run, other: Run, ledger: Ledger) -> bool:
    """Of two runs that are both recorded none can start again, so they are left in peace."""
    return _recorded(one, ledger) and _recorded(other, ledger)


def _recorded(run: Run, ledger: Ledger) -> bool:
    record = ledger.records.get(run.id)
    return record is not None and record.may_have_started


def _collisions(runs: Iterable[Run]) -> Iterator[tuple[Run, Problem]]:
    minutes: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for run in runs:
        minutes[run.flow_id, run.trigger_time // _MINUTE_MS].append(run)
    for group in minutes.values():
        if len(group) == 1:
            continue
        for run in group:
            # Runs of one digest are the duplicate rule's: what it lets pass is meant.
            other = next((other for other in group if other.digest != run.digest), None)
            if other is not None:
                yield run, _collision(run, other)


def _collision(run: Run, other: Run) -> Problem:
    pointer = "/spec/triggerTime"
    minute = format_instant(run.trigger_time)[:16]
    return Problem(
        place=run.place_of(pointer),
        code="collision",
        pointer=pointer,
        message=f"{run.id} and {other.id} ({other.place_of(pointer)}) both start flow "
        f"{run.flow_id} in the minute {minute}Z, and the service's instance ids carry minutes "
        "only: move one by a minute",
    )
