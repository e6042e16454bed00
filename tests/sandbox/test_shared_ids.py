"""Instances of one flow and minute that share an id, and users who see their own only."""

from typing import Any

import pytest

from reconciler.sandbox import FlowOptions, SandboxOptions, Status
from reconciler.sandbox.behaviour import Ids
from tests.sandbox.asking import NOW, Served, served

ID = "3377-20240302080000"
BY_MINUTE = SandboxOptions(ids="minute")


def pairs(value: str) -> list[dict[str, str]]:
    return [{"key": "K", "value": value}]


def states(it: Served) -> list[int]:
    return [one["status"] for one in it.client.listed()]


def values(listed: list[dict[str, Any]]) -> list[str]:
    return [one["parameters"].split('"')[-2] for one in listed]


def test_instances_of_a_flow_and_a_minute_can_share_an_id_and_are_all_listed() -> None:
    with served(options=BY_MINUTE) as it:
        names = [it.client.triggered(triggerTime=NOW + n * 1000) for n in range(3)]
        others = it.client.triggered(flowId=1), it.client.triggered(triggerTime=NOW + 60_000)
        assert names == [ID, ID, ID]
        assert others == ("1-20240302080000", "3377-20240302080100")
        assert it.client.found() == [*names, *others]
        assert [one.number for one in it.sandbox.instances] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("ids", "names_flow", "made"),
    [
        ("hour", True, ["1-20240302080000", "1-20240302080000", "2-20240302090000"]),
        ("day", True, ["1-20240302000000", "1-20240302000000", "2-20240302000000"]),
        ("day", False, ["20240302000000"] * 3),
        ("unique", False, ["20240302080000", "20240302080100", "20240302090000"]),
    ],
)
def test_an_id_can_be_that_of_an_hour_or_a_day_and_leave_the_flow_out(
    ids: Ids, names_flow: bool, made: list[str]
) -> None:
    with served(options=SandboxOptions(ids=ids, id_names_flow=names_flow)) as it:
        starts = [(1, 0), (1, 60_000), (2, 3_600_000)]
        names = [it.client.triggered(flowId=flow, triggerTime=NOW + ms) for flow, ms in starts]
        assert names == made


def test_asked_for_by_an_id_that_is_shared_the_service_answers_the_newest() -> None:
    with served(options=BY_MINUTE) as it:
        for value in ("first", "second"):
            it.client.triggered(parameters=pairs(value))
        assert values([it.client.instance(ID)]) == ["second"]
        assert values(it.client.listed()) == ["first", "second"]


def test_of_instances_that_share_an_id_the_newest_that_has_not_ended_is_cancelled() -> None:
    flows = {3377: FlowOptions(run_seconds=10)}
    with served(options=SandboxOptions(ids="minute", flows=flows)) as it:
        for _ in range(3):
            it.client.triggered()
        assert it.client.cancel(ID).json()["code"] == 0
        assert states(it) == [Status.RUNNING, Status.READY, Status.CANCEL]
        assert it.client.cancel(ID).json()["code"] == 0
        assert states(it) == [Status.RUNNING, Status.CANCEL, Status.CANCEL]
        it.clock.pass_seconds(10)
        assert states(it) == [Status.SUCCESS, Status.CANCEL, Status.CANCEL]
        refused = it.client.cancel(ID).json()
        assert (refused["code"], refused["msg"]) == (62104, "the instance has ended already")


def test_only_the_newest_of_those_with_one_id_can_be_listed() -> None:
    with served(options=SandboxOptions(ids="minute", lists="newest")) as it:
        for value in ("first", "second"):
            it.client.triggered(parameters=pairs(value))
        other = it.client.triggered(flowId=1)
        assert it.client.found() == [ID, other]
        assert values(it.client.listed(expression=ID)) == ["second"]
        assert it.client.search().json()["data"]["count"] == 2
        assert len(it.sandbox.instances) == 3


def test_an_older_instance_is_listed_until_a_newer_one_of_its_id_is() -> None:
    options = SandboxOptions(ids="minute", lists="newest", list_after_seconds=10)
    with served(options=options) as it:
        it.client.triggered(parameters=pairs("first"))
        it.clock.pass_seconds(5)
        it.client.triggered(parameters=pairs("second"))
        assert it.client.found() == []
        it.clock.pass_seconds(5)
        assert values(it.client.listed()) == ["first"]
        it.clock.pass_seconds(5)
        assert values(it.client.listed()) == ["second"]


def test_a_user_can_be_kept_from_what_others_started() -> None:
    flows = {1: FlowOptions(owner="u1;u2")}
    with served(options=SandboxOptions(sees="own", flows=flows)) as it:
        name = it.client.triggered(flowId=1)
        unknown = it.client.cancel("1-2").json()
        it.client.user = {**it.client.user, "userId": "u2"}
        assert it.client.found() == []
        assert it.client.search().json()["data"]["count"] == 0
        assert it.client.instance(name) is None
        assert it.client.cancel(name).json() == unknown
        own = it.client.triggered(flowId=2)
        assert it.client.found() == [own]
        assert it.client.instance(own)["owner"] == "u2"


def test_where_users_see_their_own_only_a_shared_id_gives_each_their_newest() -> None:
    with served(options=SandboxOptions(ids="minute", sees="own")) as it:
        it.client.triggered(parameters=pairs("mine"))
        it.client.user = {**it.client.user, "userId": "u2"}
        it.client.triggered(parameters=pairs("theirs"))
        it.client.user = {**it.client.user, "userId": "u1"}
        assert values([it.client.instance(ID)]) == ["mine"]
        assert it.client.cancel(ID).json()["code"] == 0
        assert [one.cancelled is None for one in it.sandbox.instances] == [False, True]
