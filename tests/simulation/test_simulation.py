"""The promise under thousands of seeds, and that breaking the protocol does not go unnoticed."""

import pytest

from tests.sampling import sampled
from tests.simulation.mutants import MUTANTS, SWITCHES, Mutant
from tests.simulation.peace import Account
from tests.simulation.simulate import BrokenPromiseError, simulate

SEEDS_OF_A_TEST = 250
SEEDS_FOR_A_MUTANT = 2_500
# Mutants that only hundreds of seeds bring to light.
RARE = {
    "take_all_between_two_readings_for_possible",
    "rule_out_whatever_is_recorded_for_another_run",
    "let_another_instance_hide_nothing",
    "let_no_start_of_another_flow_hide_one",
    "take_ids_that_nothing_shows_for_whole",
    "claim_without_a_look_at_a_shared_minute",
    "let_what_is_gone_from_its_manifest_take_no_place",
    "choose_the_stagger_anew_at_each_plan",
    "choose_the_stagger_anew_unless_it_was_started",
    "believe_at_once_that_an_instance_is_forgotten",
    "record_an_end_that_others_have_recorded",
    "cancel_again_and_again",
    "wait_for_its_own_starts_only",
}


@pytest.mark.parametrize("first", sampled(range(0, 8 * SEEDS_OF_A_TEST, SEEDS_OF_A_TEST), every=4))
def test_every_run_is_started_exactly_once_whatever_happens(first: int) -> None:
    lives = [simulate(seed) for seed in range(first, first + SEEDS_OF_A_TEST)]
    sum_ = sum((life.account for life in lives), start=Account())
    # A world in which nothing happens keeps every promise.
    assert sum_.started > 2 * SEEDS_OF_A_TEST
    assert sum_.observed > SEEDS_OF_A_TEST
    assert min(sum_.crashes, sum_.dependents, sum_.moved, sum_.blocked) > SEEDS_OF_A_TEST / 2
    assert min(sum_.retried, sum_.called_off, sum_.forgotten) > SEEDS_OF_A_TEST / 15
    assert min(sum_.strangers, sum_.lost_answers, sum_.plain) > SEEDS_OF_A_TEST / 10
    assert min(sum_.revised, sum_.duplicates, sum_.edited, sum_.adopted) > SEEDS_OF_A_TEST / 50
    assert min(sum_.after_another, sum_.matched, sum_.limited) > SEEDS_OF_A_TEST / 15
    assert sum_.stopped > SEEDS_OF_A_TEST / 100


def test_where_the_service_behaves_no_lost_answer_leaves_a_doubt() -> None:
    lives = [simulate(seed, switches=()) for seed in range(SEEDS_OF_A_TEST)]
    sum_ = sum((life.account for life in lives), start=Account())
    assert sum_.lost_answers_plain > SEEDS_OF_A_TEST / 10
    assert sum_.lost_in_doubt_plain <= sum_.lost_answers_plain / 100
    assert sum_.mistaken == 0
    assert sum_.cancelled > SEEDS_OF_A_TEST / 100


def test_a_seed_replays_exactly() -> None:
    for seed in range(20):
        assert simulate(seed).trace == simulate(seed).trace


@pytest.mark.parametrize(
    "mutate",
    [
        pytest.param(mutate, marks=pytest.mark.long) if mutate.__name__ in RARE else mutate
        for mutate in MUTANTS
    ],
    ids=lambda mutate: mutate.__name__,
)
def test_a_broken_protocol_breaks_the_promise(
    mutate: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises(BrokenPromiseError, match="ViolationError"):
        _live(SEEDS_FOR_A_MUTANT, SWITCHES.get(mutate.__name__))


def _live(seeds: int, switches: tuple[str, ...] | None) -> None:
    for seed in range(seeds):
        simulate(seed, switches=switches)
