"""Looking many instances up: what a limit, a failure or a refusal leaves, and in which order."""

import random
from collections.abc import Sequence

import pytest

from reconciler.apply.ports import ObservedInstances, StartedInstance
from reconciler.errors import GatewayError, QuestionRefusedError
from tests.enos.listed import (
    DAY,
    MIDNIGHT,
    Asked,
    Count,
    Paging,
    Service,
    counts_nothing,
    counts_the_page,
    endless,
    ignored,
    instance,
    observed_instances,
    of_days,
    others,
    sought,
)
from tests.sampling import sampled

MANY = of_days(40, 100)  # the latest day first
BROKEN = GatewayError("List Flow Instances at gateway failed: HTTP 503")


def left(result: ObservedInstances, wanted: Sequence[StartedInstance]) -> int:
    return len({one.id for one in wanted} - result.instances.keys())


@pytest.mark.parametrize("most", [-1, 0, 1, 2, 3, 7, 8, 9, 25, 40, 53, 56, 300])
def test_no_more_is_asked_than_is_allowed_and_what_is_left_is_said(most: int) -> None:
    service = Service({0: MANY})
    wanted = sought(MANY)
    result = observed_instances(service, wanted, most=most)
    assert service.requests <= max(most, 0)
    words = f"of 4000 instances were not looked up: it takes more than {most} requests"
    missing = left(result, wanted)
    assert result.failure == (f"{missing} {words}" if missing else None)


def test_nothing_sought_is_nothing_asked() -> None:
    service = Service({0: MANY})
    result = observed_instances(service, [])
    assert (dict(result.instances), result.failure, service.requests) == ({}, None, 0)


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize(("most", "first"), [(20, 400), (27, 900), (39, 1_900)])
def test_the_first_are_learned_if_the_limit_does_not_do_for_all(
    most: int, first: int, *, oldest_first: bool
) -> None:
    wanted = sought(sorted(MANY, key=lambda one: one.trigger_time or 0, reverse=not oldest_first))
    service = Service({0: MANY})
    result = observed_instances(service, wanted, most=most)
    assert left(result, wanted[:first]) == 0
    assert list(result.instances) == [one.id for one in wanted if one.id in result.instances]


def test_what_is_left_out_is_another_part_in_each_turn() -> None:
    wanted = sought(MANY)
    learned: set[str] = set()
    turns = 0
    while len(learned) < len(wanted):
        result = observed_instances(Service({0: MANY}), wanted, most=30, turn=turns)
        assert 600 <= len(result.instances) <= 1_500
        learned |= result.instances.keys()
        turns += 1
    assert turns <= 16


@pytest.mark.parametrize("most", [0, 1])
def test_even_one_request_a_turn_comes_round_to_all(most: int) -> None:
    some = of_days(1, 7)
    results = [
        observed_instances(Service({0: some}), sought(some), most=most, turn=n) for n in range(20)
    ]
    learned = {id_ for result in results for id_ in result.instances}
    assert len(learned) == (7 if most else 0)


def test_the_first_by_far_are_asked_for_by_id_if_no_search_can_be_paid_for() -> None:
    few = [instance(f"1-{day}", MIDNIGHT - day * DAY) for day in range(50)]
    crowd = [instance(f"o-{n}", MIDNIGHT - n % 50 * DAY) for n in range(50_000)]
    wanted = sought(few)
    random.Random(3).shuffle(wanted)
    service = Service({0: [*crowd, *few]})
    result = observed_instances(service, wanted, most=30)
    assert list(result.instances) == [one.id for one in wanted[: len(result.instances)]]
    assert len(result.instances) >= 8


def test_searches_leave_a_quarter_of_the_limit_to_what_no_search_shows() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - n * DAY) for n in range(10)]
    service = Service({0: MANY})
    result = observed_instances(service, sought([*gone, *MANY]), most=40)
    assert result.failure is not None
    assert {one.id for one in gone} <= result.instances.keys()


@pytest.mark.parametrize("at", sampled([1, 2, 5, 20, 41], every=3))
def test_a_failure_is_told_and_the_halves_of_its_window_are_read_instead(at: int) -> None:
    service = Service({0: MANY}, fails={at: BROKEN})
    result = observed_instances(service, sought(MANY))
    assert result.failure == str(BROKEN)
    assert left(result, sought(MANY)) == 0
    assert result.whole == result.instances.keys()
    assert service.requests <= 55 + 60


def test_what_was_seen_before_a_failure_is_kept_and_is_not_whole() -> None:
    service = Service({0: MANY}, fails=dict.fromkeys(range(20, 1_000), BROKEN))
    result = observed_instances(service, sought(MANY))
    assert result.failure == str(BROKEN)
    assert 1_000 <= len(result.instances) <= 2_000
    assert result.whole == set()


def test_a_failure_of_one_window_leaves_the_others_whole() -> None:
    apart = [
        instance(f"{flow}-{at}", MIDNIGHT - at * 365 * DAY) for at in (0, 1) for flow in range(100)
    ]
    crowd = others(40_000, 365)
    service = Service({0: [*apart, *crowd]}, fails={4: BROKEN})  # the first of the newer half
    result = observed_instances(service, sought(apart))
    assert result.failure == str(BROKEN)
    assert result.instances.keys() == {one.id for one in apart}
    assert result.whole == {one.id for one in apart[100:]}


def test_a_service_that_breaks_down_is_soon_left_alone() -> None:
    service = Service({0: MANY}, fails=dict.fromkeys(range(1, 1_000), BROKEN))
    result = observed_instances(service, sought(MANY))
    assert (result.instances, result.failure) == ({}, str(BROKEN))
    assert service.requests <= 16


def test_what_else_a_wave_brought_is_kept_when_one_of_it_fails() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - n * DAY) for n in range(3)]
    service = Service({}, fails={1: BROKEN})
    result = observed_instances(service, sought(gone))
    assert result.failure == str(BROKEN)
    assert result.instances == {gone[1].id: (), gone[2].id: ()}


def test_the_refusal_to_speak_of_one_instance_costs_only_that_one() -> None:
    some = of_days(1, 3)
    service = Service({0: some}, refuses=frozenset({some[0].id}))
    result = observed_instances(service, sought(some))
    assert result.failure == f"nothing is said of {some[0].id}"
    assert list(result.instances) == [some[1].id, some[2].id]


def test_a_service_that_refuses_to_speak_of_any_instance_is_soon_left_alone() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - n * DAY) for n in range(500)]
    service = Service({}, refuses=frozenset(one.id for one in gone))
    result = observed_instances(service, sought(gone))
    assert result.failure == "nothing is said of gone-0"
    assert len(service.asked_for) == 16


@pytest.mark.parametrize("kind", [GatewayError, QuestionRefusedError])
def test_any_failure_of_a_search_but_the_refusal_of_page_0_is_told(
    kind: type[GatewayError],
) -> None:
    service = Service({0: MANY}, fails={3: kind("something")})
    assert observed_instances(service, sought(MANY)).failure == "something"


def test_a_service_that_refuses_every_search_is_asked_by_id() -> None:
    some = of_days(5, 10)
    refusal = QuestionRefusedError("nothing is listed")
    service = Service({0: some}, fails=dict.fromkeys(range(1, 7), refusal))
    result = observed_instances(service, sought(some))
    assert (result.failure, result.whole) == ("nothing is listed", frozenset())
    assert left(result, sought(some)) == 0
    assert len(service.searches) == 6


def test_several_are_asked_at_once_and_never_more_than_eight() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - n * DAY) for n in range(100)]
    service = Service({0: MANY})
    observed_instances(service, sought(MANY))
    assert service.most_waiting == 8
    service = Service({})
    observed_instances(service, sought(gone))
    assert service.most_waiting == 8


def test_the_order_in_which_answers_arrive_changes_nothing() -> None:
    crowded = [*of_days(40, 30), *others(6_000, 30)]
    random.Random(5).shuffle(crowded)
    wanted = sought(of_days(60, 30))

    def asked(seed: int) -> tuple[list[Asked], list[str], ObservedInstances]:
        chance = random.Random(seed)
        service = Service({1: crowded}, delays=lambda: chance.randrange(5))
        result = observed_instances(service, wanted, most=400)
        return service.searches, list(service.asked_for), result

    assert asked(1) == asked(2) == asked(3)


@pytest.mark.parametrize("paging", [endless, ignored])
@pytest.mark.parametrize("count", [counts_nothing, counts_the_page, lambda *_: 10**9])
def test_a_service_whose_pages_never_end_is_not_read_for_ever(paging: Paging, count: Count) -> None:
    few = of_days(1, 100)
    service = Service({0: few}, paging=paging, count=count)
    result = observed_instances(service, sought(few))
    assert len(result.instances) == 100
    assert service.requests <= 300
