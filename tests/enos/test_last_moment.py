"""Whether a start may still leave is asked when its connection stands, however long that took."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import cast

import pytest

from reconciler.apply.ports import Answer, NotSent, TriggeredAnswer
from reconciler.enos.answers import Accepted, Quoting, Verdict
from reconciler.enos.direct import DirectTransport
from reconciler.enos.http import Outgoing, exchange
from reconciler.enos.transport import tls_context
from reconciler.model import InstanceId
from tests.enos.certified import make_certificate, server_context
from tests.enos.scripted import (
    Received,
    Scripted,
    answer,
    opened,
    run,
    scripted,
    settings,
    token_answer,
)

NO_LONGER = NotSent(reason="sending it was no longer allowed once the connection was open")
HEAD_ONLY = NotSent(reason="sending it was no longer allowed once its head had left")
STARTED = answer({"flowInstanceId": "3377-1"})


class Slow:
    """Takes connections; while one for a start is being set up, the lease runs out."""

    def __init__(self, context: ssl.SSLContext, *, proxy: bool = False) -> None:
        self.gateway = Scripted(
            script={"token/get": [token_answer()], "updateAndTrigger": [STARTED]}
        )
        self.holds = True  # the lease
        self.got: list[bytes] = []  # on the start's connection, once it stood
        self._context = context
        self._proxy = proxy
        self._connections = 0

    def allowed(self) -> bool:
        return self.holds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        is_start = self._connections > 1  # the first carries the request for a token
        if self._proxy:
            await reader.readuntil(b"\r\n\r\n")
        cast("asyncio.Transport", writer.transport).pause_reading()  # what comes now is for TLS
        if is_start:
            await asyncio.sleep(0.05)
            self.holds = False
        if self._proxy:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(self._context)
        if is_start:
            self.got.append(await _until_the_end(reader))
            writer.close()
        else:
            await self.gateway.serve(reader, writer)


async def _until_the_end(reader: asyncio.StreamReader) -> bytes:
    got = b""
    try:
        while piece := await reader.read(4096):
            got += piece
    except ConnectionError:  # a client that has TLS tickets left to read ends by a reset
        return got
    return got


@asynccontextmanager
async def listening(slow: Slow) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await slow.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*tasks)
        await server.wait_closed()


async def start(slow: Slow, ca_file: Path, allowed: Callable[[], bool] | None = None) -> Answer:
    async with (
        opened(slow.gateway, ca_file=str(ca_file)) as enos,
        enos.connection() as connection,
    ):
        return await connection.start(run(), allowed or slow.allowed)


def assert_only_the_head_came(slow: Slow) -> None:
    [got] = slow.got
    assert got.startswith(b"POST ")
    assert got.endswith(b"\r\n\r\n")
    assert got.count(b"\r\n\r\n") == 1


def test_nothing_is_sent_if_the_lease_ran_out_during_the_handshake(certificate: Path) -> None:
    slow = Slow(server_context(certificate))

    async def play() -> Answer:
        async with listening(slow) as address:
            slow.gateway.url = f"https://{address}"
            return await start(slow, certificate)

    assert asyncio.run(play()) == NO_LONGER
    assert slow.got == [b""]  # nothing but the end of the connection


def started_through_a_tunnel(
    slow: Slow, certificate: Path, monkeypatch: pytest.MonkeyPatch, *allowed: Callable[[], bool]
) -> Answer:
    async def play() -> Answer:
        async with listening(slow) as address:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            slow.gateway.url = "https://gateway.example.test"
            return await start(slow, certificate, *allowed)

    return asyncio.run(play())


def test_nothing_is_sent_if_the_lease_ran_out_while_a_proxy_opened_its_tunnel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "gateway.example.test")
    slow = Slow(server_context(certificate), proxy=True)
    assert started_through_a_tunnel(slow, certificate, monkeypatch) == NO_LONGER
    assert slow.got == [b""]


def test_no_byte_of_the_body_is_sent_if_the_lease_ran_out_after_the_head(
    certificate: Path,
) -> None:
    slow = Slow(server_context(certificate))

    async def play() -> Answer:
        async with listening(slow) as address:
            slow.gateway.url = f"https://{address}"
            return await start(slow, certificate, in_turn("yes yes no"))

    assert asyncio.run(play()) == HEAD_ONLY
    assert_only_the_head_came(slow)


def test_no_byte_of_the_body_is_sent_through_a_tunnel_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "gateway.example.test")
    slow = Slow(server_context(certificate), proxy=True)
    allowed = in_turn("yes yes no")
    assert started_through_a_tunnel(slow, certificate, monkeypatch, allowed) == HEAD_ONLY
    assert_only_the_head_came(slow)


def trigger_each(*answers: Callable[[], bool]) -> tuple[list[Answer], Scripted]:
    async def play() -> tuple[list[Answer], Scripted]:
        async with (
            scripted({"updateAndTrigger": STARTED}) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            return [await connection.start(run(), allowed) for allowed in answers], gateway

    return asyncio.run(play())


def in_turn(words: str) -> Callable[[], bool]:
    """These answers in turn, and the last one again and again."""
    said = [word == "yes" for word in words.split()]
    return chain(said, repeat(said[-1])).__next__


def test_a_kept_connection_is_no_exception_and_the_next_start_gets_another() -> None:
    yes, late = in_turn("yes yes"), in_turn("yes no")
    answers, gateway = trigger_each(yes, late, in_turn("yes yes"))
    assert answers == [
        TriggeredAnswer(instance=InstanceId("3377-1")),
        NO_LONGER,
        TriggeredAnswer(instance=InstanceId("3377-1")),
    ]
    assert len({one.connection for one in gateway.of("updateAndTrigger")}) == 2


def test_a_start_whose_body_did_not_leave_is_started_by_nobody_and_may_be_sent_again() -> None:
    answers, gateway = trigger_each(in_turn("yes yes no"), in_turn("yes"))
    assert answers == [HEAD_ONLY, TriggeredAnswer(instance=InstanceId("3377-1"))]
    assert len(gateway.of("updateAndTrigger")) == 1


def test_a_request_without_a_body_has_left_with_its_head() -> None:
    """It counts as sent then, so nobody may say afterwards that it was not."""

    async def play() -> tuple[Verdict, list[Received]]:
        async with scripted() as gateway:
            context = tls_context(settings(gateway.url))
            outgoing = Outgoing(
                method="GET",
                url=f"{gateway.url}/time?action=getCurrentTime",
                headers={},
                body=None,
                answer_limit=1 << 10,
                quote=Quoting(()),
            )
            verdict = await exchange(
                DirectTransport(context), outgoing, within=30, now=0, allowed=in_turn("yes no")
            )
            return verdict, gateway.received

    verdict, received = asyncio.run(play())
    assert isinstance(verdict, Accepted)
    assert len(received) == 1


def test_no_connection_is_opened_for_a_start_that_is_not_allowed_anyway() -> None:
    answers, gateway = trigger_each(in_turn("no"))
    assert answers == [
        NotSent(reason="sending it was no longer allowed after the wait for the rate limit")
    ]
    assert gateway.connections == 1  # for the token


def test_a_lease_that_cannot_be_asked_lets_nothing_leave() -> None:
    def broken() -> bool:
        if not asked:
            asked.append(True)
            return True
        raise RuntimeError("no clock")

    asked: list[bool] = []
    answers, gateway = trigger_each(broken)
    assert not isinstance(answers[0], TriggeredAnswer)
    assert gateway.of("updateAndTrigger") == []
