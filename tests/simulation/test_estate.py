"""Several environments, moved and copied, on servers that lie: the promise under many seeds."""

import random

import pytest

from reconciler.apply.lease import Lease
from tests.sampling import sampled
from tests.simulation.chances import Freezes
from tests.simulation.estate.life import Life, simulate
from tests.simulation.estate.mutants import TRIALS, Trial
from tests.simulation.estate.people import CHANGES
from tests.simulation.estate.remote import ATOMIC, TAKES_TRACES, Manners, drawn_manners
from tests.simulation.estate.world import Change, World
from tests.simulation.simulate import BrokenPromiseError
from tests.simulation.update import first_to_break_a_rule, likely_first_for

PROVEN = [(first, 40) for first in range(0, 240, 40)]
_FROZEN_SEEDS = 20


@pytest.mark.parametrize(("first", "many"), sampled([(0, 25), *PROVEN], every=7))
def test_no_run_starts_twice_wherever_it_is_declared_and_whatever_git_says(
    first: int, many: int
) -> None:
    lives = [simulate(seed) for seed in range(first, first + many)]
    # A world in which nothing happens keeps every promise.
    assert sum(life.started for life in lives) > 2 * many
    assert sum(life.crashes for life in lives) > many / 2
    assert sum(life.problems for life in lives) > many / 2
    assert sum(life.adopted for life in lives) > many / 10
    assert sum(life.left_to_people for life in lives) < many / 10


@pytest.mark.parametrize("seed", sampled(range(10), every=4))
def test_a_seed_replays_exactly(seed: int) -> None:
    assert simulate(seed).trace == simulate(seed).trace


def _frozen(seed: int) -> Life:
    freezes = Freezes(random=random.Random(seed), anywhere=0.02, in_the_gap=0.5)
    return simulate(seed, freezes=freezes)


def test_frozen_processes_start_nothing_too_late_but_what_they_were_about_to_send() -> None:
    lives = list(map(_frozen, range(_FROZEN_SEEDS)))
    assert sum("frozen processes" in life.drawn for life in lives) > _FROZEN_SEEDS / 2
    assert sum(life.overdue for life in lives) > _FROZEN_SEEDS / 10


def test_a_frozen_process_that_ignores_its_claims_end_breaks_the_promise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Lease, "allows_start", lambda _: True)
    with pytest.raises(BrokenPromiseError, match="after its claim had expired"):
        list(map(_frozen, range(2 * _FROZEN_SEEDS)))


@pytest.mark.parametrize("change", dict.fromkeys(CHANGES), ids=lambda change: change.__name__)
def test_every_change_is_made(change: Change) -> None:
    made = []

    def noted(world: World) -> str | None:
        made.append(change(world))
        return made[-1]

    for seed in range(20):
        simulate(seed, changes=(*CHANGES, *10 * [noted]))
        if any(made):
            break
    assert any(made)


def test_every_manner_of_a_server_is_drawn_alone_and_with_others() -> None:
    drawn = [drawn_manners(random.Random(seed)).names for seed in range(400)]
    manners = set(Manners.__struct_fields__) - {"traces", "atomic"}
    kinds = {f"traces {where}" for where in TAKES_TRACES[1:]} | {
        f"atomic {how}" for how in ATOMIC[1:]
    }
    assert {names[0] for names in drawn if len(names) == 1} == manners | kinds
    assert sum(len(names) > 1 for names in drawn) > 50
    assert sum(not names for names in drawn) > 50


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.mutant.__name__)
def test_a_broken_rule_breaks_the_promise(trial: Trial) -> None:
    broken = first_to_break_a_rule(trial, likely_first_for(trial))
    assert broken is not None
    assert "ViolationError" in str(broken)
