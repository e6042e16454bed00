"""Runs that carry the same: a renamed manifest must not start again."""

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.identity import Surroundings
from reconciler.ledger import Ledger
from reconciler.model import Digest, Problem, Run, backfill_of, covers, manifest_of, run_name
from reconciler.rules.references import known_names, with_parents

NO_LEDGER = Ledger.of(())


class _Twin(NamedTuple):
    """A run, and the name of another that carries the same."""

    run: Run
    name: str
    shown: str  # the name with where the other one is


def duplicates(
    runs: Sequence[Run], ledger: Ledger, surroundings: Surroundings
) -> Iterator[tuple[Run, Problem]]:
    """Every run that is the same as another, and those whose `duplicateOf` names none.

    The other one may be declared beside it, recorded, or both elsewhere at the same service.
    """
    groups: dict[Digest, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.digest].append(run)
    known: frozenset[str] = frozenset()
    if any(run.duplicate_of for run in runs):
        known = known_names(runs, ledger).union(
            *(known_names((), other) for other in surroundings.elsewhere.values()),
            *(known_names(others, NO_LEDGER) for others in surroundings.declared.values()),
        )
    elsewhere = _recorded_elsewhere(groups, ledger)
    renamed = _renamed_within(groups, elsewhere)
    found: list[_Twin] = []
    for digest, group in groups.items():
        for run in group:
            if run.duplicate_of is not None and run.manifest not in renamed:
                yield from _wrong_reference(run, run.duplicate_of, known)
        found += _duplicates_of_group(group, elsewhere.get(digest, {}), ledger)
    outside = list(twins_elsewhere(runs, ledger, surroundings))
    originals: dict[str, set[str]] = defaultdict(set)
    for twin in (*found, *outside):
        originals[twin.run.manifest].add(manifest_of(twin.name))
    for twin in found:
        yield twin.run, _duplicate(twin, originals[twin.run.manifest])
    for twin in outside:
        yield twin.run, _same_elsewhere(twin, originals[twin.run.manifest])


def twins_elsewhere(
    runs: Sequence[Run], ledger: Ledger, surroundings: Surroundings
) -> Iterator[_Twin]:
    """Every run that another ledger of the service records, or another environment declares."""
    # Only what is asked about is taken of each, or many environments would cost their square.
    wanted = {run.digest for run in runs}
    recorded: dict[Digest, tuple[str, str]] = {}
    for place, other in surroundings.elsewhere.items():
        for digest in wanted & other.started.keys():
            name = run_name(other.started[digest])
            recorded.setdefault(digest, (name, f"recorded in {place}"))
    for environment, others in surroundings.declared.items():
        same = (run for run in others if run.digest in wanted)
        for run in sorted(same, key=lambda run: run.turn):
            where = f"declared in environment {environment} ({run.place})"
            recorded.setdefault(run.digest, (run.name, where))
    for run in runs:
        found = recorded.get(run.digest)
        if found is None or _recorded(run, ledger):
            continue
        name, where = found
        if run.duplicate_of is None or not covers(run.duplicate_of, name):
            yield _Twin(run, name, f"{name}, which is {where}")


def _same_elsewhere(twin: _Twin, originals: Collection[str]) -> Problem:
    run, manifest = twin.run, manifest_of(twin.name)
    again = f", or write `duplicateOf: {manifest}` to run it again"
    again = "" if manifest == run.manifest or len(_needed(run, originals)) > 1 else again
    return Problem(
        place=run.place_of("/metadata/name"),
        code="duplicate",
        pointer="/metadata/name",
        message=f"{run.id} is the same run as {twin.shown}: the same flow, trigger "
        f"time and parameters at the same service; remove one{again} (two services under one "
        "organisation are told apart by `gateway.service`)",
    )


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


def _renamed_within(
    groups: Mapping[Digest, list[Run]], elsewhere: Mapping[Digest, Mapping[str, None]]
) -> set[str]:
    """Manifests some of whose runs are recorded under another name of the same manifest.

    That is so where a backfill's `every` or matrix changed, which its runs' names show. Such a one
    is rightly a duplicate of itself.
    """
    return {
        run.manifest
        for digest, names in elsewhere.items()
        for run in groups[digest]
        if run.duplicate_of is not None
        and covers(run.duplicate_of, run.name)
        and any(covers(run.duplicate_of, name) for name in names)
    }


def _duplicates_of_group(
    group: list[Run], elsewhere: Mapping[str, None], ledger: Ledger
) -> Iterator[_Twin]:
    named = _references({run.name for run in group} | elsewhere.keys())
    known = _references(elsewhere)
    originals = [run for run in group if run.duplicate_of not in named]
    unrecorded = [run for run in originals if not _recorded(run, ledger)]
    for run in group:
        if elsewhere and run.duplicate_of not in known and not _recorded(run, ledger):
            name = next(iter(elsewhere))
            yield _Twin(run, name, f"{name}, which is recorded")
        elif run.duplicate_of not in named:
            # Of two runs that are both recorded none can start again: they are left in peace.
            rivals = unrecorded if _recorded(run, ledger) else originals
            other = next((other for other in rivals if other is not run), None)
            if other is not None:
                place = other.place_of("/metadata/name")
                yield _Twin(run, other.name, f"{other.name} ({place})")


def _references(names: Iterable[str]) -> frozenset[str]:
    """Everything by which a manifest can refer to one of the names."""
    return frozenset(reference for name in names for reference in with_parents(name))


def _duplicate(twin: _Twin, originals: Collection[str]) -> Problem:
    """The problem; `originals` are the manifests of which the run's manifest repeats runs."""
    run, originals = twin.run, _needed(twin.run, originals)
    if len(originals) == 1:
        manifest = manifest_of(twin.name)
        remedy = f"or write `duplicateOf: {manifest}` under `spec` of the one to start again"
    else:
        remedy = f"for {run.manifest} repeats runs of {', '.join(sorted(originals))}"
    return Problem(
        place=run.place_of("/metadata/name"),
        code="duplicate",
        pointer="/metadata/name",
        message=f"{run.id} is the same run as {twin.shown}: the same flow, trigger time and "
        f"parameters; remove one, {remedy}",
    )


def _needed(run: Run, originals: Collection[str]) -> Collection[str]:
    """The manifests that `duplicateOf` would have to name; it can name one only."""
    if run.duplicate_of is None or backfill_of(run.id) is None:
        return originals
    return {*originals, manifest_of(run.duplicate_of)}  # which others of its runs need


def _wrong_reference(run: Run, of: str, known: Container[str]) -> Iterator[tuple[Run, Problem]]:
    if not covers(of, run.name) and of in known:
        return
    what = "the run itself" if covers(of, run.name) else "neither declared nor recorded"
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
