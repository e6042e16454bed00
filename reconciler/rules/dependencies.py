"""References to runs that must succeed before: none unknown, none in vain, and no circles."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from itertools import pairwise

from reconciler.ledger import Ledger
from reconciler.model import Match, Problem, Run, covering_references
from reconciler.rules.agreement import (
    Groups,
    has_key,
    keys_of_recorded,
    known_names,
    matched_groups,
)
from reconciler.schema.paths import Path, dotted_path, pointer

_MOST_SHOWN = 6  # of the names in a circle


def dependency_problems(
    runs: Sequence[Run], ledger: Ledger, zone: tzinfo = UTC
) -> Iterator[tuple[Run, Problem]]:
    """Every item of a `dependsOn` that names nothing, matches nothing, or closes a circle.

    `zone` is the gateway's, which business dates are in.
    """
    if not any(run.depends_on for run in runs):
        return
    # All runs of one manifest have the same dependencies, so the first stands for all of them.
    manifests = {run.manifest: run for run in reversed(runs)}
    dependents = {name: run for name, run in manifests.items() if run.depends_on}
    known = known_names(runs, ledger)
    renamed = _present_names(manifests)
    for run in dependents.values():
        for index, name in enumerate(run.depends_on):
            if name not in known:
                yield run, _unknown_name_problem(run, index, name)
            elif name in renamed and renamed[name] not in run.depends_on:
                yield run, _outdated_name_problem(run, index, name, renamed[name])
    yield from _mismatches(runs, dependents, ledger, zone)
    yield from _circles(dependents)


def _present_names(manifests: Mapping[str, Run]) -> Mapping[str, str]:
    """The present names of the manifests that have runs under the present name, by former name.

    A run that was started keeps its former name. A reference by the present name means that run as
    well (`renaming.named`), while a reference by the former name means only that run.
    """
    declared = {run.declared_manifest for run in manifests.values()}
    return {
        former: name
        for name, run in manifests.items()
        for former in run.formerly
        if former not in declared and name in declared
    }


def _mismatches(
    runs: Sequence[Run], dependents: Mapping[str, Run], ledger: Ledger, zone: tzinfo
) -> Iterator[tuple[Run, Problem]]:
    """Each match key that one side lacks; without any, each run that agrees with no other."""
    wanted = {name for run in dependents.values() for one in run.matching for name in one.names}
    if not wanted:
        return
    first = {name: run for run in reversed(runs) for name in covering_references(run.name)}
    recorded = keys_of_recorded(wanted - first.keys(), ledger)

    def lacks(name: str, key: str) -> bool:
        if name in first:
            return not has_key(first[name], key)
        return name in recorded and key not in recorded[name]

    sound: set[Match] = set()
    for run in dependents.values():
        for match in run.matching:
            lacking = [
                (number, [*([] if has_key(run, key) else [run.declared_manifest]), *there])
                for number, key in enumerate(match.keys)
                if (there := [one for one in match.names if lacks(one, key)])
                or not has_key(run, key)
            ]
            for number, without in lacking:
                yield run, _missing_key_problem(run, match, number, without)
            if not lacking and any(one in first or one in recorded for one in match.names):
                sound.add(match)
    yield from _find_unmatched_runs(
        [run for run in runs if run.matching], sound, Groups(runs, ledger, zone), ledger, zone
    )


def _find_unmatched_runs(
    runs: Sequence[Run], sound: set[Match], groups: Groups, ledger: Ledger, zone: tzinfo
) -> Iterator[tuple[Run, Problem]]:
    """Each run that may still start and with which no run agrees by one of its sound matches."""
    for run in runs:
        if ledger.may_have_started(run.id):
            continue
        for match, group in zip(run.matching, matched_groups(run, zone), strict=True):
            if match in sound and not (groups.declared_runs(group) or groups.recorded_runs(group)):
                yield run, _unmatched_problem(run, match)


def _circles(dependents: Mapping[str, Run]) -> Iterator[tuple[Run, Problem]]:
    """Circles that share no manifest with each other; every further circle touches one of them.

    Manifests are visited in the order of their names, so that the order of files changes nothing.
    """
    seen: set[str] = set()
    for start in sorted(dependents):
        chain: dict[str, Iterator[str]] = {}  # each waits for the next; names left to visit
        ahead: str | None = start
        while ahead is not None:
            if ahead in chain:
                names = list(chain)
                circle = [*names[names.index(ahead) :], ahead]
                for name, needed in pairwise(circle):
                    yield dependents[name], _circle_problem(dependents[name], needed, circle)
                    del chain[name]
            elif ahead not in seen and ahead in dependents:
                seen.add(ahead)
                chain[ahead] = iter(sorted(_manifests(dependents[ahead])))
            ahead = _next_name(chain)


def _next_name(chain: dict[str, Iterator[str]]) -> str | None:
    """The next name that the chain's last manifest waits for; drops last ones without any left."""
    while chain:
        name = next(reversed(chain))
        needed = next(chain[name], None)
        if needed is not None:
            return needed
        del chain[name]
    return None


def _manifests(run: Run) -> set[str]:
    return {wanted.partition("/")[0] for wanted in run.depends_on}


def _unknown_name_problem(run: Run, index: int, name: str) -> Problem:
    words = (
        f"{name} is neither declared nor recorded; name a run or a backfill (a manifest that has a "
        "problem declares nothing)"
    )
    return _problem(run, (index,), words)


def _outdated_name_problem(run: Run, index: int, name: str, now: str) -> Problem:
    words = (
        f"{name} is called {now} now, and not all of its runs have run under that name: write {now}"
    )
    return _problem(run, (index,), words)


def _missing_key_problem(run: Run, match: Match, number: int, without: Sequence[str]) -> Problem:
    words = (
        f"{' and '.join(without)} {'has' if len(without) == 1 else 'have'} no "
        f"{match.keys[number]}: name businessDate, or a parameter that the runs of both sides have"
    )
    return _problem(run, (run.depends_on.index(match.names[0]), "match", number), words)


def _unmatched_problem(run: Run, match: Match) -> Problem:
    words = (
        f"no run of {match.names[-1]} agrees with {run.declared_name} in {', '.join(match.keys)}, "
        "so it could never start: declare one, or `exclude` this run"
    )
    return _problem(run, (run.depends_on.index(match.names[0]),), words)


def _circle_problem(run: Run, needed: str, circle: Sequence[str]) -> Problem:
    index = next(
        number for number, name in enumerate(run.depends_on) if name.partition("/")[0] == needed
    )
    remedy = "take one of these dependencies away"
    if needed == run.manifest and run.times is not None:
        remedy = "for each date to wait for the one before it, write `sequential: true` instead"
    words = f"{_chain(circle)}: none of them could ever start; {remedy}"
    return _problem(run, (index,), words, code="cycle")


def _problem(run: Run, item: Path, words: str, code: str = "reference") -> Problem:
    """A problem at an item of the run's `dependsOn`, or inside the item."""
    path = ("spec", "dependsOn", *item)
    where = pointer(path)
    message = f"{dotted_path(path)}: {words}"
    return Problem(place=run.place_of(where), code=code, pointer=where, message=message)


def _chain(circle: Sequence[str]) -> str:
    shown = circle if len(circle) <= _MOST_SHOWN else (*circle[: _MOST_SHOWN - 2], "…", circle[-1])
    return " waits for ".join(shown)
