"""References to runs that must have succeeded before: none unknown, and no circles."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from reconciler.ledger import Ledger
from reconciler.model import Problem, Run
from reconciler.rules.references import known_names

_MOST_SHOWN = 6  # of the names in a circle


def dependency_problems(runs: Sequence[Run], ledger: Ledger) -> Iterator[tuple[Run, Problem]]:
    """Every item of a `dependsOn` that names nothing, or that closes a circle."""
    # All runs of one manifest depend on the same, so the first speaks for them.
    manifests = {run.manifest: run for run in reversed(runs)}
    dependents = {name: run for name, run in manifests.items() if run.depends_on}
    if not dependents:
        return
    known = known_names(runs, ledger)
    for run in dependents.values():
        for index, name in enumerate(run.depends_on):
            if name not in known:
                yield run, _unknown(run, index, name)
    yield from _circles(dependents)


def _circles(dependents: Mapping[str, Run]) -> Iterator[tuple[Run, Problem]]:
    """Circles that share no manifest; every other circle touches one of them.

    Names are gone through in their own order, so that the order of files changes nothing.
    """
    seen: set[str] = set()
    for start in sorted(dependents):
        chain: dict[str, Iterator[str]] = {}  # each waits for the next, and for what it has left
        ahead: str | None = start
        while ahead is not None:
            if ahead in chain:
                names = list(chain)
                circle = [*names[names.index(ahead) :], ahead]
                for name, needed in pairwise(circle):
                    yield dependents[name], _circle(dependents[name], needed, circle)
                    del chain[name]
            elif ahead not in seen and ahead in dependents:
                seen.add(ahead)
                chain[ahead] = iter(sorted(_manifests(dependents[ahead])))
            ahead = _next(chain)


def _next(chain: dict[str, Iterator[str]]) -> str | None:
    """What the end of the chain waits for besides; ends that wait for nothing else go."""
    while chain:
        name = next(reversed(chain))
        needed = next(chain[name], None)
        if needed is not None:
            return needed
        del chain[name]
    return None


def _manifests(run: Run) -> set[str]:
    return {wanted.partition("/")[0] for wanted in run.depends_on}


def _unknown(run: Run, index: int, name: str) -> Problem:
    pointer = f"/spec/dependsOn/{index}"
    return Problem(
        place=run.place_of(pointer),
        code="reference",
        pointer=pointer,
        message=f"spec.dependsOn[{index}]: {name} is neither declared nor recorded; name a run or "
        "a backfill (a manifest that has a problem declares nothing)",
    )


def _circle(run: Run, needed: str, circle: Sequence[str]) -> Problem:
    index = next(
        number for number, name in enumerate(run.depends_on) if name.partition("/")[0] == needed
    )
    pointer = f"/spec/dependsOn/{index}"
    return Problem(
        place=run.place_of(pointer),
        code="cycle",
        pointer=pointer,
        message=f"spec.dependsOn[{index}]: {_chain(circle)}: none of them could ever start; take "
        "one of these dependencies away",
    )


def _chain(circle: Sequence[str]) -> str:
    shown = circle if len(circle) <= _MOST_SHOWN else (*circle[: _MOST_SHOWN - 2], "…", circle[-1])
    return " waits for ".join(shown)
