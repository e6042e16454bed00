"""A connection that delivers more than was asked for is closed, over real sockets."""

import asyncio
import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.ports import Answer, RejectedAnswer, TriggeredAnswer
from reconciler.enos import http
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


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine under load may take longer between two requests than a connection is kept idle.
    monkeypatch.setattr("reconciler.enos.http._KEEPALIVE_SECONDS", 60)


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
        first = await connection.trigger(run(), always)
        await asyncio.sleep(pause)
        return [first, await connection.trigger(run(), always)]


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


@pytest.mark.parametrize("send", [in_one_write, in_two_writes])
def test_an_answer_that_is_sent_twice_is_not_the_next_questions(send: Any) -> None:
    async def ask() -> tuple[int, str]:
        time = message(SERVICE_TIME)
        script = {
            "getCurrentTime": send(time, message("GMT-11")),
            "getTimeZone": answer("GMT+8"),
        }
        async with scripted(script) as gateway, opened(gateway) as enos:
            now = await enos.current_time()
            await asyncio.sleep(0.2)
            return now, await enos.timezone()

    assert asyncio.run(ask()) == (SERVICE_TIME, "GMT+8")


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_that_delivers_what_was_asked_for_is_kept(
    certificate: Path, *, tls: bool
) -> None:
    async def start() -> int:
        context = server_context(certificate) if tls else None
        script = {"updateAndTrigger": answer(instance(1))}
        async with scripted(script, tls=context) as gateway:
            for _ in range(2):
                await start_twice(gateway, 0.02, ca_file=str(certificate))
            return len({one.connection for one in gateway.of("updateAndTrigger")})

    assert asyncio.run(start()) == 2


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_that_cannot_be_looked_into_is_closed(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, *, tls: bool
) -> None:
    monkeypatch.setattr(http, "_CONNECTION", attrgetter("of_another_version"))

    async def start() -> None:
        context = server_context(certificate) if tls else None
        script: dict[str, Act | list[Act]] = {"updateAndTrigger": [answer(instance(1)), REFUSAL]}
        async with scripted(script, tls=context) as gateway:
            answers = await start_twice(gateway, 0, ca_file=str(certificate))
            assert_the_second_start_has_its_own_answer(answers, gateway)

    asyncio.run(start())


@pytest.mark.parametrize("hidden", ["_read_bio", "_ssl_object"])
def test_every_layer_is_looked_into(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    """A layer that no longer has what is looked for ends the connection, too."""
    read = http._buffered

    class Renamed:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __getattr__(self, name: str) -> Any:
            if name == hidden:
                raise AttributeError(name)
            inner = getattr(self._stream, name)
            return Renamed(inner) if name == "_stream" else inner

    monkeypatch.setattr(http, "_buffered", lambda stream: read(Renamed(stream)))

    async def start() -> None:
        script: dict[str, Act | list[Act]] = {"updateAndTrigger": [answer(instance(1)), REFUSAL]}
        async with scripted(script, tls=server_context(certificate)) as gateway:
            answers = await start_twice(gateway, 0, ca_file=str(certificate))
            assert_the_second_start_has_its_own_answer(answers, gateway)

    asyncio.run(start())
