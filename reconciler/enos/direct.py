"""A transport for httpx that opens a connection for each request, and closes it after the answer.

httpx's own transport keeps a pool. The pool would stay empty here, and yet cost a quarter of the
time of each request. This transport uses httpcore's connection directly, as the pool does.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpcore
import httpx

_TOLD = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


class DirectTransport(httpx.AsyncBaseTransport):
    """Sends each request over a connection of its own, straight to its host. Never repeats one."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, with its body still unread. Closing the answer closes the connection.

        Raises httpx.TransportError, as httpx's own transport does.
        """
        url = request.url
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        connection = httpcore.AsyncHTTPConnection(target.origin, ssl_context=self._context)
        asked = httpcore.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=cast("AsyncIterator[bytes]", request.stream),
            extensions=request.extensions,
        )
        try:
            with _translate_errors():
                answer = await connection.handle_async_request(asked)
        except BaseException:
            await connection.aclose()
            raise
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream, connection),
            extensions=answer.extensions,
        )


class _Body(httpx.AsyncByteStream):
    """An answer's body, and the connection that it comes from."""

    def __init__(self, stream: Any, connection: httpcore.AsyncHTTPConnection) -> None:
        self._httpcore_stream = stream
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translate_errors():
            async for piece in self._httpcore_stream:
                yield piece

    async def aclose(self) -> None:
        try:
            await self._httpcore_stream.aclose()
        finally:
            await self._connection.aclose()


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise httpx's error of the same name for an error of httpcore's."""
    try:
        yield
    except _TOLD as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
