"""The rules that need more than one manifest: changed, duplicate and colliding runs."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
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


def check(
    declared: Declared,
    ledger: Ledger,
    *,
    same_minute_allowed: bool,
    reserved_parameter: str | None = None,
) -> Findings:
    """Apply the rules to everything declared, against everything recorded.

    `reserved_parameter` is the one that the gateway's configuration has the reconciler add.
    """
    changed = [(run, problem) for run in declared.runs for problem in _changed(run, ledger)]
    duplicates = list(_duplicates(declared.runs, ledger))
    colliding = [] if same_minute_allowed else list(_collisions(declared.runs))
    found = (*changed, *duplicates, *colliding)
    reserved = _reserved(declared.runs, reserved_parameter) if reserved_parameter else ()
    return Findings(
        problems=tuple(sorted((*(problem for _, problem in found), *reserved))),
        changed=frozenset(run.id for run, _ in changed),
        duplicates=frozenset(run.id for run, _ in duplicates),
        colliding=frozenset(run.id for run, _ in colliding),
    )


def _reserved(runs: Iterable[Run], name: str) -> Iterator[Problem]:
    for run in runs:
        if any(key == name for key, _ in run.parameters):
            yield Problem(
                place=run.place,
                code="reserved",
                pointer="/spec/parameters",
                message=f"spec.parameters: {name} is gateway.correlationParameter, which the "
                "reconciler adds by itself: give the parameter another name",
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


def _duplicates(runs: Sequence[Run], ledger: Ledger) -> Iterator[tuple[Run, Problem]]:
    groups: dict[Digest, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.digest].append(run)
    known = {run.name for run in runs} | {run_name(recorded) for recorded in ledger.records}
    elsewhere = _recorded_elsewhere(groups, ledger)
    for digest, group in groups.items():
        for run in group:
            if run.duplicate_of is not None:
                yield from _wrong_reference(run, run.duplicate_of, known)
        yield from _duplicates_of_group(group, elsewhere.get(digest, {}), ledger)


def _recorded_elsewhere(
    groups: Mapping[Digest, list[Run]], ledger: Ledger
) -> dict[Digest, dict[str, None]]:
    """Of each declared digest, the names that it is recorded under and not declared under."""
    declared = {(digest, run.name) for digest, group in groups.items() for run in group}
    found: dict[Digest, dict[str, None]] = defaultdict(dict)
    for record in ledger.records.values():
        digest, name = record.digest, run_name(record.run)
        if record.may_have_started and digest in groups and (digest, name) not in declared:
            found[digest][name] = None
    return found


def _duplicates_of_group(
    group: list[Run], elsewhere: Mapping[str, None], ledger: Ledger
) -> Iterator[tuple[Run, Problem]]:
    originals = [run for run in group if run.duplicate_of is None]
    unrecorded = [run for run in originals if not _recorded(run, ledger)]
    for run in group:
        if elsewhere and run.duplicate_of not in elsewhere and not _recorded(run, ledger):
            name = next(iter(elsewhere))
            yield run, _duplicate(run, f"{name}, which is recorded", name)
        elif run.duplicate_of is None:
            # Of two runs that are both recorded none can start again: they are left in peace.
            rivals = unrecorded if _recorded(run, ledger) else originals
            other = next((other for other in rivals if other is not run), None)
            if other is not None:
                place = other.place_of("/metadata/name")
                yield run, _duplicate(run, f"{other.name} ({place})", other.name)


def _duplicate(run: Run, of: str, name: str) -> Problem:
    return Problem(
        place=run.place_of("/metadata/name"),
        code="duplicate",
        pointer="/metadata/name",
        message=f"{run.id} is the same run as {of}: the same flow, trigger time and parameters; "
        f"remove one, or write `duplicateOf: {name}` under `spec` of the one to start once more",
    )


def _wrong_reference(run: Run, of: str, known: Container[str]) -> Iterator[tuple[Run, Problem]]:
    if of != run.name and of in known:
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


def _recorded(run: Run, ledger: Ledger) -> bool:
    record = ledger.records.get(run.id)
    return record is not None and record.may_have_started


def _collisions(runs: Sequence[Run]) -> Iterator[tuple[Run, Problem]]:
    minutes: dict[tuple[int, int], list[Run]] = defaultdict(list)
    for run in runs:
        minutes[run.flow_id, run.trigger_time // _MINUTE_MS].append(run)
    for group in minutes.values():
        # Runs of one digest are the duplicate rule's: what it lets pass is meant.
        first = group[0]
        second = next((run for run in group if run.digest != first.digest), None)
        if second is None:
            continue
        for run in group:
            yield run, _collision(run, second if run.digest == first.digest else first)


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
