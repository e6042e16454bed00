"""List Flow Instances, over a real socket."""

from typing import Any

import pytest

from reconciler.sandbox import FlowOptions, SandboxOptions
from reconciler.sandbox.behaviour import CountShown, PastEnd
from tests.sandbox.asking import NOW, served

MINUTE = 60_000


def page(number: int, size: int = 10, *sorters: dict[str, str]) -> dict[str, Any]:
    return {"pageNo": number, "pageSize": size, "sorters": list(sorters)}


def test_a_search_gives_whole_instances_and_their_number() -> None:
    with served() as it:
        name = it.client.triggered()
        found = it.client.search().json()["data"]
        assert found == {"flowInsts": [it.client.instance(name)], "count": 1}


def test_trigger_times_are_searched_from_inclusive_to_exclusive() -> None:
    with served() as it:
        name = it.client.triggered()
        assert it.client.found(fromTriggerTime=NOW, toTriggerTime=NOW + 1) == [name]
        assert it.client.found(fromTriggerTime=NOW + 1) == []
        assert it.client.found(toTriggerTime=NOW) == []


def test_a_search_may_ignore_the_window() -> None:
    with served(options=SandboxOptions(windows_ignored=True)) as it:
        name = it.client.triggered()
        assert it.client.found(toTriggerTime=NOW) == [name]


def test_a_page_without_instances_may_have_no_list() -> None:
    with served(options=SandboxOptions(empty_list="null")) as it:
        assert it.client.search().json()["data"] == {"flowInsts": None, "count": 0}
        it.client.triggered()
        assert len(it.client.search().json()["data"]["flowInsts"]) == 1


def test_only_the_type_that_triggered_instances_get_has_them() -> None:
    for kind in (0, 1, 2):
        with served(options=SandboxOptions(instance_type=kind)) as it:
            it.client.triggered()
            assert [len(it.client.found(type=one)) for one in (0, 1, 2)] == [
                one == kind for one in (0, 1, 2)
            ]


def test_expression_owner_and_status_narrow_a_search() -> None:
    flows = {1: FlowOptions(name="wind daily"), 2: FlowOptions(owner="u9;u1")}
    with served(options=SandboxOptions(flows=flows)) as it:
        wind, shared, ahead = (
            it.client.triggered(flowId=1),
            it.client.triggered(flowId=2),
            it.client.triggered(flowId=3, triggerTime=NOW + MINUTE),
        )
        assert it.client.found(expression="nd dai") == [wind]
        assert it.client.found(expression="3-2024") == [ahead]
        assert it.client.found(owner="u9") == [shared]
        assert it.client.found(status="5") == [ahead]
        assert it.client.found(status="2, 5") == [wind, shared, ahead]
        assert it.client.found(status="-1") == []


@pytest.mark.parametrize(
    ("base", "pages"), [(1, [[0, 1], [0, 1], [2, 3], [4], []]), (0, [[0, 1], [2, 3], [4], [], []])]
)
def test_pages_count_from_the_base_and_page_0_is_the_first_either_way(
    base: int, pages: list[list[int]]
) -> None:
    with served(options=SandboxOptions(page_base=base)) as it:
        names = [it.client.triggered() for _ in range(5)]
        for number, expected in enumerate(pages):
            data = it.client.search(pagination=page(number, 2)).json()["data"]
            found = [one["instanceId"] for one in data["flowInsts"]]
            assert found == [names[index] for index in expected]
            assert data["count"] == 5


def test_sorters_sort_and_an_invalid_one_gets_62102() -> None:
    with served() as it:
        times = (NOW + 2 * MINUTE, NOW + MINUTE, NOW + 3 * MINUTE)
        second, first, third = (it.client.triggered(triggerTime=one) for one in times)
        for field in ("triggerTime", "start_time"):
            up = it.client.found(pagination=page(1, 10, {"field": field, "order": "asc"}))
            down = it.client.found(pagination=page(1, 10, {"field": field, "order": "desc"}))
            assert (up, down) == ([first, second, third], [third, second, first])
        answer = it.client.search(pagination=page(1, 10, {"field": "other", "order": "asc"}))
        assert (answer.status_code, answer.json()["code"]) == (200, 62102)


def test_what_the_reference_does_not_call_mandatory_can_be_left_out() -> None:
    with served() as it:
        name = it.client.triggered()
        answer = it.client.call("flowInstances", "search", {"type": 0})
        assert [one["instanceId"] for one in answer.json()["data"]["flowInsts"]] == [name]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": 3},
        {"type": "0"},
        {"status": "x"},
        {"status": 1},
        {"fromTriggerTime": "now"},
        {"pagination": {"pageNo": -1, "pageSize": 1}},
        {"pagination": {"pageNo": 1, "pageSize": 0}},
        {"owner": None},
    ],
)
def test_a_search_with_a_wrong_type_gets_400(changes: dict[str, Any]) -> None:
    with served() as it:
        assert it.client.search(**changes).status_code == 400


@pytest.mark.parametrize(
    ("how", "count"), [("all", 3), ("page", 2), ("none", None), ("more", 4), ("text", "3")]
)
def test_the_count_of_a_search_may_be_of_something_else(how: CountShown, count: object) -> None:
    with served(options=SandboxOptions(count_shown=how)) as it:
        for _ in range(3):
            it.client.triggered()
        assert it.client.search(pagination=page(1, 2)).json()["data"]["count"] == count


@pytest.mark.parametrize(("past_end", "shown"), [("empty", []), ("last", [2]), ("first", [0, 1])])
def test_a_page_behind_the_last_may_be_another_one_again(
    past_end: PastEnd, shown: list[int]
) -> None:
    with served(options=SandboxOptions(past_end=past_end)) as it:
        names = [it.client.triggered() for _ in range(3)]
        assert it.client.found(pagination=page(3, 2)) == [names[n] for n in shown]
        assert it.client.found(pagination=page(2, 2)) == names[2:]
