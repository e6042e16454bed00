"""The promise under thousands of seeds, and that breaking the protocol does not go unnoticed."""

from types import SimpleNamespace
from typing import cast

import pytest

from tests.building import a_claim, a_ledger, a_run, a_triggered, an_absent, an_unknown, declared
from tests.sampling import sampled
from tests.simulation.estate.mutants import TRIALS
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.peace import Account
from tests.simulation.simulate import simulate
from tests.simulation.twins import has_a_twin
from tests.simulation.update import caught, first_to_break, likely_first, showing_nothing
from tests.simulation.world import World

WITHOUT_ODDITIES = [(456, 30), (0, 250)]  # where each rarity is: few runs are cancelled
ADOPTING = ["shared ids", "newest of an id", "users"]  # oddities that matter to it
SEEDS_WITH_ADOPTIONS = 60
ENOUGH_ADOPTED = 3
# Of so few as 80, some lack a rarity. `make prove` goes on where these end.
PROVEN = [(first, 250) for first in range(0, 2_000, 250)]


@pytest.mark.parametrize(("first", "many"), sampled([(0, 80), *PROVEN], every=9))
def test_every_run_is_started_exactly_once_whatever_happens(first: int, many: int) -> None:
    lives = [simulate(seed) for seed in range(first, first + many)]
    sum_ = sum((life.account for life in lives), start=Account())
    # A world in which nothing happens keeps every promise.
    assert sum_.started > 2 * many
    assert sum_.observed > many
    assert min(sum_.crashes, sum_.dependents, sum_.moved, sum_.blocked) > many / 2
    assert min(sum_.retried, sum_.called_off, sum_.forgotten) > many / 15
    assert min(sum_.strangers, sum_.lost_answers, sum_.plain) > many / 10
    assert min(sum_.revised, sum_.duplicates, sum_.edited, sum_.adopted) > many / 50
    assert min(sum_.after_another, sum_.matched, sum_.limited) > many / 15
    assert min(sum_.stopped, sum_.overdue) > many / 100
    assert sum_.shared > many / 50


@pytest.mark.parametrize(("first", "many"), sampled(WITHOUT_ODDITIES, every=2))
def test_where_the_service_behaves_no_lost_answer_leaves_a_doubt(first: int, many: int) -> None:
    lives = [simulate(seed, switches=()) for seed in range(first, first + many)]
    sum_ = sum((life.account for life in lives), start=Account())
    assert sum_.lost_answers_plain > many / 10
    assert sum_.lost_in_doubt_plain <= sum_.lost_answers_plain / 100
    assert sum_.mistaken == 0
    assert sum_.cancelled > many / 100


@pytest.mark.parametrize("switch", sampled(ADOPTING, every=3))
def test_what_was_started_by_hand_is_adopted_on_odd_services_too(switch: str) -> None:
    adopted = 0
    for seed in range(SEEDS_WITH_ADOPTIONS):
        adopted += simulate(seed, switches=(switch,)).account.adopted
        if adopted > ENOUGH_ADOPTED:
            break
    assert adopted > ENOUGH_ADOPTED


@pytest.mark.long
@pytest.mark.parametrize("switch", ADOPTING)
def test_no_adoption_on_an_odd_service_breaks_the_promise(switch: str) -> None:
    """All seeds, where the test above stops as soon as it has seen enough."""
    lives = [simulate(seed, switches=(switch,)) for seed in range(SEEDS_WITH_ADOPTIONS)]
    assert sum(life.account.adopted for life in lives) > ENOUGH_ADOPTED


@pytest.mark.parametrize("seed", sampled(range(20), every=10))
def test_a_seed_replays_exactly(seed: int) -> None:
    assert simulate(seed).trace == simulate(seed).trace


def test_what_left_too_late_may_be_whatever_another_run_of_its_minute_is() -> None:
    run = a_run()
    again = run.but(revision=2)
    told = a_ledger(
        a_claim(run), an_absent(run), a_claim(run, claim="c2"), a_triggered(run, claim="c2")
    )
    claims = a_claim(again, claim="c3"), a_triggered(again, "3377-2", "c3")
    clock = SimpleNamespace(reached=lambda time: time / 1000)
    truth = SimpleNamespace(of_run=lambda _: (), clock=clock)

    def twin(*, late: bool) -> bool:
        ledger = told.with_events([*([an_unknown(run, late=True)] if late else []), *claims])
        tip = SimpleNamespace(ledger=ledger, runs=declared(again).runs)
        world = cast("World", SimpleNamespace(tip=tip, truth=truth))
        return has_a_twin(world, ledger.records[again.id])

    assert [twin(late=late) for late in (False, True)] == [False, True]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_protocol_breaks_the_promise(mutant: Mutant) -> None:
    broken = first_to_break(mutant, likely_first(mutant))
    assert broken is not None
    assert "ViolationError" in str(broken)


@pytest.mark.long
def test_the_seed_that_each_broken_protocol_is_tried_with_first_still_shows_it() -> None:
    assert not showing_nothing(), "write them anew: python -m tests.simulation.update"


def test_the_seeds_to_begin_with_are_of_mutants_that_there_are() -> None:
    mutants = [*MUTANTS, *(trial.mutant for trial in TRIALS)]
    assert set(caught()) <= {mutant.__name__ for mutant in mutants}
