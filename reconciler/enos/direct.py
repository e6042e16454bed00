"""A transport of httpx that opens a connection for each request, and closes it after the answer.

What httpx brings keeps a pool, which costs each request a quarter of its time to hold nothing. This
one has httpcore's connection, which the pool has as well, and nothing around it.
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
    """Sends each request over a connection of its own, straight to its host. Repeats nothing."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, whose body is yet to be read; closing it closes the connection.

        Raises what httpx's own transport raises: httpx.TransportError.
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
            with _as_httpx_says_it():
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
    """An answer's body, with the connection that it comes from."""

    def __init__(self, stream: Any, connection: httpcore.AsyncHTTPConnection) -> None:
        self._httpcore_stream = stream
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx_says_it():
            async for piece in self._httpcore_stream:
                yield piece

    async def aclose(self) -> None:
        try:
            await self._httpcore_stream.aclose()
        finally:
            await self._connection.aclose()


@contextmanager
def _as_httpx_says_it() -> Iterator[None]:
    """Raise httpx's error for httpcore's: each has the name of the other."""
    try:
        yield
    except _TOLD as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
