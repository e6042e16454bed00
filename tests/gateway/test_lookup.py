"""Looking many instances up, with a service that is a function: how few requests it takes."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.ports import Instance, Sought
from reconciler.gateway.instances import Window
from reconciler.model import EpochMs, InstanceId
from tests.gateway.listed import (
    DAY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    PAGINGS,
    Asked,
    Count,
    Paging,
    Service,
    counts_all,
    counts_nothing,
    counts_the_page,
    endless,
    ignored,
    instance,
    looked_up,
    of_days,
    others,
    sought,
)

COUNTS = [counts_all, counts_the_page, counts_nothing]
MANY = of_days(100, 100)


def shuffled(*lists: list[Instance]) -> list[Instance]:
    every = [one for part in lists for one in part]
    random.Random(7).shuffle(every)
    return every


def found(instances: list[Instance]) -> dict[InstanceId, tuple[Instance, ...]]:
    return {one.id: (one,) for one in instances}


@pytest.mark.parametrize("paging", PAGINGS)
@pytest.mark.parametrize(
    ("kind", "largest", "count"),
    [
        (0, 100, counts_all),
        (1, 100, counts_all),
        (2, 100, counts_all),
        (0, 100, counts_the_page),
        (2, 100, counts_nothing),
        (1, 50, counts_all),
        (2, 50, counts_the_page),
    ],
)
def test_ten_thousand_instances_take_less_than_three_hundred_requests(
    kind: int, paging: Paging, largest: int, count: Count
) -> None:
    service = Service({kind: MANY}, paging=paging, largest=largest, count=count)
    result = looked_up(service, sought(MANY), most=300)
    assert result.failure is None
    assert result.instances == found(MANY)
    assert service.requests <= 10_000 / largest + 8
    assert service.asked_for == []


def test_pages_of_others_instances_are_left_out_where_windows_can_avoid_them() -> None:
    # All in one window they would be 500 pages.
    service = Service({0: shuffled(MANY, others(40_000, 100))})
    result = looked_up(service, sought(MANY))
    assert result.instances == found(MANY)
    assert service.requests <= 200


def test_windows_are_parted_only_where_that_saves_pages() -> None:
    # Two times 100 hours, with 28 of others in each hour, and a month apart.
    hours = [*range(100), *range(820, 920)]
    ours = [
        instance(f"{flow}-{hour}", MIDNIGHT - hour * HOUR) for hour in hours for flow in range(10)
    ]
    service = Service({0: shuffled(ours, others(920 * 28, 39))})
    result = looked_up(service, sought(ours))
    assert result.instances == found(ours)
    assert service.requests <= 100  # hour by hour they are 200, all in one window more


def test_what_the_service_no_longer_knows_does_not_hide_where_the_others_are() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - (100 + n) * DAY) for n in range(5)]
    ours = of_days(20, 100)
    crowds = {kind: others(50_000, 100, prefix=f"of-{kind}") for kind in (0, 1, 2)}
    service = Service(crowds | {2: [*crowds[2], *ours]})
    result = looked_up(service, sought([*gone, *ours]))
    assert result.instances == found(ours) | {one.id: () for one in gone}
    assert service.requests <= 140


def test_windows_are_narrowed_down_only_under_a_type_that_shows_what_is_sought() -> None:
    # Nothing is known of any type from the narrow windows that it begins with.
    ours = of_days(20, 101)
    gone = [instance(f"gone-{day}", MIDNIGHT - day * DAY - 1) for day in (-1, 50, 101)]
    crowds = {kind: others(50_000, 100, prefix=f"of-{kind}") for kind in (0, 1, 2)}
    service = Service(crowds | {2: [*ours, *crowds[2]]})
    wanted = [gone[0], *ours[: 50 * 20], gone[1], *ours[51 * 20 :], gone[2]]
    result = looked_up(service, sought(wanted))
    assert len(result.instances) == len(wanted)
    assert service.requests <= 140


@pytest.mark.parametrize("kind", [1, 2])
def test_a_type_full_of_others_instances_is_not_read_for_long(kind: int) -> None:
    crowded = {one: others(50_000, 100, prefix=f"of-{one}") for one in (0, 1, 2) if one != kind}
    service = Service(crowded | {kind: MANY})
    result = looked_up(service, sought(MANY))
    assert result.instances == found(MANY)
    assert service.requests <= 120


@pytest.mark.parametrize("number", [1, 2, 3, 10, 30, 100])
@pytest.mark.parametrize("kind", [0, 2])
def test_few_among_very_many_take_little_more_than_asking_for_each(kind: int, number: int) -> None:
    # Everything at midnight, so that no window is narrow enough.
    crowd = [instance(f"o-{n}", MIDNIGHT - n % 100 * DAY) for n in range(30_000)]
    few = shuffled(MANY)[:number]
    service = Service({0: crowd, 1: crowd, 2: crowd} | {kind: shuffled(crowd, MANY)})
    result = looked_up(service, sought(few))
    assert result.instances == found(few)
    assert service.requests <= number * 3 // 2 + 1


def test_one_flows_history_among_a_crowd_at_each_of_its_times_is_asked_for_by_id() -> None:
    history = [instance(f"7-{day}", MIDNIGHT - day * DAY) for day in range(200)]
    crowd = [instance(f"o-{n}", MIDNIGHT - n % 200 * DAY) for n in range(200 * 300)]
    service = Service({0: shuffled(history, crowd)})
    result = looked_up(service, sought(history))
    assert result.instances == found(history)
    assert service.requests <= 230


def test_a_window_is_read_no_further_than_what_is_missing_is_worth() -> None:
    # The last one is on the last of 50 pages.
    late, crowd = MANY[:11], [instance(f"o-{n}", MIDNIGHT) for n in range(5_000)]
    service = Service({0: [*late[:10], *crowd, late[10]]})
    result = looked_up(service, sought(late))
    assert result.instances == found(late)
    assert service.asked_for == [late[10].id]
    assert service.requests <= 6


def test_reading_stops_once_everything_sought_was_seen() -> None:
    # Half of it is on the first of ten pages, half on the second.
    early = [instance(f"1-{n}", MIDNIGHT - n * MINUTE) for n in range(40)]
    crowd = [instance(f"o-{n}", MIDNIGHT - n % 40 * MINUTE) for n in range(960)]
    service = Service({0: [*crowd[:80], *early, *crowd[80:]]})
    assert looked_up(service, sought(early)).instances == found(early)
    assert service.requests <= 3


def test_a_window_begins_with_a_minute_and_lasts_one_minute_longer_than_what_is_sought() -> None:
    # The service may have cut a trigger time to the minute, and lists up to the end, exclusive.
    times = [MIDNIGHT + 7_022 + n * 5_000 for n in range(10)]
    cut = [instance(f"1-{n}", MIDNIGHT) for n in range(10)]
    wanted = [
        Sought(id=one.id, trigger_time=EpochMs(time)) for one, time in zip(cut, times, strict=True)
    ]
    service = Service({0: cut})
    assert looked_up(service, wanted).instances == found(cut)
    window = Window(from_time=MIDNIGHT, to_time=EpochMs(times[-1] + MINUTE))
    assert service.searches == [Asked(kind=0, window=window, page=1)]
    assert service.asked_for == []


def test_an_instance_is_known_by_its_id_whatever_time_it_is_listed_with() -> None:
    listed = [instance(f"1-{n}", MIDNIGHT + n * MINUTE + 30_000) for n in range(40)]
    wanted = [
        Sought(id=one.id, trigger_time=EpochMs((one.trigger_time or 0) - 29_999)) for one in listed
    ]
    service = Service({0: listed})
    assert looked_up(service, wanted).instances == found(listed)
    assert service.requests <= 2


def test_what_the_service_no_longer_knows_has_no_instances() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - n * DAY) for n in range(100)]
    service = Service({0: of_days(2, 100)})
    result = looked_up(service, sought(shuffled(gone, of_days(2, 100))))
    assert result.failure is None
    assert result.instances == found(of_days(2, 100)) | {one.id: () for one in gone}
    assert sorted(service.asked_for) == sorted(one.id for one in gone)


def test_searching_for_what_no_search_shows_takes_few_requests() -> None:
    gone = [instance(f"gone-{n}", MIDNIGHT - n * DAY // 10) for n in range(1_000)]
    crowd = others(20_000, 100)
    service = Service({0: crowd, 1: crowd, 2: crowd})
    assert looked_up(service, sought(gone)).instances == {one.id: () for one in gone}
    assert len(service.searches) <= 25


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
    result = looked_up(service, sought(ours))
    assert result.failure is None
    assert result.instances == found(ours) | {one.id: () for one in gone}
    assert service.requests <= 4 * len(ours) + 6
