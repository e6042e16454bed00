"""Which runs a change renames, and which are gone after it.

A recorded run keeps its name in the ledger (`renaming`); this is about runs that were never
recorded. A run that only the base declares is gone, or in a file that can no longer be read.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from reconciler.model import Declared, Digest, Run, RunId, covering_references, run_id


def pairs(
    was: Mapping[RunId, Run], now: Mapping[RunId, Run], has_run: Callable[[Run], bool]
) -> dict[RunId, RunId]:
    """The former ids of renamed runs, by their ids now.

    `formerly` decides. Without it, a new run and a run that is gone are a pair if they have one
    digest and no other new or gone run has it. A run of which anything was started (`has_run`)
    is never paired by its digest.
    """
    new = {id_: run for id_, run in now.items() if id_ not in was}
    found: dict[RunId, RunId] = {}
    for id_, run in new.items():
        rest = run.name.removeprefix(run.manifest)
        for former in run.formerly:
            before = run_id(former + rest, run.revision, run.attempt)
            if before in was and before not in now:
                found[id_] = before
    gone_ids = was.keys() - now.keys() - set(found.values()) if len(new) > len(found) else ()
    gone = _sole_runs(was[id_] for id_ in gone_ids)
    for digest, run in _sole_runs(run for id_, run in new.items() if id_ not in found).items():
        like = gone.get(digest)
        if like is not None and like.name != run.name and not has_run(run):
            found[run.id] = like.id
    return found


def _sole_runs(runs: Iterable[Run]) -> dict[Digest, Run]:
    """The runs whose digest no other of them has, by digest."""
    found: dict[Digest, Run | None] = {}
    for run in runs:
        found[run.digest] = None if run.digest in found else run
    return {digest: run for digest, run in found.items() if run is not None}


def former_references(renamed: Iterable[tuple[Run, Run]]) -> dict[str, str]:
    """The former names that references use, by the names now; `renamed`: runs before and now."""
    found: dict[str, str] = {}
    for before, now in renamed:
        found |= dict(
            zip(covering_references(now.name), covering_references(before.name), strict=False)
        )
    return found


def with_former_references(run: Run, former: Mapping[str, str]) -> Run:
    """The run, with its references to renamed runs changed to their former names."""
    if not former or not (run.depends_on or run.duplicate_of):
        return run
    return run.but(
        depends_on=tuple(dict.fromkeys(former.get(name, name) for name in run.depends_on)),
        matching=tuple(
            replace(one, names=tuple(dict.fromkeys(former.get(name, name) for name in one.names)))
            for one in run.matching
        ),
        duplicate_of=run.duplicate_of and former.get(run.duplicate_of, run.duplicate_of),
    )


def undeclared_names(before: Declared, after: Declared) -> frozenset[str]:
    """The names of the runs that only `before` declares."""
    names = {run.name for run in after.runs}
    return frozenset(run.name for run in before.runs if run.name not in names)


def unjudged_names(before: Declared, after: Declared) -> Mapping[str, frozenset[str]]:
    """The names of the `undeclared` runs that an unreadable file may still declare, by that file.

    It is the file that declared them; or else an unreadable one that the change adds, because they
    may have moved there.
    """
    unread = sorted({one.place.file for one in after.problems if one.code not in _READ})
    if not unread:
        return {}
    new = next((file for file in unread if file not in before.files), None)
    gone, found = undeclared_names(before, after), dict[str, set[str]]()
    for run in before.runs:
        if run.name in gone:
            file = _unread_ancestor(run.place.file, unread) or new
            if file is not None:
                found.setdefault(file, set()).add(run.name)
    return {file: frozenset(names) for file, names in sorted(found.items())}


_READ = frozenset({"name-taken"})  # codes of problems in files that were read


def _unread_ancestor(file: str, unread: Iterable[str]) -> str | None:
    """The unread path that is the file, or a folder around it, which may be a link by now."""
    return next((one for one in unread if file == one or file.startswith(f"{one}/")), None)
