"""A gateway over a real loopback socket that does exactly what a test tells it, however rude."""

import asyncio
import json
import socket
import ssl
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from reconciler.enos.access import Credentials, GatewaySettings
from reconciler.enos.client import EnosGateway, open_gateway
from reconciler.model import EpochMs, Parameters, Run, run_digest

ACCESS_KEY = "access-key-6f1c"
SECRET_KEY = "secret-key-93ab"
TOKEN = "token-5d0e"
SERVICE_TIME = 1_709_337_600_000  # 2024-03-02T00:00:00Z
ZONE = timezone(timedelta(hours=8))

Act = Callable[["Peer"], Awaitable[None]]


class Received(Struct, frozen=True, kw_only=True):
    connection: int
    method: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def action(self) -> str:
        """What a test scripts by: the query's action, or `get`/`refresh` of the token service."""
        if "/token/" in self.path:
            return "token/" + self.path.rpartition("/")[2]
        if self.path.endswith("/flowInstances"):
            return "instance/" + self.query["action"]
        return self.query.get("action", self.method)

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Peer(Struct, frozen=True):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()


def http(
    status: int = 200, body: bytes | str = b"", headers: Mapping[str, str] | None = None
) -> Act:
    """A complete answer that keeps the connection open."""
    content = body.encode() if isinstance(body, str) else body

    async def act(peer: Peer) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await peer.send("\r\n".join([*lines, "", ""]).encode() + content)

    return act


def answer(data: Any = None, *, code: Any = 0, msg: str = "OK", status: int = 200) -> Act:
    """An answer in the service's envelope."""
    return http(status, json.dumps({"code": code, "msg": msg, "data": data}))


def raw(content: bytes) -> Act:
    """These bytes, then the end of the connection."""

    async def act(peer: Peer) -> None:
        await peer.send(content)
        peer.writer.close()

    return act


async def reset(peer: Peer) -> None:
    connection = peer.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()


async def hang(peer: Peer) -> None:
    await peer.reader.read()  # until the client gives up


async def drip(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not peer.reader.at_eof():
        await peer.send(b" ")
        await asyncio.sleep(0.02)


def token_answer(token: str = TOKEN, expire: Any = 7200) -> Act:
    content = {"status": 0, "msg": "SUCCESS", "data": {"accessToken": token, "expire": expire}}
    return http(200, json.dumps(content))


@dataclass(slots=True)
class Scripted:
    """`script` holds the acts of each action in turn; the last one is repeated."""

    script: dict[str, list[Act]]
    url: str = ""
    connections: int = 0
    received: list[Received] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def of(self, action: str) -> list[Received]:
        return [one for one in self.received if one.action == action]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                received = await _read_request(reader, number)
                self.received.append(received)
                acts = self.script[received.action]
                turn = min(self.taken[received.action], len(acts) - 1)
                self.taken[received.action] += 1
                await acts[turn](Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client went away, as some tests want it to, perhaps within its request
        finally:
            writer.close()


async def _read_request(reader: asyncio.StreamReader, number: int) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Received(
        connection=number,
        method=method,
        path=parts.path,
        raw_query=parts.query,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers=headers,
        body=body,
    )


@asynccontextmanager
async def scripted(
    script: Mapping[str, Act | list[Act]] | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """A gateway that gives out a token and its time, and otherwise follows the script."""
    acts: dict[str, list[Act]] = {
        "token/get": [token_answer()],
        "getCurrentTime": [answer(SERVICE_TIME)],
    }
    for action, one in (script or {}).items():
        acts[action] = one if isinstance(one, list) else [one]
    gateway = Scripted(script=acts)
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving[task] = writer
        await gateway.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    gateway.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield gateway
    finally:
        server.close()
        for writer in serving.values():
            writer.transport.abort()
        await asyncio.gather(*serving)
        await server.wait_closed()


class Naps:
    """A sleep that takes no time and remembers what was asked of it."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


def settings(url: str, **changes: Any) -> GatewaySettings:
    usual = GatewaySettings(
        url=url,
        org_id="o1",
        user_id="u1",
        zone=ZONE,
        timeout=30,
        requests_per_second=None,
        stamp_slack=300,
        ca_file=None,
    )
    return replace(usual, **changes)


@asynccontextmanager
async def opened(
    gateway: Scripted,
    *,
    clock: Callable[[], float] = lambda: SERVICE_TIME / 1000,
    naps: Naps | None = None,
    **changes: Any,
) -> AsyncIterator[EnosGateway]:
    keys = Credentials(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    sleep = naps or Naps()
    async with open_gateway(settings(gateway.url, **changes), keys, clock=clock, sleep=sleep) as it:
        yield it


def run(parameters: Parameters = (("REPLACE", "ddee"),)) -> Run:
    trigger_time = EpochMs(1_574_385_824_000)
    return Run(
        name="wind",
        flow_id=3377,
        trigger_time=trigger_time,
        parameters=parameters,
        digest=run_digest(3377, trigger_time, parameters),
        file="triggers/wind.yaml",
        marks={"": (1, 1)},
    )


def always() -> bool:
    return True
