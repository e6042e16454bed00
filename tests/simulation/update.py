"""Find anew which seed shows each broken protocol: `python -m tests.simulation.update`.

The tests begin with that seed. One that has come to show nothing costs time, and lets no mutant
live: the tests go on with all others then, and a proof says that it is time to write them anew.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, SWITCHES, TROUBLE, Mutant
from tests.simulation.simulate import BrokenPromiseError, simulate

SEEDS = 2_500
_FILE = Path(__file__).with_name("caught.json")


def caught() -> Mapping[str, int]:
    """The seed that showed each mutant when this was last written, by the mutant's name."""
    seeds: dict[str, int] = json.loads(_FILE.read_text(encoding="utf-8"))
    return seeds


def likely_first(mutant: Mutant) -> Iterable[int]:
    """All seeds to try a mutant with: first the one that has shown it before."""
    known = caught().get(mutant.__name__)
    return chain(() if known is None else [known], range(SEEDS))


def first_to_break(mutant: Mutant, seeds: Iterable[int]) -> BrokenPromiseError | None:
    """What the first seed shows that breaks the promise; None if all keep it."""
    switches, trouble = SWITCHES.get(mutant.__name__), TROUBLE.get(mutant.__name__)
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        for seed in seeds:
            try:
                simulate(seed, switches=switches, chances=trouble)
            except BrokenPromiseError as broken:
                return broken
    return None


def shows_nothing(mutant: Mutant) -> bool:
    """Whether no seed is written for the mutant that still shows it."""
    known = caught().get(mutant.__name__)
    return known is None or first_to_break(mutant, [known]) is None


def main() -> None:
    """Keep each seed that still shows its mutant, look for the others, and write the file."""
    found = {}
    for mutant in MUTANTS:
        broken = first_to_break(mutant, likely_first(mutant))
        if broken is not None:
            found[mutant.__name__] = broken.seed
    _FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
