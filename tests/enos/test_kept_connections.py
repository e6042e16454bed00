"""No answer is read as that to another request, over real sockets: no connection carries two."""

import asyncio
import json
import ssl
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any

import httpcore
import pytest

from reconciler.apply.ports import Answer, NotSent, RejectedAnswer, TriggeredAnswer, UnknownAnswer
from reconciler.enos import http
from reconciler.errors import GatewayError
from reconciler.model import InstanceId
from tests.enos.certified import server_context
from tests.enos.scripted import (
    SERVICE_TIME,
    Act,
    Peer,
    Scripted,
    always,
    answer,
    opened,
    run,
    scripted,
)

REFUSAL = answer(code=62103)
READ_AT_ONCE = 65_536  # bytes that httpcore takes from a socket


def message(data: Any, *, length: int = 0) -> bytes:
    """A whole answer, of that many bytes where it would be shorter."""
    body = json.dumps({"code": 0, "data": data}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %07d\r\n\r\n"
    body = body.ljust(length - len(head % 0))
    return head % len(body) + body


def instance(number: int) -> dict[str, str]:
    return {"flowInstanceId": f"3377-{number}"}


def in_one_write(first: bytes, second: bytes) -> Act:
    async def act(peer: Peer) -> None:
        await peer.send(first + second)

    return act


def in_two_records(first: bytes, second: bytes) -> Act:
    """Over TLS: two records, which arrive together."""

    async def act(peer: Peer) -> None:
        peer.writer.writelines([first, second])
        await peer.writer.drain()

    return act


def in_two_writes(first: bytes, second: bytes) -> Act:
    async def act(peer: Peer) -> None:
        await peer.send(first)
        await asyncio.sleep(0.05)
        await peer.send(second)

    return act


async def start_twice(gateway: Scripted, pause: float, **changes: Any) -> list[Answer]:
    async with opened(gateway, **changes) as enos, enos.connection() as connection:
        first = await connection.start(run(), always)
        await asyncio.sleep(pause)
        return [first, await connection.start(run(), always)]


def assert_the_second_start_has_its_own_answer(answers: list[Answer], gateway: Scripted) -> None:
    first, second = answers
    assert first == TriggeredAnswer(instance=InstanceId("3377-1"))
    assert isinstance(second, RejectedAnswer)
    assert len({one.connection for one in gateway.of("updateAndTrigger")}) == 2


TWICE = message(instance(1)), message(instance(2))
PADDED = message(instance(1), length=READ_AT_ONCE), message(instance(2))
FLOOD = message(instance(1)), message(instance(2)) * 5_000


@pytest.mark.parametrize(
    ("act", "pause"),
    [
        pytest.param(in_one_write(*TWICE), 0, id="in one write"),
        pytest.param(in_one_write(*TWICE), 0.1, id="in one write, and a pause"),
        pytest.param(in_one_write(*PADDED), 0, id="more than is read at once"),
        pytest.param(in_one_write(*FLOOD), 0, id="many times over"),
        pytest.param(in_one_write(TWICE[0], b"\r\n"), 0, id="an empty line"),
        pytest.param(in_two_writes(*TWICE), 0.2, id="in two writes"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_an_answer_that_is_sent_twice_is_not_the_next_starts(
    act: Act, pause: float, certificate: Path, *, tls: bool
) -> None:
    async def start() -> None:
        context = server_context(certificate) if tls else None
        async with scripted({"updateAndTrigger": [act, REFUSAL]}, tls=context) as gateway:
            answers = await start_twice(gateway, pause, ca_file=str(certificate))
            assert_the_second_start_has_its_own_answer(answers, gateway)

    asyncio.run(start())


def test_an_answer_in_a_record_of_its_own_is_not_the_next_starts(certificate: Path) -> None:
    async def start() -> None:
        script: dict[str, Act | list[Act]] = {"updateAndTrigger": [in_two_records(*TWICE), REFUSAL]}
        async with scripted(script, tls=server_context(certificate)) as gateway:
            answers = await start_twice(gateway, 0, ca_file=str(certificate))
            assert_the_second_start_has_its_own_answer(answers, gateway)

    asyncio.run(start())


def while_the_next_is_in_flight(first: bytes, second: bytes) -> Act:
    async def act(peer: Peer) -> None:
        await peer.send(first)
        await asyncio.sleep(0.2)
        with suppress(ConnectionError, ssl.SSLError):
            await peer.send(second)

    return act


def slowly(act: Act) -> Act:
    async def later(peer: Peer) -> None:
        await asyncio.sleep(0.4)
        await act(peer)

    return later


@pytest.mark.parametrize("tls", [False, True])
def test_an_answer_that_comes_while_the_next_start_is_in_flight_is_not_that_ones(
    certificate: Path, *, tls: bool
) -> None:
    async def start() -> None:
        context = server_context(certificate) if tls else None
        script = [while_the_next_is_in_flight(*TWICE), slowly(REFUSAL)]
        async with scripted({"updateAndTrigger": script}, tls=context) as gateway:
            answers = await start_twice(gateway, 0.05, ca_file=str(certificate))
            assert_the_second_start_has_its_own_answer(answers, gateway)

    asyncio.run(start())


def test_an_answer_that_comes_while_the_next_question_is_in_flight_is_not_that_ones() -> None:
    async def ask() -> tuple[int, str]:
        time = message(SERVICE_TIME)
        script = {
            "getCurrentTime": while_the_next_is_in_flight(time, message("GMT-11")),
            "getTimeZone": slowly(answer("GMT+8")),
        }
        async with scripted(script) as gateway, opened(gateway) as enos:
            return await enos.current_time(), await enos.timezone()

    assert asyncio.run(ask()) == (SERVICE_TIME, "GMT+8")


TWO_ANSWERS = [
    pytest.param(in_one_write, id="in one write"),
    pytest.param(in_two_records, id="in two records"),
]
TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("send", TWO_ANSWERS)
@pytest.mark.parametrize("denial", [TOO_MANY, REFUSED], ids=["429", "403"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_denial_that_another_answer_comes_with_is_not_believed(
    certificate: Path, send: Any, denial: bytes, *, tls: bool
) -> None:
    async def start() -> Answer:
        context = server_context(certificate) if tls else None
        script = {"updateAndTrigger": send(denial, message(instance(1)))}
        async with (
            scripted(script, tls=context) as gateway,
            opened(gateway, ca_file=str(certificate)) as enos,
            enos.connection() as connection,
        ):
            return await connection.start(run(), always)

    answered = asyncio.run(start())
    assert isinstance(answered, UnknownAnswer)
    assert "another answer came with it" in answered.seen


@pytest.mark.parametrize("send", TWO_ANSWERS)
def test_a_question_that_two_answers_come_to_is_asked_again(send: Any) -> None:
    async def ask(times: int) -> int:
        twice = send(message(SERVICE_TIME + 1), message(SERVICE_TIME))
        script: dict[str, Act | list[Act]] = {
            "getCurrentTime": [*[twice] * times, answer(SERVICE_TIME)]
        }
        async with scripted(script) as gateway, opened(gateway) as enos:
            return await enos.current_time()

    assert asyncio.run(ask(1)) == SERVICE_TIME
    with pytest.raises(GatewayError, match="another answer came with it"):
        asyncio.run(ask(9))


@pytest.mark.parametrize("ending", ["", "Connection: close\r\n"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_closes_after_its_answer_has_answered_once(
    certificate: Path, ending: str, *, tls: bool
) -> None:
    async def close(peer: Peer) -> None:
        head = f"HTTP/1.1 403 Forbidden\r\n{ending}Content-Length: 0\r\n\r\n"
        peer.writer.write(head.encode())
        peer.writer.close()

    async def start() -> Answer:
        context = server_context(certificate) if tls else None
        async with (
            scripted({"updateAndTrigger": close}, tls=context) as gateway,
            opened(gateway, ca_file=str(certificate)) as enos,
            enos.connection() as connection,
        ):
            return await connection.start(run(), always)

    assert isinstance(asyncio.run(start()), RejectedAnswer)


@pytest.mark.parametrize("tls", [False, True])
def test_no_connection_carries_two_requests(certificate: Path, *, tls: bool) -> None:
    async def start() -> Scripted:
        context = server_context(certificate) if tls else None
        script = {"updateAndTrigger": answer(instance(1))}
        async with scripted(script, tls=context) as gateway:
            await start_twice(gateway, 0.02, ca_file=str(certificate))
            return gateway

    gateway = asyncio.run(start())
    assert [one.connection for one in gateway.received] == [1, 2, 3]  # the first: a token


class _Kept(httpcore.AsyncHTTPConnection):
    """One that is not closed with its answer."""

    async def aclose(self) -> None:
        return

    async def end(self) -> None:
        await super().aclose()


def test_a_start_does_not_leave_on_a_connection_that_has_carried_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[_Kept] = []

    def connection(origin: httpcore.Origin, **options: Any) -> _Kept:
        if len(made) < 2:  # the first: a token
            made.append(_Kept(origin, **options))
        return made[-1]

    monkeypatch.setattr(httpcore, "AsyncHTTPConnection", connection)

    async def start() -> tuple[list[Answer], int]:
        async with scripted({"updateAndTrigger": answer(instance(1))}) as gateway:
            answers = await start_twice(gateway, 0)
            for one in made:
                await one.end()
            return answers, len(gateway.of("updateAndTrigger"))

    (_, second), left = asyncio.run(start())
    assert second == NotSent(reason="its connection had carried another request")
    assert left == 1


@pytest.mark.parametrize("tls", [False, True])
def test_what_cannot_be_looked_into_is_read_once_all_the_same(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    monkeypatch.setattr(http, "_UNREAD", attrgetter("of_another_version"))

    async def start() -> None:
        context = server_context(certificate) if tls else None
        script: dict[str, Act | list[Act]] = {"updateAndTrigger": [in_one_write(*TWICE), REFUSAL]}
        async with scripted(script, tls=context) as gateway:
            answers = await start_twice(gateway, 0, ca_file=str(certificate))
            assert_the_second_start_has_its_own_answer(answers, gateway)

    asyncio.run(start())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_session_is_resumed_by_the_next_connection(
    certificate: Path, version: ssl.TLSVersion
) -> None:
    resumed: list[bool] = []

    async def start() -> None:
        context = server_context(certificate)
        context.minimum_version = context.maximum_version = version

        async def act(peer: Peer) -> None:
            resumed.append(peer.writer.get_extra_info("ssl_object").session_reused)
            await answer(instance(1))(peer)

        async with scripted({"updateAndTrigger": act}, tls=context) as gateway:
            await start_twice(gateway, 0, ca_file=str(certificate))

    asyncio.run(start())
    assert resumed == [True, True]  # that of the token's connection
