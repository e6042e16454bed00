"""Dulwich's web server before one bare repository, far away: each answer takes a while.

It compares and swaps the ref of a push, and says ok also where the swap came to nothing. Run as a
program of its own: `dulwich_server.py REPOSITORY SECONDS`; it prints the URL first.
"""

import sys
import time
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

from dulwich.repo import Repo
from dulwich.server import BackendRepo, DictBackend
from dulwich.web import WSGIRequestHandlerLogger, make_wsgi_chain


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main(repository: str, seconds: float) -> None:
    """Serve until killed."""

    def late(variables: dict[str, Any], start: Any) -> Iterable[bytes]:
        time.sleep(seconds)  # the way there
        served: dict[str, BackendRepo] = {"/": Repo(repository)}
        return make_wsgi_chain(DictBackend(served))(variables, start)

    with make_server("127.0.0.1", 0, late, _Threads, WSGIRequestHandlerLogger) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
