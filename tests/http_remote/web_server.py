"""A real web server that asks for a password and lets `git http-backend` serve repositories."""

import socket
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.sandbox.server import serve_app
from tests.http_remote.account import Account
from tests.http_remote.git_backend import GitBackend

_LOOPBACK = "127.0.0.1"


class WebServer:
    """Serves the repositories of one folder over HTTP to one account; as a context, until left.

    The port stays the same over stops and starts. Between them connections to it are refused.
    """

    def __init__(self, folder: Path, root: Path, account: Account) -> None:
        folder.mkdir()
        self._backend = GitBackend(folder, root, account)
        self._serving = ExitStack()
        # Bound and not listening, it keeps the port from everybody but a listener like the server.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((_LOOPBACK, 0))
        self.port: int = self._reserved.getsockname()[1]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._reserved.close()

    def start(self) -> None:
        """Start the server and wait until it listens."""
        self._serving.enter_context(serve_app(self._backend, host=_LOOPBACK, port=self.port))

    def stop(self) -> None:
        """Stop the server if it runs. Whoever is connected loses the connection."""
        self._serving.close()

    def admit_only(self, account: Account) -> None:
        """From now on this is the only account: it is looked up at each request."""
        self._backend.account = account

    def requests(self) -> list[str]:
        """`USER STATUS METHOD PATH` of each so far, the user `-` where nobody was let in."""
        return list(self._backend.requests)
