"""A reverse proxy that passes everything on, except that it loses one push or its answer."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import Enum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from msgspec import Struct

_LOOPBACK = "127.0.0.1"
_UPSTREAM_SECONDS = 30.0
_IDLE_SECONDS = 30.0  # before a connection on which nothing more comes is given up
_OF_ONE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


class Loss(Enum):
    """What becomes of a push."""

    ANSWERED_500 = "git takes it, the answer is 500"
    ANSWERED_502 = "git takes it, the answer is 502"
    ANSWER_DROPPED = "git takes it, the connection ends without an answer"
    ANSWER_CUT = "git takes it, the connection ends in the middle of the answer"
    REFUSED_503 = "git does not get it, the answer is 503"
    DROPPED = "git does not get it, the connection ends without an answer"

    @property
    def reaches_git(self) -> bool:
        """Whether the push lands all the same."""
        return self not in {Loss.REFUSED_503, Loss.DROPPED}


class _Answer(Struct, frozen=True, kw_only=True):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class LosingProxy(ThreadingHTTPServer):
    """Stands before the server on that port; a branch's push of that number, from 1, is lost so.

    Without a number each of them is.

    Where connections are kept open between requests, curl sends a request whose connection ends
    without an answer once more by itself.
    """

    daemon_threads = False  # closing waits for their end

    def __init__(self, upstream: int, number: int | None, loss: Loss, *, keep: bool) -> None:
        super().__init__((_LOOPBACK, 0), _Forwarder)
        self._upstream = upstream
        self._number = number
        self._loss = loss
        self.keeps_connections = keep
        self._lock = Lock()
        self.pushes = 0  # to a branch, each time that one was sent

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.socket.getsockname()[1]
        return port

    def loss_of_this_push(self) -> Loss | None:
        """Count a push, and say what becomes of it."""
        with self._lock:
            self.pushes += 1
            return self._loss if self._number in {None, self.pushes} else None

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> _Answer:
        """What the server behind says."""
        connection = HTTPConnection(_LOOPBACK, self._upstream, timeout=_UPSTREAM_SECONDS)
        with closing(connection):
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return _Answer(
                status=response.status, headers=response.getheaders(), body=response.read()
            )


class _Forwarder(BaseHTTPRequestHandler):
    server: LosingProxy
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        self._answer(self._ask(b""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # The trace that an apply leaves beside the branches does not count.
        is_push = self.path.endswith("/git-receive-pack") and b" refs/heads/" in body
        loss = self.server.loss_of_this_push() if is_push else None
        answer = self._ask(body) if loss is None or loss.reaches_git else None
        match loss:
            case None if answer:
                self._answer(answer)
            case Loss.ANSWERED_500 | Loss.ANSWERED_502 | Loss.REFUSED_503:
                status = int(loss.name[-3:])
                self._answer(_Answer(status=status, headers=[], body=b"<h1>no</h1>"))
            case Loss.ANSWER_CUT if answer:
                self._answer(answer, cut=True)
            case _:
                self._hang_up()

    def _ask(self, body: bytes) -> _Answer:
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _OF_ONE_CONNECTION
        }
        return self.server.ask(self.command, self.path, headers, body)

    def _answer(self, answer: _Answer, *, cut: bool = False) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if not self.server.keeps_connections:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the tests look at what comes of it."""


@contextmanager
def losing(
    upstream: int, number: int | None, loss: Loss, *, keep: bool = False
) -> Iterator[LosingProxy]:
    """Serve from a thread until the context is left."""
    with LosingProxy(upstream, number, loss, keep=keep) as proxy:
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
