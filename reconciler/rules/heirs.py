"""Manifests that say they go on with the same run under its former name."""

from collections.abc import Iterator, Sequence

from reconciler.ledger import Ledger
from reconciler.model import Problem, Run, manifest_of
from reconciler.renaming import contested


def rivals(runs: Sequence[Run], ledger: Ledger) -> Iterator[tuple[Run, Problem]]:
    """Every run that could take the recorded name of a run, where others could as well.

    No two runs may have one name: each would take the other's start for its own.
    """
    for name, heirs in contested(runs, ledger).items():
        for run in heirs:
            other = heirs[1] if run is heirs[0] else heirs[0]
            yield run, _problem(run, other, name)


def _problem(run: Run, other: Run, name: str) -> Problem:
    pointer = "/spec/formerly"
    former = manifest_of(name)
    if run.name == name:
        remedy = f"give this manifest another name, or take `formerly: {former}` away there"
    else:
        remedy = f"write `formerly: {former}` in the one that goes on with it, or leave out of the "
        remedy += "others what is one's"
    return Problem(
        place=run.place_of(pointer if run.name != name else "/metadata/name"),
        code="name-taken",
        pointer=pointer if run.name != name else "/metadata/name",
        message=f"{run.declared_name} and {other.declared_name} "
        f"({other.place_of(pointer)}) would both go on with {name}, which is recorded: {remedy}",
    )
