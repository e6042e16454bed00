"""Paging, with a service that is a function: every reading of the reference, and changes midway."""

import asyncio
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest

from reconciler.apply.ports import Instance
from reconciler.errors import GatewayError
from reconciler.gateway.instances import read_instance
from reconciler.gateway.operations import _PAGE_SIZE as PAGE_SIZE
from reconciler.gateway.search import search_all

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

    async def ask(kind: int, page: int) -> Any:
        asked.append((kind, page))
        return service(kind, page)

    def read(entry: Any) -> Instance:
        return read_instance(entry, UTC)

    return list(asyncio.run(search_all(ask, read))), asked


COUNTS = [
    pytest.param(lambda total, _: total, id="the count is the total"),
    pytest.param(lambda total, _: str(total), id="the count is the total, as text"),
    pytest.param(lambda _, shown: shown, id="the count is the page's"),
    pytest.param(lambda *_: None, id="no count"),
]


@pytest.mark.parametrize("count", COUNTS)
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
    assert asked == [(0, 1), (0, 0), (1, 1), (1, 0), (2, 1), (2, 0)]


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


def test_a_list_without_an_end_is_an_error() -> None:
    def service(_: int, page: int) -> Any:
        return {"flowInsts": entries(PAGE_SIZE, page * PAGE_SIZE), "count": None}

    with pytest.raises(GatewayError, match="no end"):
        search(service)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "",
        {},
        {"count": 1},
        {"flowInsts": None},
        {"flowInsts": None, "count": 1},
        {"flowInsts": {}, "count": 0},
        {"flowInsts": [None], "count": 1},
        {"flowInsts": [{"flowId": 1}], "count": 1},
    ],
)
@pytest.mark.parametrize("bad", [(0, 1), (2, 0)])
def test_what_cannot_be_read_is_an_error_and_not_an_empty_list(
    data: Any, bad: tuple[int, int]
) -> None:
    empty = paged({}, base=1)
    with pytest.raises(GatewayError, match="unreadably"):
        search(lambda kind, page: data if (kind, page) == bad else empty(kind, page))


def test_no_list_beside_a_count_of_zero_is_an_empty_list() -> None:
    found, _ = search(lambda *_: {"flowInsts": None, "count": 0})
    assert found == []
