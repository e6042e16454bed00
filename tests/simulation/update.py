"""Find anew which seed shows each broken protocol: `python -m tests.simulation.update`.

The tests begin with that seed. One that has come to show nothing costs time, and lets no mutant
live: the tests go on with all others then, and a proof says that it is time to write them anew.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

import pytest

from tests.simulation.estate import life
from tests.simulation.estate.mutants import TRIALS, Trial
from tests.simulation.mutants import MUTANTS, SWITCHES, TROUBLE, Mutant
from tests.simulation.simulate import BrokenPromiseError, simulate

SEEDS = 2_500
SEEDS_OF_ESTATES = 150
_FILE = Path(__file__).with_name("caught.json")


def caught() -> Mapping[str, int]:
    """The seed that showed each mutant when this was last written, by the mutant's name."""
    seeds: dict[str, int] = json.loads(_FILE.read_text(encoding="utf-8"))
    return seeds


def likely_first(mutant: Mutant) -> Iterable[int]:
    """All seeds to try a mutant with: first the one that has shown it before."""
    return _first(mutant, SEEDS)


def likely_first_for(trial: Trial) -> Iterable[int]:
    """The same of a mutant that is tried in several environments."""
    return _first(trial.mutant, SEEDS_OF_ESTATES)


def _first(mutant: Mutant, seeds: int) -> Iterable[int]:
    known = caught().get(mutant.__name__)
    return chain(() if known is None else [known], range(seeds))


def first_to_break(mutant: Mutant, seeds: Iterable[int]) -> BrokenPromiseError | None:
    """What the first seed shows that breaks the promise; None if all keep it."""
    switches, trouble = SWITCHES.get(mutant.__name__), TROUBLE.get(mutant.__name__)
    return _broken(mutant, seeds, lambda seed: simulate(seed, switches=switches, chances=trouble))


def first_to_break_a_rule(trial: Trial, seeds: Iterable[int]) -> BrokenPromiseError | None:
    """The same in several environments."""

    def live(seed: int) -> object:
        return life.simulate(
            seed, changes=trial.changes, manners=trial.manners, adopting=trial.adopting
        )

    return _broken(trial.mutant, seeds, live)


def _broken(
    mutant: Mutant, seeds: Iterable[int], live: Callable[[int], object]
) -> BrokenPromiseError | None:
    with pytest.MonkeyPatch.context() as patch:
        mutant(patch)
        for seed in seeds:
            try:
                live(seed)
            except BrokenPromiseError as broken:
                return broken
    return None


def showing_nothing() -> list[str]:
    """The mutants for which no seed is written that still shows them."""
    seeds = caught()
    plain = [(one, first_to_break(one, _known(one, seeds))) for one in MUTANTS]
    rules = [(one.mutant, first_to_break_a_rule(one, _known(one.mutant, seeds))) for one in TRIALS]
    return [mutant.__name__ for mutant, broken in (*plain, *rules) if broken is None]


def _known(mutant: Mutant, seeds: Mapping[str, int]) -> Iterable[int]:
    return [seeds[mutant.__name__]] if mutant.__name__ in seeds else []


def main() -> None:
    """Keep each seed that still shows its mutant, look for the others, and write the file."""
    plain = [(one, first_to_break(one, likely_first(one))) for one in MUTANTS]
    rules = [(one.mutant, first_to_break_a_rule(one, likely_first_for(one))) for one in TRIALS]
    found = {mutant.__name__: broken.seed for mutant, broken in (*plain, *rules) if broken}
    _FILE.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
