"""Each fault, over a real socket."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.sandbox import ALWAYS, NEVER, Drop, Fault, Reply, Sandbox, SandboxOptions
from tests.sandbox.asking import NOW, USER, Served, served


def outcomes(it: Served, count: int, **changes: Any) -> list[int | str]:
    """Of so many triggers: the HTTP status, or that the connection broke."""
    seen: list[int | str] = []
    for _ in range(count):
        try:
            seen.append(it.client.trigger(**changes).status_code)
        except httpx.ReadError:
            seen.append("broke")
    return seen


def test_dropped_before_the_effect_a_trigger_starts_nothing_and_gets_not_one_byte() -> None:
    with served(Fault(on="trigger", ending=Drop())) as it:
        with pytest.raises(httpx.ReadError):
            it.client.trigger()
        assert it.sandbox.instances == []


def test_dropped_after_the_effect_a_trigger_has_started_an_instance() -> None:
    with served(Fault(on="trigger", ending=Drop(effect=True))) as it:
        with pytest.raises(httpx.ReadError):
            it.client.trigger()
        assert it.client.found() == ["3377-20240302080000"]


def test_a_large_request_can_be_dropped_too() -> None:
    with served(Fault(on="trigger", ending=Drop(effect=True))) as it:
        with pytest.raises(httpx.ReadError):
            it.client.trigger(parameters=[{"key": "K", "value": "x" * 900_000}])
        assert len(it.sandbox.instances) == 1


@pytest.mark.parametrize("effect", [False, True])
def test_any_answer_can_be_given_with_the_effect_or_without(*, effect: bool) -> None:
    headers = {"Retry-After": "7", "Date": "yesterday"}
    reply = Reply(status=503, code=62109, msg="broken", headers=headers, effect=effect)
    with served(Fault(on="trigger", ending=reply)) as it:
        answer = it.client.trigger()
        assert answer.status_code == 503
        assert answer.json() == {"code": 62109, "msg": "broken", "data": None}
        assert answer.headers["retry-after"] == "7"
        assert answer.headers.get_list("date") == ["yesterday"]
        assert len(it.client.found()) == effect


@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, None), (429, 429), (500, 500)])
def test_an_answer_carries_the_status_as_its_code_unless_told_otherwise(
    status: int, code: int | None
) -> None:
    with served(Fault(on="trigger", ending=Reply(status=status))) as it:
        answer = it.client.trigger()
        assert answer.status_code == status
        assert it.sandbox.requests[-1].code == code


def test_the_first_answer_of_an_operation_can_be_null() -> None:
    null = Fault(on="instance", ending=Reply(code=0, msg="OK"))
    with served(null, Fault(on="cancel", ending=Reply(msg="OK", effect=True))) as it:
        name = it.client.triggered()
        query = {**USER, "flowInstId": name}
        answer = it.client.call("flowInstances", "get", query=query).content
        assert answer == b'{"code":0,"msg":"OK","data":null}'
        assert it.client.cancel(name).content == answer
        assert it.client.instance(name)["statusDesc"] == "CANCEL"


def test_token_answers_are_told_in_the_token_services_envelope() -> None:
    with served(Fault(on="refresh", ending=Reply(code=1204, msg="no"))) as it:
        answer = it.client.ask_token("refresh", accessToken=it.client.token).json()
        assert (answer["status"], answer["business"]) == (1204, "apim-token-service")


@pytest.mark.parametrize(
    ("body", "kind"), [("<html></html>", "text/html"), ("", "text/plain"), ("{", "text/plain")]
)
def test_an_answer_can_be_html_or_rubbish_or_nothing(body: str, kind: str) -> None:
    with served(Fault(on="trigger", ending=Reply(status=502, body=body, effect=True))) as it:
        answer = it.client.trigger()
        assert (answer.status_code, answer.text) == (502, body)
        assert answer.headers["content-type"].startswith(kind)
        assert len(it.sandbox.instances) == 1


def test_delays_lie_before_and_after_the_effect_and_latency_is_added_to_every_answer() -> None:
    slept: list[tuple[float, int]] = []
    sandboxes: list[Sandbox] = []

    async def sleep(seconds: float) -> None:
        slept.append((seconds, sum(len(one.instances) for one in sandboxes)))

    fault = Fault(on="trigger", delay_before=5, delay_after=7)
    with served(fault, options=SandboxOptions(latency=25), sleep=sleep) as it:
        sandboxes.append(it.sandbox)
        it.client.triggered()
        it.client.triggered()
    seconds, instances = zip(*slept, strict=True)
    assert instances == (0, 0, 1, 2)  # the first is the log-in's
    # What the sandbox itself needs is part of the latency.
    assert seconds == pytest.approx((25, 5, 32, 25), abs=4)


def test_latency_is_real_time() -> None:
    with served(options=SandboxOptions(latency=0.05)) as it:
        start = time.monotonic()
        it.client.triggered()
        assert time.monotonic() - start >= 0.05


def test_a_request_whose_client_gave_up_has_its_effect_all_the_same() -> None:
    with served(Fault(on="trigger", ending=None, delay_after=3600)) as it:
        it.client.http.timeout = httpx.Timeout(0.2)
        with pytest.raises(httpx.ReadTimeout):
            it.client.trigger()
        it.client.http.timeout = httpx.Timeout(30)
        assert len(it.client.found()) == 1


def test_the_token_can_expire_right_before_a_request() -> None:
    with served(Fault(on="trigger", after=1, expire_token=True)) as it:
        it.client.triggered()
        assert it.client.trigger().json()["code"] == 1203
        it.client.log_in()
        it.client.triggered()
        assert len(it.sandbox.instances) == 2


def test_above_the_rate_limit_requests_get_429_with_retry_after_until_the_second_is_over() -> None:
    with served(Fault(on="trigger", rate_limit=2)) as it:
        assert outcomes(it, 2) == [200, 200]
        answer = it.client.trigger()
        assert (answer.status_code, answer.json()["code"]) == (429, 429)
        assert answer.headers["retry-after"] == "1"
        assert it.client.search().status_code == 200
        it.clock.pass_seconds(0.999)
        assert outcomes(it, 1) == [429]
        it.clock.pass_seconds(0.001)
        assert outcomes(it, 3) == [200, 200, 429]
        assert len(it.sandbox.instances) == 4


def test_an_instance_can_be_listed_late_while_it_can_be_asked_for_at_once() -> None:
    with served(Fault(on="trigger", list_after=30, ending=Drop(effect=True))) as it:
        with pytest.raises(httpx.ReadError):
            it.client.trigger()
        it.clock.pass_seconds(29.999)
        assert it.client.found() == []
        assert it.client.search().json()["data"]["count"] == 0
        assert it.client.instance("3377-20240302080000")["status"] == 1
        it.clock.pass_seconds(0.001)
        assert it.client.found() == ["3377-20240302080000"]


def test_an_instance_can_be_kept_out_of_searches_for_good() -> None:
    options = SandboxOptions(token_seconds=10**7)
    with served(Fault(on="trigger", list_after=NEVER), options=options) as it:
        it.client.triggered()
        it.clock.pass_seconds(10**6)
        assert it.client.found() == []
        it.client.triggered()
        assert len(it.client.found()) == 1


def test_callables_are_called_right_before_and_right_after_the_effect() -> None:
    seen: list[tuple[str, int]] = []

    def look(when: str) -> Callable[[], None]:
        return lambda: seen.append((when, len(it.sandbox.instances)))

    with served() as it:
        fault = Fault(on="trigger", after=1, call_before=look("before"), call_after=look("after"))
        it.sandbox.add_fault(fault)
        for _ in range(3):
            it.client.triggered()
        assert seen == [("before", 1), ("after", 2)]


def test_a_rule_leaves_the_first_requests_alone_and_takes_as_many_as_it_says() -> None:
    with served(Fault(on="trigger", after=1, times=2, ending=Reply(status=500))) as it:
        assert outcomes(it, 5) == [200, 500, 500, 200, 200]
    with served(Fault(on="trigger", after=1, times=ALWAYS, ending=Reply(status=500))) as it:
        assert outcomes(it, 4) == [200, 500, 500, 500]


def test_a_request_goes_to_the_first_rule_that_is_due_and_the_others_do_not_see_it() -> None:
    rules = (
        Fault(on="trigger", ending=Reply(status=500)),
        Fault(on="any", after=1, ending=Drop()),
        Fault(on="trigger", ending=Reply(status=503)),
    )
    with served(*rules) as it:
        assert outcomes(it, 4) == [500, 503, "broke", 200]


def test_a_rule_can_be_for_one_flow_only_whichever_operation_names_it() -> None:
    with served() as it:
        mine, other = it.client.triggered(flowId=7), it.client.triggered(flowId=8)
        fault = Fault(on="any", flow_id=7, times=ALWAYS, ending=Reply(status=500))
        it.sandbox.add_fault(fault)
        for name, status in ((mine, 500), (other, 200), ("8-19700101000000", 200)):
            query = {**USER, "flowInstId": name}
            assert it.client.call("flowInstances", "get", query=query).status_code == status
            assert it.client.cancel(name).status_code == status
        for flow_id, status in ((7, 500), (8, 200)):
            query = {**USER, "flowId": str(flow_id)}
            assert it.client.call("flows", "get", query=query).status_code == status
            assert it.client.trigger(flowId=flow_id).status_code == status
        assert it.client.search().status_code == 200
        assert it.client.call("flows", "updateAndTrigger", b"{").status_code == 400


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("token", lambda it: it.client.ask_token()),
        ("refresh", lambda it: it.client.ask_token("refresh")),
        ("trigger", lambda it: it.client.trigger()),
        ("search", lambda it: it.client.search()),
        ("instance", lambda it: it.client.call("flowInstances", "get")),
        ("cancel", lambda it: it.client.cancel("1-2")),
        ("flow", lambda it: it.client.call("flows", "get")),
        ("time", lambda it: it.client.call("time", "getCurrentTime")),
        ("timezone", lambda it: it.client.call("time", "getTimeZone")),
    ],
)
def test_a_rule_for_an_operation_matches_that_operation_only(
    operation: Any, ask: Callable[[Served], httpx.Response]
) -> None:
    with served(Fault(on=operation, times=ALWAYS, ending=Reply(status=599))) as it:
        assert ask(it).status_code == 599
        others = [it.client.trigger(), it.client.search(), it.client.call("time", "getTimeZone")]
        hit = [one.status_code == 599 for one in others]
        assert hit == [operation == one for one in ("trigger", "search", "timezone")]


def test_an_oversized_or_unauthorized_request_is_still_one_that_a_rule_can_take() -> None:
    with served(Fault(on="any", times=2, ending=Drop())) as it:
        assert outcomes(it, 1, parameters=[{"key": "K", "value": "x" * 2_000_000}]) == ["broke"]
        it.client.token = "other"
        assert outcomes(it, 2) == ["broke", 401]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"on": "trigger", "after": -1}, "negative"),
        ({"on": "trigger", "delay_before": float("nan")}, "negative"),
        ({"on": "trigger", "times": 0}, "at least 1"),
        ({"on": "trigger", "rate_limit": 0}, "at least 1"),
        ({"on": "trigger", "rate_limit": 1, "ending": Drop()}, "its own answer"),
        ({"on": "any", "list_after": 1}, "must be on trigger"),
        ({"on": "search", "flow_id": 1}, "names no flow"),
        ({"on": "trigger", "extra_after": -1}, "negative"),
        ({"on": "trigger", "extra_after": 1}, "there is none"),
        ({"on": "trigger", "extra_answer": "same", "ending": Drop()}, "that is dropped"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused_in_words(
    parts: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Fault(**parts)


def test_outside_its_own_server_a_dropped_connection_is_an_error_of_the_connection() -> None:
    sandbox = Sandbox(faults=[Fault(on="token", ending=Drop())], clock=lambda: NOW)

    async def drop() -> None:
        transport = httpx.ASGITransport(sandbox.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            await client.post("/apim-token-service/v2.0/token/get", json={})

    with pytest.raises(ConnectionResetError):
        asyncio.run(drop())
