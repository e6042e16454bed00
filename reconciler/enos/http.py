"""One request over HTTP: on a connection of its own, sent once, answered within a time and a size.

In HTTP/1.1, nothing but their order on the connection ties an answer to its request. A server or a
proxy may send two answers to one request, the second at any time. On a connection that is kept
open, the second would be read as the answer to the next request, and every later answer would be
read as the answer to the request after its own. Then a start that was carried out could count as
refused, and be sent again. It proves nothing that the second answer had not arrived when the next
request left. So no connection carries two requests.

A request goes directly to the transport: the rest of what an httpx client does (cookies, redirects,
credentials from URLs) is not wanted here, and would take as long as everything else.

A second answer that comes together with the first may contradict it: the first may be a proxy's,
and the second the service's. The reader of the answer learns of the second (`HttpReply.alone`).

When a socket is closed, the kernel goes on sending what it has not sent yet, for minutes if the
network is down. Then a start would arrive when its claim has long ended. So until its answer has
been read, closing a connection resets it, which drops these bytes, whoever closes it: this code, or
the kernel for a process that was killed.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, cast

import httpx

from reconciler.apply.ports import NotSent
from reconciler.enos.answers import Failed, HttpReply, Quoting, Verdict, judge_error, judge_reply
from reconciler.enos.transport import HEADERS, timeouts

# Private attributes of httpx, httpcore, h11 and anyio, used only here. If another version does not
# have them, a second answer that comes at once is not noticed; it is still never read.
_BODY = attrgetter("stream._httpcore_stream")  # httpcore's own stream, or a pool's around it
_UNREAD = attrgetter("_connection._h11_state.trailing_data")
_STREAM = attrgetter("_stream")
_RECORDS = attrgetter("_read_bio.pending")  # TLS records that were not decrypted yet
_DECRYPTED = attrgetter("_ssl_object.pending")
_RECEIVED = attrgetter("_protocol.read_queue")
_GLANCE_SECONDS = 0.05  # to tell a second answer from the end of the connection, or of TLS
_HEAD = "http11.send_request_headers.started"  # connected, and no byte was written yet
_BODY_LEAVES = "http11.send_request_body.started"  # the head was written, and nothing else
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})  # in these, a piece of 64 KiB cannot
# expand by more than about a thousandfold

_OPENED = ".connect_tcp.complete"
_BODY_LEFT = ("http11.send_request_body.complete", "http11.send_request_body.failed")
_RESET_WHEN_CLOSED, _END_WHEN_CLOSED = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)  # linger
_READ = "http11.receive_response_body.complete"
_CLOSING = "http11.response_closed.started"  # the connection is still open

# Their debug logs hold the bytes that a server sent, and a server may echo a token.
for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)


async def _has_extra_bytes(response: httpx.Response) -> bool:
    """Whether more has arrived on the connection than the answer that was just read to its end."""
    try:
        body = _BODY(response)
        unread, _ = _UNREAD(getattr(body, "_stream", body))
        stream = response.extensions["network_stream"]
        if unread or not (stream.get_extra_info("is_readable") or any(_buffered_sizes(stream))):
            return bool(unread)
        # Another answer's bytes, or the end of the connection or of TLS: only reading can tell.
        return bool(await stream.read(1, timeout=_GLANCE_SECONDS))
    except Exception:  # noqa: BLE001 - a connection that cannot be read from brings no more
        return False


def _buffered_sizes(stream: Any) -> Iterator[int]:
    """How much each layer under httpcore's stream has buffered; TLS may run within TLS."""
    layer = _STREAM(stream)
    while hasattr(layer, "transport_stream"):
        yield _RECORDS(layer)
        yield _DECRYPTED(layer)()
        layer = layer.transport_stream
    yield len(_RECEIVED(layer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request, complete and signed."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    answer_limit: int  # bytes, content-decoded
    quote: Quoting  # knows the secrets in this request


class _ForbiddenError(Exception):
    """The request must not leave. Raised before the first byte of it, or of its body, is written.

    A head that announces a body starts nothing: what to start stands in the body.
    """


class _Stage:
    """How far a request has got, by httpcore's trace events.

    Only events that came count; a missing event proves nothing.
    """

    def __init__(self, allowed: Callable[[], bool], *, has_body: bool) -> None:
        self.response: httpx.Response | None = None
        self.brought_more = False
        self._events: list[str] = []
        self._allowed = allowed
        self._leaving = False
        self._has_body = has_body  # without one, the request has left with its head

    async def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Note an event. httpcore calls this, and goes on with the request when it returns."""
        self._events.append(event)
        if event.endswith(_OPENED):
            _set_linger(info["return_value"], _RESET_WHEN_CLOSED)
        if event == _HEAD and not _opens_tunnel(info):
            self._check_leave("the connection was open")
        if event == _BODY_LEAVES and self._has_body and not _opens_tunnel(info):
            self._check_leave("its head had left")
            self._leaving = True
        if event in _BODY_LEFT and self._leaving:
            self._allowed()  # whoever is asked learns that it has left by now
        if event == _CLOSING and _READ in self._events and self.response is not None:
            self.brought_more = await _has_extra_bytes(self.response)
            with suppress(OSError):  # the service has ended the connection: nothing is left to end
                _set_linger(self.response.extensions["network_stream"], _END_WHEN_CLOSED)

    def _check_leave(self, once: str) -> None:
        """Raise _ForbiddenError unless the request, or its body, may leave on its connection."""
        if not any(event.endswith(_OPENED) for event in self._events):
            raise _ForbiddenError("its connection had carried another request")
        if not self._allowed():
            raise _ForbiddenError(f"sending it was no longer allowed once {once}")

    @property
    def connecting(self) -> bool:
        """Whether opening the connection is all that has happened so far, so nothing was sent."""
        steps = ("connection.connect_tcp.", "connection.start_tls.")
        return bool(self._events) and all(event.startswith(steps) for event in self._events)


def _set_linger(stream: Any, linger: bytes) -> None:
    """Say what happens when the connection under httpcore's stream is closed. Raises OSError."""
    stream.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _opens_tunnel(info: Mapping[str, Any]) -> bool:
    """Whether the event is of the request that asks a proxy for a tunnel."""
    return getattr(info.get("request"), "method", None) == b"CONNECT"


async def exchange(
    transport: httpx.AsyncBaseTransport,
    outgoing: Outgoing,
    *,
    within: float,
    now: float,
    allowed: Callable[[], bool] = lambda: True,
) -> Verdict:
    """Send the request once, and return what came of it.

    `within`: seconds in total. `now`: Unix epoch, seconds. `allowed` is called when the connection
    is open, right before the head leaves, and again right before the body leaves, because others
    may work between the two. It is called once more when the body has left: whoever allowed that
    can tell then whether it was in time. Raises nothing but a cancellation.
    """
    phase = _Stage(allowed, has_body=bool(outgoing.body))
    try:
        async with asyncio.timeout(within):
            reply = await _send(transport, outgoing, phase, within)
    except _ForbiddenError as forbidden:
        return Failed(answer=NotSent(reason=str(forbidden)))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in here, the request may have left
        return judge_error(error, outgoing.quote, connecting=phase.connecting)
    return judge_reply(reply, outgoing.quote, now)


@lru_cache(maxsize=64)
def _step_timeouts(within: float) -> Mapping[str, float | None]:
    return timeouts(within).as_dict()


@lru_cache(maxsize=64)
def _parse_url(url: str) -> httpx.URL:
    """The URL, parsed once: all starts of an apply have the same URL."""
    return httpx.URL(url)


async def _send(
    transport: httpx.AsyncBaseTransport, outgoing: Outgoing, phase: _Stage, within: float
) -> HttpReply:
    request = httpx.Request(
        outgoing.method,
        _parse_url(outgoing.url),
        headers=[*HEADERS, *outgoing.headers.items()],
        content=outgoing.body,
        extensions={"trace": phase.note, "timeout": _step_timeouts(within)},
    )
    response = await transport.handle_async_request(request)
    try:
        phase.response = response
        body = await _read(response, outgoing.answer_limit)
    finally:
        await response.aclose()
    return HttpReply(
        status=response.status_code,
        body=body,
        retry_after=response.headers.get("retry-after"),
        date=response.headers.get("date"),
        alone=not phase.brought_more,
    )


async def _read(response: httpx.Response, limit: int) -> bytes | None:
    if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        return None
    body = bytearray()
    # A generator, although annotated otherwise. If left early, close it before the response.
    pieces = cast("AsyncGenerator[bytes]", response.aiter_bytes())
    async with aclosing(pieces):
        async for piece in pieces:
            body += piece
            if len(body) > limit:
                return None
    return bytes(body)
