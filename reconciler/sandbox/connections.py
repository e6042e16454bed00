"""TCP connections that are reset, or carry an answer too many: ASGI can express neither."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_EXTENSION = "reconciler.sandbox.transport"
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; closing sends RST


class _Transport:
    """An asyncio transport that can hold back what is written, to send it in one piece."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._kept: list[bytes] | None = None  # None: nothing is kept back
        self._closes = False  # once the kept bytes are sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._kept is None:
            self._transport.write(data)
        else:
            self._kept.append(data)

    def close(self) -> None:
        if self._kept is None:
            self._transport.close()
        else:
            self._closes = True

    def keep_back(self) -> None:
        self._kept = []

    def let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept and not self._transport.is_closing():
            self._transport.write(b"".join(kept))
        if self._closes:
            self._transport.close()


class ResettableProtocol(H11Protocol):
    """HTTP/1.1 that gives the application the transport of each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Hand the transport to the application with every request."""
        wrapped = _Transport(transport)
        super().connection_made(cast("asyncio.Transport", wrapped))
        served = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[_EXTENSION] = wrapped
            try:
                await served(scope, receive, send)
            except asyncio.CancelledError:
                # The server stops. The connection is gone, so nothing can be answered. Without
                # this, the log would show an error.
                transport.abort()

        self.app = app


class DroppedConnection(Response):
    """Reset the connection instead of answering."""

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,  # noqa: ARG002 - nothing is sent, that is the point
    ) -> None:
        """Raises ConnectionResetError where the server does not hand out its transports."""
        transport = _transport(scope)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass  # the rest of the body; uvicorn lets an answer be missing only once disconnected


class RepeatedAnswer(Response):
    """An answer, and after it another that nobody asked for."""

    def __init__(
        self, first: Response, extra: Response, wait: Callable[[], Awaitable[None]] | None
    ) -> None:
        """`wait` is awaited between the two; None sends them in one piece."""
        super().__init__()
        self._first = first
        self._extra = extra
        self._wait = wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ConnectionResetError where the server does not hand out its transports."""
        transport = _transport(scope)
        if self._wait is None:
            transport.keep_back()
        await self._first(scope, receive, send)
        if self._wait is not None:
            await self._wait()
        if not transport.is_closing():  # otherwise nobody is left to read it
            transport.write(_encode_response(self._extra))
        transport.let_go()


def _transport(scope: Scope) -> _Transport:
    transport: _Transport | None = scope.get("extensions", {}).get(_EXTENSION)
    if transport is None:
        raise ConnectionResetError("a fault of the sandbox needs a connection of its own server")
    return transport


def _encode_response(response: Response) -> bytes:
    try:
        phrase = HTTPStatus(response.status_code).phrase
    except ValueError:
        phrase = ""
    head = [f"HTTP/1.1 {response.status_code} {phrase}".encode()]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*head, b"", bytes(response.body)])
