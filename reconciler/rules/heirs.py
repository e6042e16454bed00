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
    pointer, former = _pointer(run, name), manifest_of(name)
    if run.name == name:
        remedy = f"give this manifest another name, or take `formerly: {former}` away there"
    elif other.name == name:
        remedy = f"take `formerly: {former}` away, or give the other one another name"
    else:
        remedy = f"write `formerly: {former}` in one of the two, or leave out of each what the "
        remedy += "other one goes on with"
    return Problem(
        place=run.place_of(pointer),
        code="name-taken",
        pointer=pointer,
        message=f"{run.declared_name} and {other.declared_name} "
        f"({other.place_of(_pointer(other, name))}) would both go on with {name}, which is "
        f"recorded: {remedy}",
    )


def _pointer(run: Run, name: str) -> str:
    """Where the run's manifest says that it goes on with the run of that name."""
    return "/metadata/name" if run.name == name else "/spec/formerly"
