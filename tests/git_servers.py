"""Ways to a bare repository on this machine that count the connections which git opens to it."""

import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, socket
from typing import Any

from tests.http_remote.account import ANA
from tests.http_remote.web_server import WebServer

_LOOPBACK = "127.0.0.1"
_SECONDS = 30.0

Count = Callable[[], int]


class _Door(socketserver.ThreadingTCPServer):
    """Lets each connection be served by that function, and counts them."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, serve: Callable[[socket], object]) -> None:
        super().__init__((_LOOPBACK, 0), socketserver.BaseRequestHandler)
        self.opened = 0
        self._serve = serve

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's
        self._serve(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.opened += 1
        super().process_request(request, client_address)


@contextmanager
def _open(serve: Callable[[socket], object]) -> Iterator[_Door]:
    with _Door(serve) as door:
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()


@contextmanager
def by_daemon(origin: Path) -> Iterator[tuple[str, Count]]:
    """`git://`: a git daemon for each connection. Gives the URL, and how many there were."""
    words = ("--inetd", "--export-all", "--enable=receive-pack", f"--base-path={origin.parent}")

    def serve(connection: socket) -> None:
        ends = connection.fileno()
        command = ["git", "daemon", *words]
        subprocess.run(command, stdin=ends, stdout=ends, check=False, timeout=_SECONDS)

    with _open(serve) as door:
        yield f"git://{_LOOPBACK}:{door.server_address[1]}/{origin.name}", lambda: door.opened


@contextmanager
def by_http(origin: Path) -> Iterator[tuple[str, Count]]:
    """`http://`: `git http-backend` behind a web server, and a relay that counts."""
    with WebServer(origin.parent / "web", origin.parent, ANA) as server:

        def serve(connection: socket) -> None:
            with create_connection((_LOOPBACK, server.port), _SECONDS) as onward:
                back = threading.Thread(target=_pass_on, args=(onward, connection))
                back.start()
                _pass_on(connection, onward)
                back.join()

        with _open(serve) as door:
            port = int(door.server_address[1])
            yield ANA.url(port), lambda: door.opened


def _pass_on(source: socket, target: socket) -> None:
    try:
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(1)  # SHUT_WR: whoever listens there hears the end
    except OSError:
        return  # either side has gone away


@contextmanager
def by_ssh(origin: Path) -> Iterator[tuple[str, Count]]:
    """`ssh://`: in place of ssh a script that runs the command here. Set `core.sshCommand`."""
    log, script = origin.parent / "ssh.log", ssh_command(origin)
    script.write_text(f'#!/bin/sh\necho >> "{log}"\nfor last; do :; done\nexec sh -c "$last"\n')
    script.chmod(0o755)
    yield f"ssh://host{origin}", lambda: len(log.read_text()) if log.exists() else 0


def ssh_command(origin: Path) -> Path:
    """The script that stands for ssh."""
    return origin.parent / "ssh"
