"""The sandbox on a real socket: from a thread for tests, in the foreground for the command."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from types import FrameType

from starlette.types import ASGIApp
from uvicorn import Config, Server

from reconciler.errors import ReconcilerError
from reconciler.sandbox.app import Sandbox
from reconciler.sandbox.connections import ResettableProtocol

_LOOPBACK = "127.0.0.1"
_IDLE_SECONDS = 75  # before an unused connection is closed; clients keep theirs between bursts
_BACKLOG = 1024


@contextmanager
def run_sandbox(sandbox: Sandbox, *, host: str = _LOOPBACK, port: int = 0) -> Iterator[str]:
    """Serve from a thread and yield the URL. On exit, connections are reset and the thread ends.

    Raises ReconcilerError if the port cannot be opened.
    """
    with serve_app(sandbox.app, host=host, port=port) as url:
        yield url


@contextmanager
def serve_app(app: ASGIApp, *, host: str, port: int) -> Iterator[str]:
    """Like `running`, for any application."""
    listening = Event()
    with closing(_listen(host, port)) as listener:
        server = _Server(app, listening.set)
        thread = Thread(target=_serve_until_stopped, args=(server, listener, listening))
        thread.start()
        try:
            listening.wait()
            yield _url(listener)
        finally:
            server.stop()
            thread.join()


def serve(
    sandbox: Sandbox, *, port: int, announce: Callable[[str], None], host: str = _LOOPBACK
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM, then return.

    `announce` gets the URL once it is served. Raises ReconcilerError if the port cannot be opened.
    """
    with closing(_listen(host, port)) as listener:
        url = _url(listener)
        server = _Server(sandbox.app, lambda: announce(url))
        asyncio.run(server.serve(sockets=[listener]))


class _Server(Server):
    def __init__(self, app: ASGIApp, listening: Callable[[], None]) -> None:
        config = Config(
            app,
            http=ResettableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_IDLE_SECONDS,
        )
        super().__init__(config)
        self._listening = listening
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """May be called from any thread, and from a signal handler."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._listening()

    async def main_loop(self) -> None:
        # uvicorn's own loop checks every 100 ms whether to stop, which would slow every test.
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn's own waits for requests to end, and a fault may hold one for an hour.
        del sockets  # whoever opened them closes them
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for server in self.servers:
            await server.wait_closed()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own raises the signal again at the end. Here a signal is the normal end of
        # the command, not a failure.
        del sig, frame
        self.stop()


def _serve_until_stopped(server: _Server, listener: socket.socket, listening: Event) -> None:
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        listening.set()  # or the caller would wait forever for a server that failed to start


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named because only then does asyncio turn off Nagle's delay (40 ms an answer).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ReconcilerError(
            f"cannot listen on port {port} of {host}: {error.strerror}",
            hint="Choose another with --port, or --port 0 for any that is free.",
        ) from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"
