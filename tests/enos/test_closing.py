"""How a connection ends: a reset where no answer was read, so that no unsent byte arrives later."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest
from msgspec import Struct

from reconciler.enos import http
from reconciler.enos.answers import Accepted, Failed, Quoting, Verdict
from reconciler.enos.http import Outgoing, exchange
from reconciler.enos.transport import build_transport, tls_context
from tests.enos.certified import make_certificate, server_context
from tests.enos.scripted import settings
from tests.sampling import sampled

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}'
WAYS = ["http", "https", "tunnel"]

SENDER = """
import asyncio, sys
from reconciler.enos.answers import Quoting
from reconciler.enos.http import Outgoing, exchange
from reconciler.enos.transport import build_transport, tls_context
from tests.enos.scripted import settings
from tests.enos.test_closing import outgoing
its = settings(sys.argv[1])
transport = build_transport(its, tls_context(its), connections=1)
asyncio.run(exchange(transport, outgoing(sys.argv[1]), within=60, now=0))
"""


def outgoing(url: str) -> Outgoing:
    return Outgoing(
        method="POST",
        url=f"{url}/flows",
        headers={},
        body=b'{"flowId": 1}',
        answer_limit=1 << 10,
        quote=Quoting(()),
    )


class Way(Struct, kw_only=True):
    """A way to a gateway that sends `answer`, if any, and notes how its connection ended."""

    name: str
    certificate: Path
    answer: bytes = b""
    url: str = ""
    got: asyncio.Event
    ended: list[str]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.name == "tunnel":
            await reader.readuntil(b"\r\n\r\n")
        if self.name != "http":
            cast("asyncio.Transport", writer.transport).pause_reading()  # what comes is for TLS
        if self.name == "tunnel":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self.name != "http":
            await writer.start_tls(server_context(self.certificate))
        await reader.readuntil(b'{"flowId": 1}')
        self.got.set()
        writer.write(self.answer)
        try:
            left = await reader.read()
        except ConnectionResetError:
            self.ended.append("reset")
        else:
            self.ended.append(f"end{left.decode()}")
        writer.close()


@asynccontextmanager
async def listening(way: Way, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Way]:
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await way.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    way.url = f"{'http' if way.name == 'http' else 'https'}://{address}"
    if way.name == "tunnel":
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        way.url = "https://gateway.example.test"
    try:
        yield way
    finally:
        server.close()
        await asyncio.gather(*tasks)
        await server.wait_closed()


def a_way(folder: Path, name: str, answer: bytes = b"") -> Way:
    host = "gateway.example.test" if name == "tunnel" else "127.0.0.1"
    certificate = make_certificate(folder, host)
    return Way(name=name, certificate=certificate, answer=answer, got=asyncio.Event(), ended=[])


def sent(way: Way, monkeypatch: pytest.MonkeyPatch, within: float) -> Verdict:
    async def send() -> Verdict:
        async with listening(way, monkeypatch):
            its = settings(way.url, ca_file=str(way.certificate))
            async with build_transport(its, tls_context(its), connections=1) as transport:
                return await exchange(transport, outgoing(way.url), within=within, now=0)

    return asyncio.run(send())


@pytest.mark.parametrize("name", sampled(WAYS, every=3))
def test_a_connection_that_brought_no_answer_is_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Otherwise the kernel goes on sending what it has not sent yet, for minutes."""
    way = a_way(tmp_path, name)
    assert isinstance(sent(way, monkeypatch, within=2), Failed)
    assert way.ended == ["reset"]


@pytest.mark.parametrize("name", WAYS)
def test_a_connection_whose_answer_was_read_ends_in_an_orderly_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    way = a_way(tmp_path, name, ANSWER)
    assert isinstance(sent(way, monkeypatch, within=30), Accepted)
    assert way.ended == ["end"]


@pytest.mark.parametrize("name", WAYS)
def test_an_answer_that_was_read_counts_though_the_gateway_resets_its_connection_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    way = a_way(tmp_path, name, ANSWER)

    async def reset_first(response: httpx.Response) -> bool:
        stream = response.extensions["network_stream"]
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        await stream.aclose()
        return False

    monkeypatch.setattr(http, "_has_extra_bytes", reset_first)
    assert isinstance(sent(way, monkeypatch, within=30), Accepted)


def test_a_connection_that_brought_half_an_answer_is_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = a_way(tmp_path, "http", ANSWER[:-1])
    assert isinstance(sent(way, monkeypatch, within=2), Failed)
    assert way.ended == ["reset"]


def test_a_process_that_is_killed_resets_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = a_way(tmp_path, "http")

    async def kill() -> None:
        async with listening(way, monkeypatch):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", SENDER, way.url, cwd=Path(__file__).parents[2]
            )
            await way.got.wait()
            process.kill()
            await process.wait()

    asyncio.run(kill())
    assert way.ended == ["reset"]
