"""Reading what the service says of a flow, and asking for it over a real socket."""

import asyncio
import json
from typing import Any

import pytest

from reconciler.apply.ports import Flow
from reconciler.enos.access import Credentials
from reconciler.enos.client import open_gateway
from reconciler.enos.listed import read_flow
from reconciler.errors import GatewayError
from reconciler.sandbox import FlowOptions, Sandbox, SandboxOptions, run_sandbox
from tests.enos.scripted import Act, Scripted, answer, http, opened, reset, scripted, settings

SAMPLE = {
    "flowId": 3377,
    "flowName": "wind daily",
    "type": 0,
    "owner": "u1;u2",
    "locked": False,
    "isUserLocked": True,
    "hasEditPri": True,
    "graph": {"tasks": [{"taskId": 1}, {"taskId": 2}]},
    "parameters": [{"key": "SITE", "value": "cn-01"}, {"key": "MODE", "value": ""}],
}


def read(**changes: Any) -> Flow:
    return read_flow(SAMPLE | changes, 3377)


def ask(act: Act | list[Act]) -> tuple[Flow | None, Scripted]:
    async def run() -> tuple[Flow | None, Scripted]:
        async with scripted({"get": act}) as gateway, opened(gateway) as enos:
            return await enos.flow(3377), gateway

    return asyncio.run(run())


def test_a_flow_is_read_as_the_reference_describes_it() -> None:
    assert read() == Flow(
        locked=False,
        user_locked=True,
        editable=True,
        owners=frozenset({"u1", "u2"}),
        tasks=2,
        parameters=frozenset({"SITE", "MODE"}),
        name="wind daily",
    )


def test_what_a_flow_does_not_say_is_not_guessed() -> None:
    nothing = Flow(
        locked=None, user_locked=None, editable=None, owners=None, tasks=None, parameters=None
    )
    assert read_flow({}, 3377) == nothing
    assert read_flow(dict.fromkeys(SAMPLE), 3377) == nothing


YES: list[Any] = [True, 1, "1", "true", " TRUE "]
NO: list[Any] = [False, 0, "0", "false"]
NEITHER: list[Any] = [None, "", "yes", 2, -1, 1.0, [], {}, [True]]
FLAGS = [
    *[(value, True) for value in YES],
    *[(value, False) for value in NO],
    *[(value, None) for value in NEITHER],
]


@pytest.mark.parametrize(("value", "expected"), FLAGS)
def test_a_flag_may_be_a_number_or_text(value: Any, *, expected: bool | None) -> None:
    flow = read(locked=value, isUserLocked=value, hasEditPri=value)
    assert (flow.locked, flow.user_locked, flow.editable) == (expected,) * 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [("u1", {"u1"}), (" u1 ; u2;;", {"u1", "u2"}), ("", None), (" ; ", None), (5, None)],
)
def test_owners_are_user_ids_with_semicolons_between(value: Any, expected: Any) -> None:
    assert read(owner=value).owners == expected


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"tasks": []}, 0),
        ({"tasks": 3}, 3),
        ({"tasks": "3"}, 3),
        ({"tasks": {"a": 1, "b": 2}}, 2),
        (json.dumps({"tasks": [1, 2]}), 2),
        ({"tasks": "[1, 2]"}, 2),
        ({"tasks": None}, None),
        ({"tasks": -1}, None),
        ({"tasks": True}, None),
        ({}, None),
        ([], None),
        ("", None),
        ("{", None),
    ],
)
def test_tasks_may_be_listed_or_counted(graph: Any, expected: int | None) -> None:
    assert read(graph=graph).tasks == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"name": "SITE", "type": "text"}, {"key": "MODE"}], {"SITE", "MODE"}),
        ({"SITE": "cn-01", "MODE": None}, {"SITE", "MODE"}),
        (["SITE", "MODE"], {"SITE", "MODE"}),
        (json.dumps([{"key": "SITE"}]), {"SITE"}),
        (json.dumps({"SITE": "cn-01"}), {"SITE"}),
        ([], set()),
        ({}, set()),
        ("[]", set()),
        ("", None),
        ("SITE", None),
        (5, None),
        ([5], None),
        ([{"value": "cn-01"}], None),
        ([{"key": "SITE"}, {"key": 5}], None),
    ],
)
def test_the_names_of_parameters_are_read_whole_or_not_at_all(value: Any, expected: Any) -> None:
    assert read(parameters=value).parameters == expected


@pytest.mark.parametrize("content", [[], "x", 5, SAMPLE | {"flowId": 3378}])
def test_what_is_no_flow_or_another_one_is_an_error(content: Any) -> None:
    with pytest.raises(ValueError, match="flow"):
        read_flow(content, 3377)
    with pytest.raises(GatewayError, match=r"Get Flow at 127\.0\.0\.1:\d+ answered with "):
        ask(answer(content))


@pytest.mark.parametrize("flow_id", [3377, "3377", None])
def test_a_flow_may_say_its_id_as_a_number_as_text_or_not_at_all(flow_id: Any) -> None:
    assert read(flowId=flow_id) == read()


def test_a_flow_is_asked_for_by_its_id() -> None:
    flow, gateway = ask(answer(SAMPLE))
    assert flow == read()
    (request,) = gateway.of("get")
    assert (request.method, request.path) == ("GET", "/batch-processing-service/v2.1/flows")
    expected = {"action": "get", "flowId": "3377", "userId": "u1", "orgId": "o1"}
    assert request.query == expected


@pytest.mark.parametrize(
    "act",
    [
        answer(None),
        answer({}),
        answer(""),
        answer(code=404),
        answer(code=404, status=404),
        answer(code=62104),
        answer(code="62104", status=404),
    ],
)
def test_a_flow_that_the_service_says_it_has_not_is_none(act: Act) -> None:
    flow, _ = ask(act)
    assert flow is None


@pytest.mark.parametrize("act", [answer(code=62103), answer(code=62103, status=403)])
def test_a_flow_that_the_user_may_not_see_is_one_that_cannot_be_edited(act: Act) -> None:
    flow, _ = ask(act)
    assert flow == Flow(
        locked=None, user_locked=None, editable=False, owners=None, tasks=None, parameters=None
    )


@pytest.mark.parametrize(
    "act",
    [
        http(404, "<html>"),
        http(404, '{"status": 404, "error": "Not Found"}'),
        answer(code=62101),
        answer(code=62104, status=500),
        answer(code=62109),
        http(503),
        reset,
    ],
)
def test_a_flow_of_which_nobody_can_tell_is_an_error(act: Act) -> None:
    with pytest.raises(GatewayError, match="Get Flow at 127"):
        ask(act)


def test_a_question_for_a_flow_is_repeated_after_a_hiccup() -> None:
    flow, gateway = ask([http(503), reset, answer(SAMPLE)])
    assert flow == read()
    assert len(gateway.of("get")) == 3


def test_the_sandboxs_flows_are_read() -> None:
    flows = {
        1: FlowOptions(owner="u1;u9", locked=True, tasks=2, parameters=("SITE", "MODE")),
        2: FlowOptions(owner="u9", user_locked=True, parameters=()),
        3: FlowOptions(exists=False),
    }
    sandbox = Sandbox(SandboxOptions(flows=flows))
    keys = Credentials(access_key=sandbox.options.access_key, secret_key=sandbox.options.secret_key)

    async def ask_for_all(url: str) -> list[Flow | None]:
        async with open_gateway(settings(url), keys) as enos:
            return [await enos.flow(flow_id) for flow_id in (1, 2, 3, 4)]

    with run_sandbox(sandbox) as url:
        first, second, absent, undeclared = asyncio.run(ask_for_all(url))
    assert first == Flow(
        locked=True,
        user_locked=False,
        editable=True,
        owners=frozenset({"u1", "u9"}),
        tasks=2,
        parameters=frozenset({"SITE", "MODE"}),
        name="flow-1",
    )
    assert second is not None
    assert (second.user_locked, second.editable, second.parameters) == (True, False, frozenset())
    assert absent is None
    assert undeclared is not None
    assert (undeclared.owners, undeclared.parameters) == (frozenset({"u1"}), None)
