"""No secret in anything that could be shown, on any path, even where a server echoes it."""

import asyncio
import json
import logging
import traceback
from itertools import product

import pytest

from reconciler.apply.ports import StartedInstance, TriggeredAnswer
from reconciler.enos.access import Credentials
from reconciler.enos.answers import Quoting
from reconciler.enos.http import Outgoing
from reconciler.errors import GatewayError
from reconciler.model import EpochMs, InstanceId
from tests.enos.scripted import (
    ACCESS_KEY,
    SECRET_KEY,
    TOKEN,
    Act,
    Peer,
    Received,
    Scripted,
    always,
    answer,
    hang,
    http,
    opened,
    raw,
    reset,
    run,
    scripted,
    token_answer,
)
from tests.sampling import sampled


def echo(status: int, code: int) -> Act:
    """An answer whose message repeats every secret of the request, as a careless gateway would."""

    async def act(peer: Peer) -> None:
        words = " ".join(secrets_of(GATEWAYS[-1].received[-1]))
        content = json.dumps({"code": code, "msg": words + " " + words, "data": {"a": words}})
        await http(status, content)(peer)

    return act


async def echo_no_http(peer: Peer) -> None:
    words = " ".join(secrets_of(GATEWAYS[-1].received[-1]))
    await raw(f"{words}\r\n\r\n".encode())(peer)


GATEWAYS: list[Scripted] = []


def secrets_of(request: Received) -> set[str]:
    secrets = {ACCESS_KEY, SECRET_KEY}
    if "/token/" in request.path:
        content = request.content
        return secrets | {content["encryption"], content.get("accessToken", SECRET_KEY)}
    return secrets | {request.headers["apim-accesstoken"], request.headers["apim-signature"]}


ACTS: list[Act] = [
    reset,
    hang,
    raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    echo_no_http,
    http(200, "<html>"),
    http(500),
    *[echo(status, code) for status in (200, 400, 401, 403, 429, 500) for code in (1002, 1203)],
    *[echo(200, code) for code in (0, 62101, 62109, 62999)],
    answer({"flowInsts": [{"instanceId": TOKEN + "\n"}], "count": 1}),
]


MANY = [StartedInstance(id=InstanceId(f"3377-{n}"), trigger_time=EpochMs(0)) for n in range(20)]


@pytest.mark.parametrize(
    ("act", "where"),
    sampled(product(ACTS, ["token/get", "token/refresh", "service"]), every=14),
)
def test_no_error_answer_or_log_line_holds_a_secret(
    act: Act, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    async def everything() -> set[str]:
        script: dict[str, Act | list[Act]] = dict.fromkeys(
            (
                "updateAndTrigger",
                "getCurrentTime",
                "getTimeZone",
                "get",
                "instance/cancel",
                "instance/get",
                "instance/search",
            ),
            act if where == "service" else http(401),
        )
        script["token/get"] = act if where == "token/get" else token_answer()
        script["token/refresh"] = act if where == "token/refresh" else token_answer("token-2")
        timeout = 0.1 if act is hang else 30  # whatever else runs into it is an error path as well
        async with scripted(script) as gateway, opened(gateway, timeout=timeout) as enos:
            GATEWAYS.append(gateway)
            async with enos.connection() as connection:
                for _ in range(2):
                    outcome = await connection.start(run(), always)
                    assert not isinstance(outcome, TriggeredAnswer)
                    shown.append(repr(outcome))
            now = EpochMs(0)
            for question in (
                enos.current_time(),
                enos.timezone(),
                enos.search(3377, now, EpochMs(1_000)),
                enos.instance(InstanceId("3377-1")),
                enos.flow(3377),
                enos.cancel(InstanceId("3377-1")),
                enos.observe_instances(MANY, 100),
            ):
                try:
                    shown.append(repr(await question))
                except GatewayError as error:
                    shown.append(repr(error) + str(error.hint))
                    shown.append("".join(traceback.format_exception(error)))
            shown.extend(map(repr, (enos, enos._session, vars(enos), vars(enos._session))))
            return set().union(*map(secrets_of, gateway.received))

    secrets = asyncio.run(everything())
    shown.append(caplog.text)
    text = "\n".join(shown)
    assert len(text) > 500
    for secret in secrets:
        assert secret not in text


def test_credentials_and_requests_do_not_show_their_secrets() -> None:
    keys = Credentials(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    request = Outgoing(
        method="POST",
        url="http://127.0.0.1",
        headers={"apim-accesstoken": TOKEN},
        body=ACCESS_KEY.encode(),
        answer_limit=1,
        quote=Quoting([SECRET_KEY]),
    )
    text = f"{keys!r} {keys} {request!r} {request.quote!r} {request.quote._secrets[:0]!r}"
    for secret in (ACCESS_KEY, SECRET_KEY, TOKEN):
        assert secret not in text
