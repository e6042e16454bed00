"""A setting whose clone knows its origin by HTTP only, and the eyes for passwords that got out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from reconciler.sandbox import Sandbox, run_sandbox
from tests.environments import LASTING, Done, Setting, configuration, make_setting
from tests.http_remote.account import ANA, STRANGER
from tests.http_remote.web_server import WebServer
from tests.repositories import git


class Hosted(Struct, frozen=True, kw_only=True):
    """The repository, the web server before it, and the gateway."""

    setting: Setting
    server: WebServer
    sandbox: Sandbox

    def run(self, *arguments: str, clone: Path | None = None) -> Done:
        """Run the command; what it says holds no password."""
        done = self.setting.run(*arguments, clone=clone)
        assert_no_secret(done.stdout, done.stderr)
        return done

    def starts(self) -> int:
        """How often the gateway was asked to start a run."""
        return sum(request.operation == "trigger" for request in self.sandbox.requests)

    def commits(self) -> int:
        """How many commits the reconciler has on the origin's branch."""
        return int(git(self.setting.origin, "rev-list", "--count", "main")) - 1

    def assert_nothing_started(self) -> None:
        """Neither the gateway nor the ledger has heard of anything."""
        assert self.starts() == 0
        assert self.commits() == 0

    def assert_nothing_leaked(self) -> None:
        """No commit on the origin, nor its message, holds a password."""
        assert_no_secret(git(self.setting.origin, "log", "--all", "--patch", "--format=fuller"))


def assert_no_secret(*texts: str) -> None:
    """None of the texts holds a password, the right one or the wrong one, in any form."""
    for text in texts:
        for secret in (*ANA.secrets(), *STRANGER.secrets()):
            assert secret not in text


def connect(clone: Path, url: str) -> None:
    """Let the clone reach its origin by that URL, and by nothing but HTTP."""
    git(clone, "remote", "set-url", "origin", url)
    git(clone, "config", "protocol.allow", "never")
    git(clone, "config", "protocol.http.allow", "always")


@contextmanager
def hosted(
    folder: Path, manifests: Mapping[str, str], *, claim: float = 30, concurrency: int = 8
) -> Iterator[Hosted]:
    """Everything running; the clone has Ana's name and password in its remote's URL."""
    sandbox = Sandbox(LASTING)
    with run_sandbox(sandbox) as gateway, WebServer(folder / "web", folder / "all", ANA) as server:
        # The configuration ends with its limits.
        limits = f"      concurrency: {concurrency}\n"
        content = configuration(gateway, claim=claim, timeout=3) + limits
        files = {"reconciler.yaml": content, **manifests}
        setting = make_setting(folder / "all", gateway, sandbox, files)
        connect(setting.clone, ANA.url(server.port))
        yield Hosted(setting=setting, server=server, sandbox=sandbox)
