"""Paging, with a service that is a function: every reading of the reference, and changes midway."""

import asyncio
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest

from reconciler.apply.ports import Instance
from reconciler.enos.listed import ListedWindow, read_entry
from reconciler.enos.operations import PAGE_SIZE
from reconciler.enos.paged import Page, read_page
from reconciler.enos.search import TooManyPagesError, search_all, search_flow
from reconciler.errors import GatewayError, UnfitQuestionError
from reconciler.model import EpochMs
from tests.sampling import sampled

Service = Callable[[int, int], Any]


def entries(number: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"instanceId": f"1-{start + n}", "flowId": 1} for n in range(number)]


def paged(
    listed: dict[int, list[dict[str, Any]]],
    *,
    base: int,
    largest: int = PAGE_SIZE,
    count: Callable[[int, int], Any] = lambda total, _: total,
) -> Service:
    def ask(kind: int, page: int) -> Any:
        every = listed.get(kind, [])
        first = (page - base) * largest
        shown = every[first : first + largest] if first >= 0 else []
        return {"flowInsts": shown, "count": count(len(every), len(shown))}

    return ask


def search(service: Service) -> tuple[list[Instance], list[tuple[int, int]]]:
    asked: list[tuple[int, int]] = []

    async def ask(kind: int, page: int) -> Page:
        asked.append((kind, page))
        return read_page(service(kind, page), lambda entry: read_entry(entry, UTC))

    return list(asyncio.run(search_all(ask))), asked


COUNTS = [
    pytest.param(lambda total, _: total, id="the count is the total"),
    pytest.param(lambda total, _: str(total), id="the count is the total, as text"),
    pytest.param(lambda _, shown: shown, id="the count is the page's"),
    pytest.param(lambda *_: None, id="no count"),
]


@pytest.mark.parametrize("count", sampled(COUNTS, every=3))
@pytest.mark.parametrize("largest", [PAGE_SIZE, 30])
@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("number", [0, 1, 29, 30, 31, 99, 100, 101, 200, 250])
def test_every_instance_is_found_however_the_service_counts(
    base: int, largest: int, number: int, count: Callable[[int, int], Any]
) -> None:
    listed = {kind: entries(number, kind * 1000) for kind in (0, 1, 2)}
    found, _ = search(paged(listed, base=base, largest=largest, count=count))
    ids = [one.id for one in found]
    assert len(ids) == len(set(ids))
    assert set(ids) == {one["instanceId"] for every in listed.values() for one in every}


def test_all_types_and_both_first_pages_are_looked_at_even_if_everything_is_empty() -> None:
    found, asked = search(paged({}, base=1))
    assert found == []
    assert sorted(asked) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]


def test_an_instance_under_several_types_is_found_once() -> None:
    found, _ = search(paged({0: entries(1), 1: entries(1), 2: entries(1)}, base=1))
    assert [one.id for one in found] == ["1-0"]


def test_an_instance_whose_status_moves_on_between_two_pages_is_found_once() -> None:
    statuses = iter(range(100))

    def service(_: int, __: int) -> Any:
        return {"flowInsts": [{"instanceId": "1-0", "status": next(statuses)}], "count": 1}

    found, _ = search(service)
    assert len(found) == 1


def test_two_instances_that_share_an_id_are_both_found() -> None:
    listed = [
        {"instanceId": "1-0", "triggerTime": "2024-03-02 08:00:01"},
        {"instanceId": "1-0", "triggerTime": "2024-03-02 08:00:02"},
    ]
    found, _ = search(paged({2: listed}, base=1))
    assert len(found) == 2


def test_a_service_that_ignores_paging_is_not_asked_for_ever() -> None:
    found, asked = search(lambda *_: {"flowInsts": entries(150), "count": 150})
    assert len(found) == 150
    assert len(asked) == 9


def test_a_list_that_grew_while_it_was_read_is_read_again() -> None:
    calls = {"n": 0}
    steady = paged({0: entries(2)}, base=1)

    def service(kind: int, page: int) -> Any:
        calls["n"] += 1
        return {"flowInsts": entries(1), "count": 2} if calls["n"] <= 2 else steady(kind, page)

    found, _ = search(service)
    assert [one.id for one in found] == ["1-0", "1-1"]


def test_a_list_that_never_shows_all_that_it_counts_is_an_error() -> None:
    with pytest.raises(GatewayError, match="counts 2 instances of type 0 and shows 1"):
        search(lambda *_: {"flowInsts": entries(1), "count": 2})
    with pytest.raises(GatewayError, match="counts 1 instance of type 0 and shows 0"):
        search(lambda *_: {"flowInsts": [], "count": 1})


def test_a_list_without_an_end_is_an_error() -> None:
    def service(_: int, page: int) -> Any:
        return {"flowInsts": entries(PAGE_SIZE, page * PAGE_SIZE), "count": None}

    with pytest.raises(GatewayError, match="no end after 200 pages: the search was not whole"):
        search(service)


def test_a_list_that_counts_more_than_can_be_read_is_an_error_at_once() -> None:
    def service(kind: int, _: int) -> Any:
        return {"flowInsts": entries(PAGE_SIZE), "count": 10**9 if kind == 2 else 0}

    with pytest.raises(TooManyPagesError, match="not whole"):
        search(service)


def shifting(*, count: Callable[[int, int], Any], by: int) -> Service:
    """Each time that page 2 is asked for, that many have come (or gone, before it) meanwhile."""
    gone = {"n": 0}
    every = entries(1_000)

    def ask(kind: int, page: int) -> Any:
        if kind or not page:
            return {"flowInsts": [], "count": 0}
        if page == 2:
            gone["n"] += by
        start = gone["n"] if by > 0 else 0
        listed = [*entries(-gone["n"] if by < 0 else 0, 5_000), *every[start : start + 150]]
        return paged({0: listed}, base=1, largest=50, count=count)(0, page)

    return ask


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("by", [1, -1])
def test_pages_that_shift_each_time_that_they_are_read_are_never_a_whole_list(
    count: Callable[[int, int], Any], by: int
) -> None:
    with pytest.raises(GatewayError, match="the search was not whole"):
        search(shifting(count=count, by=by))


@pytest.mark.parametrize("count", COUNTS)
def test_pages_that_shifted_once_are_read_again(count: Callable[[int, int], Any]) -> None:
    listed = entries(120)
    seen = {"n": 0}

    def service(kind: int, page: int) -> Any:
        seen["n"] += (kind, page) == (0, 2)
        # While the first reading is at page 2 and behind it, the first instance is away.
        shown = listed[1:] if seen["n"] == 1 and page > 1 else listed
        return paged({0: shown}, base=1, largest=50, count=count)(kind, page)

    found, _ = search(service)
    assert {one.id for one in found} == {one["instanceId"] for one in listed}


def test_instances_that_are_alike_in_everything_are_two_if_one_page_shows_both() -> None:
    alike = {"instanceId": "1-0", "triggerTime": "2024-03-02 08:00:00", "status": 1}
    found, _ = search(paged({2: [alike, alike]}, base=1))
    assert len(found) == 2


def test_instances_that_differ_in_their_status_only_are_two_if_one_page_shows_both() -> None:
    listed = [{"instanceId": "1-0", "status": status} for status in (-1, 2)]
    found, _ = search(paged({2: listed}, base=1, count=lambda *_: None))
    assert [one.status for one in found] == [-1, 2]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "",
        {},
        {"flowInsts": None},
        {"flowInsts": None, "count": None},
        {"flowInsts": {}, "count": 0},
    ],
)
def test_what_is_no_page_is_an_error_and_not_an_empty_list(data: Any) -> None:
    with pytest.raises(ValueError, match="no "):
        read_page(data, lambda entry: read_entry(entry, UTC))


def unlisting(service: Service, *, null: bool) -> Service:
    """The service, which writes an empty list as null or leaves it out."""

    def ask(kind: int, page: int) -> Any:
        data = dict(service(kind, page))
        if not data["flowInsts"]:
            del data["flowInsts"]
        return data | ({"flowInsts": data.get("flowInsts")} if null else {})

    return ask


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("number", [0, 1, 100, 101, 250])
def test_every_instance_is_found_where_an_empty_page_has_no_list(
    number: int, base: int, *, null: bool
) -> None:
    found, _ = search(unlisting(paged({0: entries(number)}, base=base), null=null))
    assert {one.id for one in found} == {one["instanceId"] for one in entries(number)}
    assert len(found) == number


@pytest.mark.parametrize("data", [{"count": 1}, {"flowInsts": None, "count": 1}])
def test_pages_without_a_list_that_count_instances_are_no_empty_list(data: Any) -> None:
    with pytest.raises(GatewayError, match="shows 0: the search was not whole"):
        search(lambda *_: data)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_page_without_its_list_is_not_taken_for_empty_while_instances_are_missing(
    lost: int,
) -> None:
    whole = paged({0: entries(150)}, base=0 if lost == 0 else 1)

    def service(kind: int, page: int) -> Any:
        data = whole(kind, page)
        return {"count": data["count"]} if (kind, page) == (0, lost) else data

    with pytest.raises(GatewayError, match="the search was not whole"):
        search(service)


def test_pages_that_repeat_an_instance_and_else_differ_are_not_a_whole_list() -> None:
    """Alike to the service, they are ordered anew for each page: one may stand on none."""

    def service(kind: int, page: int) -> Any:
        pages = {1: entries(10), 2: entries(3, 9)} if kind == 0 else {}
        return {"flowInsts": pages.get(page, []), "count": None}

    with pytest.raises(GatewayError, match="the search was not whole"):
        search(service)


def test_a_last_page_of_nothing_but_repeats_is_not_the_end_of_a_whole_list() -> None:
    def service(kind: int, page: int) -> Any:
        pages = {1: entries(10), 2: entries(1, 9)} if kind == 0 else {}
        return {"flowInsts": pages.get(page, []), "count": None}

    with pytest.raises(GatewayError, match="the search was not whole"):
        search(service)


@pytest.mark.parametrize("again", [1, 2])
def test_a_page_that_comes_once_more_as_it_is_shows_no_shift(again: int) -> None:
    def service(kind: int, page: int) -> Any:
        pages = {0: 1, 1: 1, 2: 2}
        shown = entries(10, 10 * pages.get(page, again)) if kind == 0 else []
        return {"flowInsts": shown, "count": None}

    found, _ = search(service)
    assert len(found) == 20


LOST = GatewayError("HTTP 503")
UNFIT = UnfitQuestionError("HTTP 400")


def failing(service: Service, *pages: int, error: GatewayError = LOST) -> Service:
    """The service, which does not answer for these pages of any type."""

    def ask(kind: int, page: int) -> Any:
        if page in pages:
            raise error
        return service(kind, page)

    return ask


def found_or_error(service: Service, *, counts_all: bool | None = None) -> set[str] | GatewayError:
    """What a search finds; `counts_all`: what a look at other lists finds out, if there is one."""

    async def ask(kind: int, page: int) -> Page:
        return read_page(service(kind, page), lambda entry: read_entry(entry, UTC))

    async def look() -> bool:
        return bool(counts_all)

    try:
        rows = asyncio.run(search_all(ask, counts_all=None if counts_all is None else look))
    except GatewayError as error:
        return error
    return {one.id for one in rows}


@pytest.mark.parametrize("error", [LOST, UNFIT])
@pytest.mark.parametrize("number", [1, 30, 31, 60])
def test_a_lost_page_0_is_made_up_for_by_a_count_of_all_that_the_others_show(
    number: int, error: GatewayError
) -> None:
    service = paged({1: entries(number)}, base=1, largest=30)
    expected = {one["instanceId"] for one in entries(number)}
    assert found_or_error(failing(service, 0, error=error)) == expected


@pytest.mark.parametrize("number", [1, 30, 31, 60])
def test_a_service_may_refuse_the_page_after_the_last(number: int) -> None:
    service = paged({0: entries(number)}, base=1, largest=30)
    after = (number + 29) // 30 + 1
    expected = {one["instanceId"] for one in entries(number)}
    assert found_or_error(failing(service, 0, after, error=UNFIT)) == expected
    assert found_or_error(failing(service, after, error=UNFIT)) == expected


def test_a_lost_page_after_the_last_is_made_up_for_if_the_service_counts_all() -> None:
    of_two = failing(paged({0: entries(40)}, base=1, largest=30), 3)
    assert found_or_error(of_two) == {one["instanceId"] for one in entries(40)}
    of_one = failing(paged({0: entries(3)}, base=1, largest=30), 0, 2)  # none counts more
    assert found_or_error(of_one, counts_all=False) is LOST
    assert found_or_error(of_one, counts_all=True) == {"1-0", "1-1", "1-2"}


@pytest.mark.parametrize("error", [LOST, UNFIT])
@pytest.mark.parametrize("count", COUNTS[2:])
def test_no_lost_page_is_made_up_for_by_a_count_that_may_be_the_pages(
    count: Callable[[int, int], Any], error: GatewayError
) -> None:
    from_0 = paged({2: entries(1)}, base=0, count=count)
    assert found_or_error(failing(from_0, 0), counts_all=False) is LOST
    crowded = paged({2: entries(150)}, base=1, count=count)
    assert found_or_error(failing(crowded, 2, error=error), counts_all=False) is error
    assert found_or_error(failing(crowded, 0, 2, error=error), counts_all=False) is error


def test_a_lost_page_whose_instances_are_counted_is_an_error_whatever_else_is_known() -> None:
    for base in (0, 1):
        for number in (1, 31, 61):
            service = paged({1: entries(number)}, base=base, largest=30)
            for page in range(base, (number + 29) // 30 + base):
                for error in (LOST, UNFIT):
                    lost = failing(service, page, error=error)
                    assert found_or_error(lost, counts_all=True) is error


def test_a_lost_page_is_no_loss_only_while_all_pages_count_the_same() -> None:
    def service(_: int, page: int) -> Any:
        if page == 0:
            raise LOST
        return {"flowInsts": entries(2) if page == 1 else [], "count": 2 if page == 1 else 1}

    assert found_or_error(service, counts_all=True) is LOST


def test_where_nothing_is_listed_a_look_elsewhere_says_whether_a_lost_page_may_have_some() -> None:
    service = failing(paged({}, base=1), 0)
    assert found_or_error(service) is LOST
    assert found_or_error(service, counts_all=False) is LOST
    assert found_or_error(service, counts_all=True) == set()


def test_a_service_that_counts_from_0_may_refuse_page_1_as_the_one_after_the_last() -> None:
    service = failing(paged({0: entries(2)}, base=0), 1, error=UNFIT)
    assert found_or_error(service, counts_all=False) is UNFIT
    assert found_or_error(service, counts_all=True) == {"1-0", "1-1"}


def test_page_0_is_not_asked_for_again_and_again_where_a_count_must_make_up_for_it() -> None:
    asked = []

    def service(kind: int, page: int) -> Any:
        asked.append((kind, page))
        return failing(paged({0: entries(2)}, base=1), 0)(kind, page)

    assert found_or_error(service) == {"1-0", "1-1"}
    assert [one for one in asked if one[1] == 0] == [(0, 0)]


def test_a_list_that_cannot_be_read_at_all_is_not_empty() -> None:
    refused = failing(paged({}, base=1), 0, 1, error=UNFIT)
    assert found_or_error(refused, counts_all=True) is UNFIT


DAY = 86_400_000
NOON = 1_709_337_600_000
MINUTE = ListedWindow(from_time=EpochMs(NOON), to_time=EpochMs(NOON + 60_000))


@pytest.mark.parametrize("around", [0, 1, 2])
@pytest.mark.parametrize("own", [False, True])  # the page's count
def test_a_wider_window_shows_whether_the_service_counts_all_instances(
    around: int, *, own: bool
) -> None:
    """Page 0 is lost each time. Around the minute are that many instances."""

    async def ask(window: ListedWindow, kind: int, page: int, size: int) -> Page:
        if page == 0:
            raise LOST
        near = window.from_time <= NOON - DAY and kind == 1
        service = paged({1: entries(around if near else 0)}, base=1, largest=size)
        data = service(kind, page)
        data |= {"count": len(data["flowInsts"])} if own else {}
        return read_page(data, lambda entry: read_entry(entry, UTC))

    if around and not own:
        assert asyncio.run(search_flow(ask, 1, MINUTE)) == ()
        return
    with pytest.raises(GatewayError, match="HTTP 503"):
        asyncio.run(search_flow(ask, 1, MINUTE))
