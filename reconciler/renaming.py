"""Declared runs and the names that they were recorded under, before they were renamed.

Two changes rename a run. Its manifest may be renamed: `formerly` lists the names that it had. Or a
backfill gets a second time of day, or steps of hours instead of days, which puts the time into all
its names. A run that has started keeps the name that it has in the ledger. No two runs may have
the same recorded name: each would take the other's start for its own.
"""

from collections import defaultdict
from collections.abc import Collection, Container, Iterator, Mapping, Sequence

from msgspec.structs import replace

from reconciler.ledger import Ledger
from reconciler.model import (
    Run,
    combination_of,
    covering_references,
    label_of,
    manifest_of,
    run_attempt,
    run_id,
    run_name,
    run_revision,
)

_DATE = 10  # characters


def with_recorded_names(runs: Sequence[Run], ledger: Ledger) -> tuple[Run, ...]:
    """The runs, each renamed one under the name that it was recorded with.

    A recorded name that several runs could take is given to none of them.
    """
    recorded_as = _recorded_names(runs, ledger)
    renamed = {
        heirs[0].name: name
        for name, heirs in _heirs(runs, recorded_as).items()
        if len(heirs) == 1 and heirs[0].name != name
    }
    if not renamed:
        return tuple(runs)
    stays = {
        one for run in runs if run.name not in renamed for one in covering_references(run.name)
    }
    former = _references(renamed)
    return tuple(
        run.but(
            name=renamed.get(run.name, run.name),
            declared_as=run.name if run.name in renamed else "",
            depends_on=tuple(
                one for name in run.depends_on for one in _meaning(name, former, stays)
            ),
            matching=tuple(
                replace(
                    one,
                    names=tuple(
                        then for name in one.names for then in _meaning(name, former, stays)
                    ),
                )
                for one in run.matching
            ),
            after=run.after and _meaning(run.after, former, stays)[0],
            duplicate_of=run.duplicate_of and _meaning(run.duplicate_of, former, stays)[0],
        )
        for run in runs
    )


def contested_names(runs: Sequence[Run], ledger: Ledger) -> Mapping[str, Sequence[Run]]:
    """The recorded names that several runs could take, each with those runs.

    `runs`: what `named` has returned.
    """
    recorded_as = _recorded_names(runs, ledger)
    recorded_as |= {at: run.name for at, run in enumerate(runs) if run.declared_as}
    return {
        name: heirs
        for name, heirs in _heirs(runs, recorded_as).items()
        if len(heirs) > 1 and len({run.declared_name for run in heirs}) > 1
    }


def _heirs(runs: Sequence[Run], recorded_as: Mapping[int, str]) -> Mapping[str, Sequence[Run]]:
    """For each name in `recorded_as`, the runs that have it or could take it.

    `recorded_as` has the recorded names by index in `runs`; all other runs keep their own names.
    """
    wanted = set(recorded_as.values())
    found: dict[str, list[Run]] = defaultdict(list)
    for at, run in enumerate(runs) if wanted else ():
        name = recorded_as.get(at, run.name)
        if name in wanted:
            found[name].append(run)
    return found


def _recorded_names(runs: Sequence[Run], ledger: Ledger) -> dict[int, str]:
    """By index in `runs`, the names of the runs that have another name in the ledger."""
    perhaps = [(at, run) for at, run in enumerate(runs) if _may_have_another_name(run, ledger)]
    names = {run.name for run in runs} if perhaps else set()
    found = ((at, run, _recorded_name(run, ledger, names)) for at, run in perhaps)
    return {at: name for at, run, name in found if name != run.name}


def _may_have_another_name(run: Run, ledger: Ledger) -> bool:
    """Whether the ledger may have the run under another name, which is seldom so."""
    if run.declared_as or not (run.formerly or run.times):
        return False
    if run_id(run.name, run.revision) in ledger.records:  # true of nearly every run that started
        return False
    return bool(run.formerly) or run.digest in ledger.started


def _recorded_name(run: Run, ledger: Ledger, names: Collection[str]) -> str:
    """The name that the run has in the ledger; its own, if it is not recorded.

    A name that another declared run has is taken only if there is no other, so that the conflict
    is noticed.
    """
    taken = run.name
    for name in _candidates(run, ledger):
        if name == run.name or name not in names:
            return name
        taken = name
    return taken


def _candidates(run: Run, ledger: Ledger) -> Iterator[str]:
    """Names under which the run or an earlier revision is recorded, the likeliest first."""
    rest = run.name.removeprefix(run.manifest)
    called = [run.name, *(former + rest for former in run.formerly)]
    for revisions in ((run.revision,), range(1, run.revision)):
        for name in called:
            if any(run_id(name, revision) in ledger.records for revision in revisions):
                yield name
    for recorded in ledger.started.get(run.digest, ()) if run.times is not None else ():
        is_before = run_attempt(recorded) == 1 and run_revision(recorded) <= run.revision
        if is_before and _is_one(run_name(recorded), run):
            yield run_name(recorded)


def _is_one(name: str, run: Run) -> bool:
    """Whether a name means the run, but for the time of day and a former manifest's name."""
    return (
        manifest_of(name) in {run.manifest, *run.formerly}
        and label_of(name)[:_DATE] == label_of(run.name)[:_DATE]
        and combination_of(name) == combination_of(run.name)
    )


def _references(renamed: Mapping[str, str]) -> dict[str, list[str]]:
    """For each reference by a run's present name, the references by its recorded name."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for name, recorded in renamed.items():
        for now, then in zip(covering_references(name), covering_references(recorded), strict=True):
            found[now][then] = None
    return {now: list(then) for now, then in found.items()}


def _meaning(
    name: str, former: Mapping[str, Sequence[str]], stays: Container[str]
) -> tuple[str, ...]:
    """The recorded names that a reference by the present name stands for."""
    own = (name,) if name in stays or name not in former else ()
    return (*own, *(one for one in former.get(name, ()) if one not in own))
