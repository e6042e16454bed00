"""A web server before git that turns pushes away in one way or another, and counts them."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_PUSH = "git-receive-pack"
_PAGE = b"<!DOCTYPE html><title>Sign in</title>"


@dataclass(slots=True, kw_only=True)
class Front:
    """Serves the repositories in a folder; what pushes ask for it answers as it is told."""

    root: Path
    port: int = 0
    status: int | None = None  # of the answer to a push; None: git's own answer
    times: int = 1_000_000  # that it answers so, before git does
    body: bytes = b""
    location: str = ""
    early: bool = False  # already to the first request of a push, which sends nothing yet
    pushes: list[str] = field(default_factory=list)  # the requests that belong to pushes

    def log_in(self) -> None:
        """Answer with a page to log in."""
        self.status, self.body = 200, _PAGE

    def turns_away(self, method: str, path: str) -> bool:
        """Whether this request is not for git to answer."""
        if _PUSH not in path:
            return False
        self.pushes.append(method)
        if self.status is None or (method == "GET" and not self.early) or self.times == 0:
            return False
        self.times -= 1
        return True


class _Handler(BaseHTTPRequestHandler):
    front: Front

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        front = self.front
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        if front.turns_away(self.command, self.path):
            headers = [("content-type", "text/html")]
            if front.location:
                headers.append(("location", front.location))
            self._answer(front.status or 200, headers, front.body)
        elif path == "/login":
            self._answer(200, [("content-type", "text/html")], _PAGE)
        else:
            self._git(path, query, body)

    do_POST = do_GET  # noqa: N815 - the name that BaseHTTPRequestHandler looks for

    def _git(self, path: str, query: str, body: bytes) -> None:
        variables = {
            "GIT_PROJECT_ROOT": str(self.front.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "REMOTE_USER": "ana",
        }
        command = ["git", "http-backend"]
        done = subprocess.run(
            command, input=body, env=os.environ | variables, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in headers if name == "Status"), "200")
        others = [(name, value) for name, value in headers if name != "Status"]
        self._answer(int(status.split()[0]), others, content)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def fronted(root: Path) -> Iterator[Front]:
    """The server, running until left."""
    front = Front(root=root)
    handler = type("Handler", (_Handler,), {"front": front})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        front.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield front
        server.shutdown()
        thread.join()
