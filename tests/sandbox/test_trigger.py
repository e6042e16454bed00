"""Update And Trigger Flow, over a real socket."""

from typing import Any

import pytest

from reconciler.sandbox import FlowOptions, SandboxOptions
from tests.sandbox.asking import NOW, USER, served


def test_the_answer_names_the_instance_by_flow_and_minute_in_the_servers_zone() -> None:
    with served(options=SandboxOptions(timezone="GMT+8")) as it:
        answer = it.client.trigger(triggerTime=1_565_568_442_000)  # 2019-08-12T00:07:22Z
        assert answer.json() == {
            "code": 0,
            "msg": "OK",
            "data": {"flowInstanceId": "3377-20190812080700"},
        }


def test_every_post_makes_an_instance_of_its_own() -> None:
    with served() as it:
        names = [it.client.triggered() for _ in range(3)]
        assert names == ["3377-20240302080000", "3377-20240302080000-2", "3377-20240302080000-3"]
        assert [one.id for one in it.sandbox.instances] == names


def test_parameters_reach_the_instance_in_their_order_and_untouched() -> None:
    pairs = [
        {"key": "B", "value": "${cal_dt}"},
        {"key": "A", "value": ""},
        {"key": "B", "value": "é"},
    ]
    with served() as it:
        it.client.triggered(parameters=pairs)
        assert it.sandbox.instances[0].parameters == (("B", "${cal_dt}"), ("A", ""), ("B", "é"))


@pytest.mark.parametrize(
    "changes",
    [
        {"flowId": "3377"},
        {"flowId": None},
        {"flowId": 0},
        {"flowId": 2**31},
        {"flowId": True},
        {"triggerTime": "2024-03-02"},
        {"triggerTime": 2**63},
        {"triggerTime": 2**62},
        {"triggerTime": -(2**62)},
        {"triggerTime": -62_135_596_800_000},  # the first day of year 1 has no day before it
        {"triggerTime": 1.5},
        {"parameters": {"KEY": "value"}},
        {"parameters": [{"key": "K"}]},
        {"parameters": [{"key": "K", "value": 1}]},
        {"parameters": None},
    ],
)
def test_a_body_with_a_wrong_type_gets_400_and_starts_nothing(changes: dict[str, Any]) -> None:
    with served() as it:
        answer = it.client.trigger(**changes)
        assert (answer.status_code, answer.json()["code"]) == (400, 400)
        assert it.sandbox.instances == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"flowId": 1}', b'"\xff"', b"null"])
def test_a_body_that_is_no_such_object_gets_400(body: bytes) -> None:
    with served() as it:
        assert it.client.call("flows", "updateAndTrigger", body).status_code == 400
        assert it.sandbox.instances == []


@pytest.mark.parametrize("name", ["userId", "orgId"])
def test_a_query_without_a_mandatory_parameter_gets_400(name: str) -> None:
    with served() as it:
        body = {"flowId": 1, "triggerTime": NOW, "parameters": []}
        for query in ({**USER, name: ""}, {key: USER[key] for key in USER if key != name}):
            answer = it.client.call("flows", "updateAndTrigger", body, query=query)
            assert answer.status_code == 400
            assert name in answer.json()["msg"]
        assert it.sandbox.instances == []


def test_an_oversized_body_gets_413_and_leaves_the_connection_usable() -> None:
    with served(options=SandboxOptions(max_body_bytes=2_000)) as it:
        long = [{"key": "K", "value": "x" * 500_000}]
        answer = it.client.trigger(parameters=long)
        assert (answer.status_code, answer.json()["code"]) == (413, 413)
        assert it.sandbox.instances == []
        assert (
            it.client.trigger(parameters=[{"key": "K", "value": "x" * 1_000}]).json()["code"] == 0
        )


def test_any_user_of_any_organisation_exists_unless_they_are_declared() -> None:
    body = {"flowId": 1, "triggerTime": NOW, "parameters": []}
    options = SandboxOptions(users={"o1": frozenset({"u1"})})
    with served(options=options) as it:
        for user, organisation, code in (("u1", "o1", 0), ("u2", "o1", 62101), ("u1", "o2", 62101)):
            query = {"userId": user, "orgId": organisation}
            answer = it.client.call("flows", "updateAndTrigger", body, query=query)
            assert (answer.status_code, answer.json()["code"]) == (200, code)
        assert len(it.sandbox.instances) == 1


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        (FlowOptions(exists=False), 62103),
        (FlowOptions(privilege=False), 62103),
        (FlowOptions(owner="u2;u3"), 62103),
        (FlowOptions(locked=True), 62103),
        (FlowOptions(user_locked=True), 62103),
        (FlowOptions(tasks=0), 62104),
        (FlowOptions(owner="u2;u1"), 0),
    ],
)
def test_a_declared_flow_is_refused_with_the_code_of_what_is_wrong_with_it(
    flow: FlowOptions, code: int
) -> None:
    with served(options=SandboxOptions(flows={3377: flow})) as it:
        assert it.client.trigger().json()["code"] == code
        assert len(it.sandbox.instances) == (code == 0)
        assert it.client.trigger(flowId=1).json()["code"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/batch-processing-service/v2.1/flows?action=updateAndTrigger", 400),
        ("POST", "/batch-processing-service/v2.1/flows?action=other", 400),
        ("POST", "/batch-processing-service/v2.1/flows", 400),
        ("POST", "/batch-processing-service/v9/flows?action=updateAndTrigger", 404),
        ("PUT", "/batch-processing-service/v2.1/flows?action=updateAndTrigger", 405),
    ],
)
def test_what_is_no_operation_is_refused(method: str, path: str, status: int) -> None:
    with served() as it:
        assert it.client.http.request(method, path).status_code == status
        assert [one.operation for one in it.sandbox.requests] == ["token"]
