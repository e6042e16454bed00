"""Looking many instances up, with a service that is a function: how few requests it takes."""

import random
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.apply.ports import Instance, StartedInstance
from reconciler.enos.listed import NAMELESS, ListedWindow
from reconciler.model import EpochMs, InstanceId
from tests.enos.listed import (
    DAY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    PAGINGS,
    Count,
    Paging,
    Service,
    counts_all,
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

COUNTS = [counts_all, counts_the_page, counts_nothing]
MANY = of_days(100, 100)


def shuffled(*lists: list[Instance]) -> list[Instance]:
    every = [one for part in lists for one in part]
    random.Random(7).shuffle(every)
    return every


def found(instances: list[Instance]) -> dict[InstanceId, tuple[Instance, ...]]:
    return {one.id: (one,) for one in instances}


@pytest.mark.parametrize(
    ("listing", "paging"),
    sampled(
        product(
            [
                (0, 100, counts_all, True),
                (1, 100, counts_all, True),
                (2, 100, counts_all, True),
                (0, 100, counts_the_page, True),  # read twice
                (2, 100, counts_nothing, True),
                (1, 50, counts_all, True),
                (2, 50, counts_the_page, False),  # twice is too often
            ],
            PAGINGS,
        ),
        every=14,
    ),
)
def test_ten_thousand_instances_take_less_than_three_hundred_requests(
    listing: tuple[int, int, Count, bool], paging: Paging
) -> None:
    kind, largest, count, whole = listing
    service = Service({kind: MANY}, paging=paging, largest=largest, count=count)
    result = observed_instances(service, sought(MANY), most=300)
    assert result.failure is None
    assert result.instances == found(MANY)
    assert result.whole == (result.instances.keys() if whole else set())
    assert service.requests <= (115 if count is counts_all and largest == 100 else 230)
    assert service.asked_for == []


@pytest.mark.long  # ten thousand of several months stay
def test_ten_thousand_instances_in_one_month_take_less_than_three_hundred_requests() -> None:
    month = [
        instance(f"{flow}-{n}", MIDNIGHT - n * 7 * HOUR - flow * MINUTE)
        for n in range(100)
        for flow in range(100)
    ]
    strangers = others(9_000, 30)
    service = Service({2: shuffled(month, strangers), 1: others(2_000, 30, prefix="periodic")})
    result = observed_instances(service, sought(month), most=300)
    assert (result.failure, result.instances) == (None, found(month))
    assert result.whole == result.instances.keys()
    assert service.requests <= 230


def test_windows_are_halved_where_others_instances_fill_too_many_pages() -> None:
    # Two clusters a year apart; in one window they would be 400 pages.
    ours = [
        instance(f"{flow}-{at}", MIDNIGHT - at * 365 * DAY) for at in (0, 1) for flow in range(100)
    ]
    service = Service({0: shuffled(ours, others(40_000, 365))})
    result = observed_instances(service, sought(ours))
    assert result.instances == found(ours)
    assert result.whole == result.instances.keys()
    assert service.requests <= 3 + 2 * 9


@pytest.mark.parametrize("number", sampled([1, 2, 3, 10, 30, 100], every=3))
@pytest.mark.parametrize("kind", [0, 2])
def test_few_among_very_many_take_less_than_twice_of_asking_for_each(
    kind: int, number: int
) -> None:
    # Everything at midnight, so that no window is narrow enough.
    crowd = [instance(f"o-{n}", MIDNIGHT - n % 100 * DAY) for n in range(30_000)]
    few = shuffled(MANY)[:number]
    service = Service({0: crowd, 1: crowd, 2: crowd} | {kind: shuffled(crowd, MANY)})
    result = observed_instances(service, sought(few))
    assert result.instances == found(few)
    assert service.requests <= number * 2


@pytest.mark.long  # a crowd of thousands
def test_one_flows_history_among_a_crowd_at_each_of_its_times_is_asked_for_by_id() -> None:
    history = [instance(f"7-{day}", MIDNIGHT - day * DAY) for day in range(200)]
    crowd = [instance(f"o-{n}", MIDNIGHT - n % 200 * DAY) for n in range(200 * 1_000)]
    service = Service({0: shuffled(history, crowd)})
    result = observed_instances(service, sought(history), most=300)
    assert result.instances == found(history)
    assert result.whole == set()
    assert service.requests <= 250


@pytest.mark.parametrize(
    ("listed_at", "time"),
    [
        (MIDNIGHT, MIDNIGHT + 30_500),  # cut to the minute
        (MIDNIGHT + MINUTE, MIDNIGHT + 30_500),  # rounded to the minute
        (MIDNIGHT + 31_000, MIDNIGHT + 30_500),  # rounded to the second
        (MIDNIGHT + 30_000, MIDNIGHT + 30_500),  # cut to the second
    ],
)
def test_a_window_holds_what_is_listed_with_a_time_that_was_cut_or_rounded(
    listed_at: int, time: int
) -> None:
    listed = [instance(f"1-{n}", listed_at) for n in range(10)]
    wanted = [StartedInstance(id=one.id, trigger_time=EpochMs(time)) for one in listed]
    service = Service({0: listed})
    result = observed_instances(service, wanted)
    assert result.instances == found(listed)
    assert result.whole == result.instances.keys()
    assert service.asked_for == []


def test_every_row_that_shares_a_sought_id_is_seen_even_of_the_next_minute() -> None:
    # An id that was rounded to the minute may be shared by two times of two minutes.
    earlier, later = (
        replace(instance("1-0", MIDNIGHT + at), status=status)
        for at, status in [(-30_000, 1), (29_000, -1)]
    )
    rest = [instance(f"2-{n}", MIDNIGHT) for n in range(9)]
    wanted = [StartedInstance(id=InstanceId("1-0"), trigger_time=MIDNIGHT), *sought(rest)]
    result = observed_instances(Service({0: [earlier, *rest], 1: [later]}), wanted)
    assert set(result.instances[InstanceId("1-0")]) == {earlier, later}
    assert InstanceId("1-0") in result.whole


def test_rows_that_share_an_id_are_all_kept_however_alike_they_are() -> None:
    failed = replace(instance("1-0", MIDNIGHT), status=-1)
    running = replace(failed, status=2)
    rest = [instance(f"2-{n}", MIDNIGHT) for n in range(9)]
    result = observed_instances(
        Service({2: [failed, running, running, *rest]}), sought([failed, *rest])
    )
    assert result.instances[failed.id] == (failed, running, running)
    assert result.whole == result.instances.keys()


def test_the_window_of_a_group_reaches_a_minute_beyond_the_minutes_of_its_ends() -> None:
    wanted = [
        StartedInstance(id=InstanceId(f"1-{n}"), trigger_time=EpochMs(MIDNIGHT + n))
        for n in range(9)
    ]
    service = Service({})
    observed_instances(service, wanted)
    window = ListedWindow(
        from_time=EpochMs(MIDNIGHT - MINUTE), to_time=EpochMs(MIDNIGHT + 2 * MINUTE)
    )
    assert {one.window for one in service.searches} == {window}
    asked = sorted((one.kind, one.page) for one in service.searches)
    assert asked == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_what_a_whole_window_does_not_show_is_asked_for_by_id_and_whole_too() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - n * DAY) for n in range(50)]
    unlisted = [instance(f"unlisted-{n}", MIDNIGHT - n * DAY) for n in range(5)]
    ours = of_days(2, 100)
    service = Service({0: ours, 3: unlisted})
    result = observed_instances(service, sought(shuffled(gone, unlisted, ours)))
    assert result.failure is None
    assert result.instances == found([*ours, *unlisted]) | {one.id: () for one in gone}
    assert result.whole == result.instances.keys()
    assert sorted(service.asked_for) == sorted(one.id for one in [*gone, *unlisted])


def test_what_was_only_asked_for_by_id_is_not_whole() -> None:
    result = observed_instances(Service({0: MANY}), sought(MANY[:4]))
    assert (result.instances, result.whole) == (found(MANY[:4]), frozenset())


def test_an_entry_without_a_readable_id_may_be_any_that_is_sought() -> None:
    ours = of_days(10, 1)
    nameless = replace(instance("x", MIDNIGHT), id=NAMELESS)
    result = observed_instances(Service({0: [nameless, *ours]}), sought(ours))
    assert (result.instances, result.failure) == (found(ours), None)
    assert result.whole == set()


def test_a_list_that_shows_less_than_it_counts_is_not_whole_and_shows_what_it_shows() -> None:
    ours = of_days(10, 1)
    service = Service({0: ours}, count=lambda every, _: every + 1)
    result = observed_instances(service, sought(ours))
    assert result.instances == found(ours)
    assert result.failure is not None
    assert "counts 11 instances of type 0 and shows 10" in result.failure
    assert result.whole == set()


LAYOUTS = st.fixed_dictionaries(
    {
        "ours": st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6 * 60)), max_size=30),
        "theirs": st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6 * 60)), max_size=60),
        "paging": st.sampled_from([*PAGINGS, ignored, endless]),
        "largest": st.sampled_from([1, 3, 10]),
        "count": st.sampled_from(COUNTS),
    }
)


@given(layout=LAYOUTS, chance=st.randoms(use_true_random=False))
def test_everything_is_learned_however_the_service_lists_it(
    layout: dict[str, Any], chance: random.Random
) -> None:
    """An instance of type 3 is one that the service no longer knows."""
    by_kind: dict[int, list[Instance]] = {kind: [] for kind in range(4)}
    for number, (kind, at) in enumerate(layout["ours"]):
        by_kind[kind].append(instance(f"1-{number}", MIDNIGHT + at * MINUTE))
    ours = [one for every in by_kind.values() for one in every]
    gone = by_kind.pop(3)
    for number, (kind, at) in enumerate(layout["theirs"]):
        by_kind[kind].append(instance(f"2-{number}", MIDNIGHT + at * MINUTE))
    for every in (*by_kind.values(), ours):
        chance.shuffle(every)
    service = Service(
        by_kind, paging=layout["paging"], largest=layout["largest"], count=layout["count"]
    )
    result = observed_instances(service, sought(ours))
    assert result.instances == found(ours) | {one.id: () for one in gone}
    assert service.requests <= 16 * 12 + 5 * len(ours)
