"""A webhook on loopback, strict about what it is sent, that answers as a test says."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct, field


class Answer(Struct, frozen=True, kw_only=True):
    """What the webhook answers to one request."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False  # no answer until the test ends
    closes: bool = False  # the connection ends without one


class Received(Struct, frozen=True, kw_only=True):
    """One request."""

    path: str
    headers: Mapping[str, str]  # by their names in small letters
    content: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.content)


class Receiver:
    """Keeps what it received; the answers are given in turn, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [Answer()]
        self.received: list[Received] = []
        self.on_request: Callable[[], object] = lambda: None
        self.over = threading.Event()
        self.url = ""  # once it listens

    def answer(self) -> Answer:
        """The next one."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving(*answers: Answer) -> Iterator[Receiver]:
    """Listen until the block ends."""
    receiver = Receiver(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            content = self.rfile.read(length)
            receiver.on_request()
            receiver.received.append(Received(path=self.path, headers=headers, content=content))
            answer = receiver.answer()
            if answer.hangs:
                receiver.over.wait(60)
            if answer.hangs or answer.closes:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"content-length": "0", **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that has left is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
