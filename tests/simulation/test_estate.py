"""Several environments, moved and copied, on servers that lie: the promise under many seeds."""

import random
from contextlib import closing

import pytest

from reconciler.apply.lease import Lease
from reconciler.ledger.files import ACTIVE
from reconciler.ledger.lines import encode_events
from tests.building import an_adopted
from tests.sampling import sampled
from tests.simulation.chances import Freezes
from tests.simulation.estate.layout import Home, Layout, declared_run
from tests.simulation.estate.life import Life, simulate
from tests.simulation.estate.mutants import TRIALS, Trial
from tests.simulation.estate.people import CHANGES
from tests.simulation.estate.remote import (
    ATOMIC,
    HEADS,
    TAKES_TRACES,
    Manners,
    drawn_manners,
)
from tests.simulation.estate.world import MAIN, Change, Instance, World
from tests.simulation.loop import VirtualLoop
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


def test_an_adoption_counts_on_the_branch_that_was_read_though_head_moves_meanwhile() -> None:
    home = Home(manifests="triggers", state="state/env-0", organisation="o1")
    layout = Layout(homes={"env-0": home}).declaring("triggers/0.yaml", "run-0", 0)
    rng = random.Random(0)
    with closing(VirtualLoop()) as loop:
        world = World(
            loop=loop, random=rng, layout=layout, manners=Manners(), freezes=Freezes(random=rng)
        )
        first = world.tip(MAIN)
        one = Instance(service="o1", run=declared_run(0), number=1, at=-3_600, claims=frozenset())
        adopted = an_adopted(one.run, one.id)
        world.adopted[adopted.claim] = one
        world.publish(layout, {MAIN: {f"{home.state}/{ACTIVE}": encode_events([adopted])}})
        began, commit = world.remote.seen(), world.tip(MAIN) or ""
        world.remote.move({f"{HEADS}old": first}, "old")
        assert world.is_adopted("o1", 0, began, commit)
        assert not world.is_adopted("o2", 0, began, commit)
        later = world.remote.seen()
        assert not world.is_adopted("o1", 0, later, commit)  # who comes later reads it nowhere


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
