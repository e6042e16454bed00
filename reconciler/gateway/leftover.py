"""Nothing may be left on a connection that is kept: it would be read as the next answer.

A server or a proxy may send two answers to one request. The second then waits in a buffer, and
HTTP/1.1 has nothing that ties an answer to its question: a run that the service refuses next would
be recorded as started, with this run's instance. httpcore itself notices bytes in the socket of an
idle connection, and none of those that were read from it already.

The buffers are private to httpx, httpcore, h11 and anyio, and reached into here only. Where they
cannot be found, as in another version of these, the connection is closed: that costs a handshake
for each request, and is never wrong.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import httpx

_CONNECTION = attrgetter("stream._stream._httpcore_stream._stream._connection")
_UNREAD = attrgetter("_h11_state.trailing_data")
_STREAM = attrgetter("_stream")
_RECORDS = attrgetter("_read_bio.pending")  # those that came with the one that was read
_DECRYPTED = attrgetter("_ssl_object.pending")
_RECEIVED = attrgetter("_protocol.read_queue")


async def close_if_more_came(response: httpx.Response) -> None:
    """Close the connection if it holds more than the answer that was just read to its end."""
    if not _is_drained(response):
        await response.extensions["network_stream"].aclose()


def _is_drained(response: httpx.Response) -> bool:
    try:
        unread, _ = _UNREAD(_CONNECTION(response))
        stream = response.extensions["network_stream"]
        return not (unread or stream.get_extra_info("is_readable") or any(_buffered(stream)))
    except (AttributeError, TypeError, ValueError):
        return False


def _buffered(stream: Any) -> Iterator[int]:
    """How much each layer under httpcore's stream holds; TLS may run within TLS."""
    layer = _STREAM(stream)
    while hasattr(layer, "transport_stream"):
        yield _RECORDS(layer)
        yield _DECRYPTED(layer)()
        layer = layer.transport_stream
    yield len(_RECEIVED(layer))
