"""TCP connections that can be reset: what ASGI has no word for."""

import asyncio
import socket
import struct

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_EXTENSION = "reconciler.sandbox.transport"
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; closing sends RST


class ResettableProtocol(H11Protocol):
    """HTTP/1.1 whose requests know their transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Hand the transport to the application with every request."""
        super().connection_made(transport)
        served = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[_EXTENSION] = transport
            try:
                await served(scope, receive, send)
            except asyncio.CancelledError:
                # The server stops. The connection is gone, so that there is nothing to answer
                # and nobody to tell; without this the log would call it an error.
                transport.abort()

        self.app = app


class DroppedConnection(Response):
    """Instead of an answer: the connection is reset."""

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,  # noqa: ARG002 - nothing is sent, that is the point
    ) -> None:
        """Raises ConnectionResetError where the server does not hand out its transports."""
        transport = scope.get("extensions", {}).get(_EXTENSION)
        if transport is None:
            raise ConnectionResetError("a fault of the sandbox drops this connection")
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass  # what is left of the body; only once disconnected may an answer be missing
