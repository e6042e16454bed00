"""A real web server that asks for a password and lets `git http-backend` serve repositories."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.http_remote.account import Account
from tests.repositories import git

_LOOPBACK = "127.0.0.1"
_STARTING_SECONDS = 20.0
_STOPPING_SECONDS = 20.0
_CONFIGURATION = """\
server.document-root = "{folder}"
server.bind = "{host}"
server.port = {port}
server.errorlog = "{folder}/error.log"
server.breakagelog = "{folder}/git.log"
server.upload-dirs = ("{folder}")
server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi",
                  "mod_accesslog")
accesslog.filename = "{folder}/access.log"
accesslog.format = "%u %s %m %U"
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("/" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
alias.url = ("/git" => "{backend}")
cgi.assign = ("" => "")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1",
                          "HOME" => "{folder}", "GIT_CONFIG_NOSYSTEM" => "1")
"""


def lighttpd() -> str:
    """The server's program. Where it is missing the test is skipped, or under CI fails."""
    # Debian puts it where an ordinary user's PATH does not look.
    found = shutil.which("lighttpd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is not None:
        return found
    message = "lighttpd is not installed: apt-get install lighttpd"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class WebServer:
    """Serves the repositories of one folder over HTTP to one account; as a context, until left.

    The port stays the same over stops and starts. Between them connections to it are refused.
    """

    def __init__(self, folder: Path, root: Path, account: Account) -> None:
        self._program = lighttpd()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        folder.mkdir()
        backend = Path(git(folder, "--exec-path")) / "git-http-backend"
        # Bound and not listening, it keeps the port from everybody but a listener like the server.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((_LOOPBACK, 0))
        self.port: int = self._reserved.getsockname()[1]
        (folder / "lighttpd.conf").write_text(
            _CONFIGURATION.format(
                folder=folder,
                root=root,
                host=_LOOPBACK,
                port=self.port,
                backend=backend,
            )
        )
        self.admit_only(account)

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
        self._process = subprocess.Popen(
            [self._program, "-D", "-f", str(self._folder / "lighttpd.conf")],
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _STARTING_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"lighttpd does not start: {self._log('error')}")
            time.sleep(0.01)  # nothing tells when it listens; the loop is what waits

    def stop(self) -> None:
        """Stop the server if it runs. Whoever is connected loses the connection."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOPPING_SECONDS)
            self._process = None

    def admit_only(self, account: Account) -> None:
        """From now on this is the only account: it is looked up at each request."""
        (self._folder / "users").write_text(f"{account.user}:{account.password}\n")

    def requests(self) -> list[str]:
        """What was asked so far: `USER STATUS METHOD PATH`, the user `-` where nobody was let in.

        Only complete once the server is stopped, for it buffers its log.
        """
        return self._log("access").splitlines()

    def _listens(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex((_LOOPBACK, self.port)) == 0

    def _log(self, name: str) -> str:
        log = self._folder / f"{name}.log"
        return log.read_text() if log.exists() else "it wrote no log"
