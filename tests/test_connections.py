"""How many connections to the git remote a command opens, over each kind of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec import Struct

from reconciler.sandbox import Sandbox, run_sandbox
from tests import git_servers
from tests.environments import Setting, make_setting, patient, runs_of_one_flow_each
from tests.git_servers import Count
from tests.repositories import git, isolate
from tests.sampling import sampled

Way = Callable[[Path], AbstractContextManager[tuple[str, Count]]]


class Reached(Struct, frozen=True, kw_only=True):
    """A repository whose clone reaches its origin over connections that are counted."""

    setting: Setting
    clone: Path
    count: Count

    def connections(self, *arguments: str) -> int:
        """How many the command opens."""
        before = self.count()
        done = self.setting.run(*arguments, clone=self.clone)
        assert done.returncode == 0, done.stderr
        return self.count() - before


@pytest.fixture(params=[git_servers.by_daemon, git_servers.by_http, git_servers.by_ssh])
def reached(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
) -> Iterator[Reached]:
    """One declared run, in a clone that was made as pipelines make theirs.

    They fetch into an empty repository, so that nothing there says which branch is the default one.
    """
    isolate(monkeypatch, tmp_path)
    way: Way = request.param
    with run_sandbox(sandbox) as gateway:
        files = {**runs_of_one_flow_each(1), **patient(gateway)}
        setting = make_setting(tmp_path / "all", gateway, sandbox, files)
        with way(setting.origin) as (url, count):
            clone = setting.folder / "pipeline"
            git(setting.folder, "init", "--quiet", str(clone))
            git(clone, "remote", "add", "origin", url)
            git(clone, "config", "core.sshCommand", str(git_servers.ssh_command(setting.origin)))
            git(clone, "fetch", "--quiet", "origin")
            git(clone, "checkout", "--quiet", "--detach", "refs/remotes/origin/main")
            yield Reached(setting=setting, clone=clone, count=count)


@pytest.mark.parametrize("command", sampled(["plan", "status"], every=2))
def test_to_look_opens_one_connection_from_the_first_time_on(
    reached: Reached, command: str
) -> None:
    assert [reached.connections(command) for _ in range(2)] == [1, 1]


def test_an_apply_opens_one_for_each_thing_that_it_must_know_or_tell(
    reached: Reached, sandbox: Sandbox
) -> None:
    # Fetch, push the claim, read it back, push the outcomes, read them back.
    assert reached.connections("apply") == 5
    assert len(sandbox.instances) == 1
    assert reached.connections("apply") == 1  # nothing is left to do


def test_what_the_first_fetch_has_heard_of_is_not_asked_for(
    reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person who looks into what git says keeps it; then the default branch is asked for once.
    monkeypatch.setenv("GIT_TRACE_PACKET", str(reached.setting.folder / "packets"))
    assert reached.connections("plan") == 3
    monkeypatch.delenv("GIT_TRACE_PACKET")
    assert reached.connections("plan") == 1
