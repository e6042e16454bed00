"""`git http-backend`, which is a CGI program, as an ASGI application with one account."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.http_remote.account import Account
from tests.repositories import git

_PREFIX = "/git"
_PIECE = 1 << 16  # bytes
_Headers = list[tuple[bytes, bytes]]


class GitBackend:
    """The repositories of one folder, under `/git/`, to one account: all else is answered 401."""

    def __init__(self, home: Path, root: Path, account: Account) -> None:
        self.account = account  # looked up at each request
        self.requests: list[str] = []  # `USER STATUS METHOD PATH`, before the answer leaves
        self._program = Path(git(home, "--exec-path")) / "git-http-backend"
        self._variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.headers.get("authorization") != self.account.authorization:
            self._log("-", HTTPStatus.UNAUTHORIZED, request)
            challenge = {"WWW-Authenticate": 'Basic realm="git"'}
            await Response(status_code=401, headers=challenge)(scope, receive, send)
            return
        user, body = self.account.user, await request.body()
        variables = self._variables | _meta_variables(request, user, len(body))
        async with _run(self._program, variables, body) as (process, output):
            status, headers = await _head(output)
            self._log(user, status, request)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            while piece := await output.read(_PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await process.wait()
            await send({"type": "http.response.body"})

    def _log(self, user: str, status: int, request: Request) -> None:
        self.requests.append(f"{user} {status} {request.method} {request.scope['path']}")


def _meta_variables(request: Request, user: str, length: int) -> dict[str, str]:
    """What a CGI program is told of a request (RFC 3875), as far as git looks at it."""
    headers = request.headers
    return {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.scope["path"].removeprefix(_PREFIX),
        "QUERY_STRING": request.scope["query_string"].decode(),
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(length),  # also of what came in chunks
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "REMOTE_USER": user,
        "REMOTE_ADDR": request.client.host if request.client else "",
    }


@asynccontextmanager
async def _run(
    program: Path, variables: Mapping[str, str], body: bytes
) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """The program with that body for its input. Left before its end, it is ended with all it began.

    Then it gets the signal at which git removes its lock files, or nobody could push any more.
    """
    process = await asyncio.create_subprocess_exec(
        program, env=variables, stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(body)
        process.stdin.write_eof()
        yield process, process.stdout
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            await process.communicate()


async def _head(output: asyncio.StreamReader) -> tuple[int, _Headers]:
    """The status and the headers with which a CGI program begins its answer."""
    lines = (await output.readuntil(b"\r\n\r\n")).split(b"\r\n")
    fields = [(name.lower(), value) for name, _, value in (one.partition(b": ") for one in lines)]
    headers = [(name, value) for name, value in fields if name and name != b"status"]
    status = dict(fields).get(b"status", b"200")  # `404 Not Found`
    return int(status.split()[0]), headers
