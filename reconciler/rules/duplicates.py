"""Runs with the same digest: renaming a manifest must not start its runs again."""

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Sequence

from reconciler.identity import Surroundings
from reconciler.ledger import Ledger
from reconciler.model import Problem, Run, backfill_of, covers, manifest_of
from reconciler.rules.agreement import known_names
from reconciler.rules.twins import Pool, Twin, pools, twins_of

NO_LEDGER = Ledger.of(())


def duplicates(
    runs: Sequence[Run], ledger: Ledger, surroundings: Surroundings
) -> Iterator[tuple[Run, Problem]]:
    """Every run that is the same as another, and every run whose `duplicateOf` names no other.

    The other run may be declared or recorded, in this environment or elsewhere at the same service.
    """
    known: frozenset[str] = frozenset()
    if any(run.duplicate_of for run in runs):
        known = known_names(runs, ledger).union(
            *(known_names((), other) for other in surroundings.elsewhere.values()),
            *(known_names(others, NO_LEDGER) for others in surroundings.declared.values()),
        )
    found = pools(runs, ledger, surroundings)
    renamed = _renamed_manifests(found.values())
    twins: list[Twin] = []
    for pool in found.values():
        for run in pool.own:
            if run.duplicate_of is not None and run.manifest not in renamed:
                yield from _reference_problems(run, run.duplicate_of, known)
        twins += twins_of(pool, ledger)
    originals: dict[str, set[str]] = defaultdict(set)
    for twin in twins:
        originals[twin.run.manifest].update(map(manifest_of, twin.names))
    for twin in twins:
        needed = _needed_manifests(twin.run, originals[twin.run.manifest])
        yield twin.run, _problem(twin, sorted(needed))


def _problem(twin: Twin, needed: Sequence[str]) -> Problem:
    """The problem with a twin; `needed` are the manifests that `duplicateOf` would have to name."""
    if twin.circle:
        message = (
            f"{twin.run.declared_id()} is a duplicate of {twin.name} and that, in another "
            "environment and in the end, of it: each would wait for the other; take one "
            "`duplicateOf` away"
        )
    else:
        message = (_foreign_twin_message if twin.outside else _own_twin_message)(twin, needed)
    return Problem(
        place=twin.run.place_of("/metadata/name"),
        code="duplicate",
        pointer="/metadata/name",
        message=message,
    )


def _own_twin_message(twin: Twin, needed: Sequence[str]) -> str:
    run = twin.run
    remedy = f"or write `duplicateOf: {needed[0]}` under `spec` of the one to start again"
    if twin.lost and needed[0] not in {run.manifest, run.declared_manifest, *run.formerly}:
        names = [needed[0], *run.formerly]
        former = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        remedy = (
            f"or write `formerly: {former}` under `spec` if it was renamed and nothing is to "
            f"start again, or write `duplicateOf: {needed[0]}` to start it again"
        )
    if twin.lost and list(needed) == [run.manifest]:
        return _rewritten_message(twin)
    if len(needed) > 1:
        remedy = f"for {run.declared_manifest} repeats runs of {', '.join(needed)}"
    return (
        f"{run.declared_id()} is the same run as {twin.shown}: the same flow, trigger time and "
        f"parameters; remove one, {remedy}"
    )


def _rewritten_message(twin: Twin) -> str:
    """The message where a manifest names its own run by another date, time or combination."""
    run = twin.run
    return (
        f"{run.id} is the same run as {twin.shown}: the same flow, trigger time and parameters "
        "under another name of the same manifest; write the times (`businessDates` or "
        "`triggerTimes`, `every`) and the matrix as they were when it ran, and it does not start "
        f"again, or write `duplicateOf: {run.manifest}` under `spec` to start it again"
    )


def _foreign_twin_message(twin: Twin, needed: Sequence[str]) -> str:
    run, again = twin.run, ""
    if list(needed) == [run.manifest]:
        again = ", or give it another name and"
    elif len(needed) == 1:
        again = ", or"
    again = again and f"{again} write `duplicateOf: {needed[0]}` to run it again"
    return (
        f"{run.declared_id()} is the same run as {twin.shown}: the same flow, trigger time and "
        f"parameters at the same service; remove one{again} (two services under one organisation "
        "are told apart by `gateway.service`)"
    )


def _renamed_manifests(found: Iterable[Pool]) -> set[str]:
    """Manifests with runs that are recorded under another name of the same manifest.

    That happens when a backfill's `every` or matrix changes, because its runs' names hold the time
    and the combination. Such a manifest may name itself in `duplicateOf`.
    """
    return {
        run.manifest
        for pool in found
        for run in (pool.own if pool.lost else ())
        if run.duplicate_of is not None
        and covers(run.duplicate_of, run.name)
        and any(covers(run.duplicate_of, name) for name in pool.lost)
    }


def _needed_manifests(run: Run, originals: Collection[str]) -> Collection[str]:
    """The manifests that `duplicateOf` would have to name; it can name only one."""
    if run.duplicate_of is None or backfill_of(run.id) is None:
        return originals
    return {*originals, manifest_of(run.duplicate_of)}  # other runs of the backfill need that one


def _reference_problems(run: Run, of: str, known: Container[str]) -> Iterator[tuple[Run, Problem]]:
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
