"""Cancelling over a real socket: what the service says for certain, and what nobody can tell."""

import asyncio

import pytest

from reconciler.apply.ports import CancelAnswer
from reconciler.enos.access import Credentials
from reconciler.enos.client import open_gateway
from reconciler.errors import GatewayError
from reconciler.model import EpochMs, InstanceId
from reconciler.sandbox import (
    Drop,
    Fault,
    FlowOptions,
    Sandbox,
    SandboxOptions,
    Status,
    Stranger,
    run_sandbox,
)
from tests.enos.scripted import (
    SECRET_KEY,
    SERVICE_TIME,
    Act,
    Scripted,
    answer,
    http,
    opened,
    reset,
    scripted,
    settings,
    token_answer,
)

NAME = InstanceId("3377-20240302080000")
DONE = CancelAnswer(code=0, message="")


def cancel(act: Act | list[Act]) -> tuple[CancelAnswer, Scripted]:
    async def run() -> tuple[CancelAnswer, Scripted]:
        script: dict[str, Act | list[Act]] = {
            "instance/cancel": act,
            "token/refresh": token_answer("token-2"),
        }
        async with scripted(script) as gateway, opened(gateway) as enos:
            return await enos.cancel(NAME), gateway

    return asyncio.run(run())


@pytest.mark.parametrize("data", [None, {}, "", True])
def test_a_cancellation_names_the_instance_and_is_done_if_the_service_says_so(data: object) -> None:
    outcome, gateway = cancel(answer(data))
    assert outcome == DONE
    (request,) = gateway.of("instance/cancel")
    assert (request.method, request.content) == ("POST", {"flowInstId": NAME})
    assert request.path == "/batch-processing-service/v2.1/flowInstances"
    assert request.query == {"action": "cancel", "userId": "u1", "orgId": "o1"}


@pytest.mark.parametrize("code", [62101, 62103, 62104, 404, 413])
def test_a_refusal_is_told_in_the_services_own_words(code: int) -> None:
    outcome, gateway = cancel(answer(code=code, msg="the instance has ended"))
    assert outcome == CancelAnswer(code=code, message="the instance has ended")
    assert len(gateway.of("instance/cancel")) == 1


def test_a_refusal_without_words_is_told_by_its_code() -> None:
    outcome, _ = cancel(answer(code=62103, msg=""))
    assert outcome == CancelAnswer(
        code=62103, message="HTTP 200, code 62103 (the user has no privilege)"
    )


def test_a_refusal_that_echoes_a_secret_does_not_tell_it() -> None:
    outcome, _ = cancel(answer(code=62104, msg=f"denied for {SECRET_KEY}"))
    assert outcome.message == "denied for ***"


@pytest.mark.parametrize(
    "act",
    [
        http(404, "<html>"),
        http(403),
        http(404, '{"status": 404, "error": "Not Found"}'),
        answer(code=62109),
        answer(code=1203),
        answer(code=7),
        answer(code=0, status=500),
        http(200, "<html>"),
        http(503),
        reset,
    ],
)
def test_where_nothing_is_certain_it_is_an_error(act: Act) -> None:
    with pytest.raises(GatewayError, match="Cancel Flow Instance at 127"):
        cancel(act)


@pytest.mark.parametrize("hiccup", [reset, http(503), http(429), http(401), answer(code=62109)])
def test_a_cancellation_is_repeated_after_a_hiccup(hiccup: Act) -> None:
    outcome, gateway = cancel([hiccup, hiccup, answer()])
    assert outcome == DONE
    assert len(gateway.of("instance/cancel")) == 3


def in_the_sandbox(*faults: Fault, **flow: float) -> tuple[CancelAnswer, int | None]:
    """What comes of cancelling an instance two seconds after its start, and its status then."""
    options = SandboxOptions(flows={3377: FlowOptions(**flow)})  # type: ignore[arg-type]  # a row
    sandbox = Sandbox(options, faults, clock=lambda: SERVICE_TIME + 2_000)
    stranger = Stranger(flow_id=3377, trigger_time=EpochMs(SERVICE_TIME), created_seconds_ago=2)
    started = sandbox.add_stranger(stranger)
    keys = Credentials(access_key=options.access_key, secret_key=options.secret_key)

    async def ask(url: str) -> tuple[CancelAnswer, int | None]:
        async with open_gateway(settings(url), keys) as enos:
            outcome = await enos.cancel(started.id)
            found = await enos.instance(started.id)
            return outcome, None if found is None else found.status

    with run_sandbox(sandbox) as url:
        return asyncio.run(ask(url))


def test_a_running_instance_of_the_sandbox_is_cancelled() -> None:
    assert in_the_sandbox(run_seconds=60) == (DONE, Status.CANCEL)


def test_a_repeat_of_a_cancellation_whose_answer_was_lost_is_refused_and_harms_nothing() -> None:
    lost = Fault(on="cancel", ending=Drop(effect=True))
    refused = CancelAnswer(code=62104, message="the instance has ended already")
    assert in_the_sandbox(lost, run_seconds=60) == (refused, Status.CANCEL)


def test_an_instance_of_the_sandbox_that_has_ended_is_not_cancelled() -> None:
    refused = CancelAnswer(code=62104, message="the instance has ended already")
    assert in_the_sandbox(run_seconds=1) == (refused, Status.SUCCESS)


def test_an_instance_that_the_sandbox_has_forgotten_is_not_cancelled() -> None:
    refused = CancelAnswer(code=62104, message="no such instance")
    assert in_the_sandbox(run_seconds=1, forgets_after=1) == (refused, None)
