"""Remotes whose ok is not true: no run is started under a claim that is not where others look."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from reconciler.sandbox import Fault, Sandbox, run_sandbox
from tests.environments import (
    LASTING,
    Clock,
    Setting,
    assert_each_started_once,
    configuration,
    make_setting,
    runs_of_one_flow_each,
)
from tests.repositories import git, isolate, say_ok_and_move_nothing, write_hook
from tests.sampling import sampled

RUNS, APPLIERS = 3, 4


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[Setting]:
    isolate(monkeypatch, tmp_path)
    with run_sandbox(sandbox) as url:
        files = {
            **runs_of_one_flow_each(RUNS),
            "reconciler.yaml": configuration(url, claim=30, timeout=3),
        }
        yield make_setting(tmp_path / "all", url, sandbox, files)


@contextmanager
def _far_away(origin: Path, seconds: float) -> Iterator[str]:
    program = Path(__file__).with_name("dulwich_server.py")
    with subprocess.Popen(
        [sys.executable, str(program), str(origin), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


@pytest.mark.long  # four processes; tests/http_remote/test_race.py has two
def test_appliers_that_race_before_a_server_that_says_ok_to_all_start_each_run_once(
    setting: Setting, sandbox: Sandbox
) -> None:
    clones = [setting.clone_again(f"clone-{number}") for number in range(APPLIERS)]
    with _far_away(setting.origin, 0.15) as url:
        for clone in clones:
            git(clone, "remote", "set-url", "origin", url)
        processes = [setting.start("apply", clone=clone) for clone in clones]
        ends = [process.communicate(timeout=250) for process in processes]
    for process, (_, stderr) in zip(processes, ends, strict=True):
        assert process.returncode == 0, stderr
    assert_each_started_once(setting, sandbox, RUNS)


_DENIALS = {
    "non-fast-forwards": {"receive.denyNonFastForwards": "true", "receive.denyDeletes": "true"},
    "hidden refs": {"transfer.hideRefs": "refs/reconciler"},
    "several refs as one": {"receive.advertiseAtomic": "false"},
}


def _deny(origin: Path, refusal: str) -> None:
    if refusal == "all but branches":
        write_hook(origin, "pre-receive", "! grep -qv ' refs/heads/'")
    for name, value in _DENIALS.get(refusal, {}).items():
        git(origin, "config", name, value)


@pytest.mark.long  # tests/kills has a sample
@pytest.mark.parametrize(
    "refusal",
    sampled(
        ["nothing", "non-fast-forwards", "hidden refs", "several refs as one", "all but branches"],
        every=5,
    ),
)
def test_killed_between_its_pushes_before_any_make_of_server_each_run_is_started_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    """Where nothing is refused, dulwich serves; else git does, in a race of two that come after."""
    isolate(monkeypatch, tmp_path)
    victim: list[int] = []

    def kill() -> None:
        os.kill(victim[0], signal.SIGKILL)

    clock = Clock()
    sandbox = Sandbox(LASTING, clock=clock)
    sandbox.add_fault(Fault(on="trigger", call_after=kill))
    with run_sandbox(sandbox) as url, ExitStack() as things:
        files = {
            **runs_of_one_flow_each(RUNS),
            "reconciler.yaml": configuration(url, claim=120, timeout=20),
        }
        setting = make_setting(tmp_path / "all", url, sandbox, files)
        clones = [setting.clone, *(setting.clone_again(name) for name in ("one", "two"))]
        _deny(setting.origin, refusal)
        if refusal == "nothing":
            far = things.enter_context(_far_away(setting.origin, 0.02))
            for clone in clones:
                git(clone, "remote", "set-url", "origin", far)
        killed = setting.start("apply")
        victim.append(killed.pid)
        killed.communicate(timeout=250)
        assert killed.returncode == -signal.SIGKILL
        clock.forward()
        later = [setting.start("apply", clone=clone) for clone in clones[1:]]
        for process in later:
            _, stderr = process.communicate(timeout=250)
            assert process.returncode == 0, stderr
        assert_each_started_once(setting, sandbox, RUNS)


def test_nothing_is_started_where_the_server_says_ok_and_moves_nothing(
    setting: Setting, sandbox: Sandbox
) -> None:
    say_ok_and_move_nothing(setting.origin)
    done = setting.run("apply")
    assert done.returncode == 1
    assert "the push was taken, and main at" in done.stderr
    assert "merge requests" in done.stderr
    assert not sandbox.instances


@pytest.mark.long  # tests/git/test_push.py has the rule
@pytest.mark.parametrize(
    "setting_name", sampled(["remote.origin.pushurl", "pushInsteadOf"], every=2)
)
def test_of_an_applier_that_pushes_to_a_fork_and_another_only_the_other_starts_runs(
    setting: Setting, sandbox: Sandbox, setting_name: str
) -> None:
    fork = setting.folder / "fork.git"
    git(setting.folder, "clone", "--quiet", "--bare", str(setting.origin), str(fork))
    if setting_name == "pushInsteadOf":
        setting_name = f"url.{fork.as_uri()}.pushInsteadOf"
        git(setting.clone, "config", setting_name, setting.origin.as_uri())
    else:
        git(setting.clone, "config", setting_name, fork.as_uri())
    other = setting.clone_again("other")
    astray = setting.run("apply")
    assert astray.returncode == 1
    for part in (setting.origin.as_uri(), fork.as_uri(), setting_name.rpartition(".")[2]):
        assert part in astray.stderr
    assert not sandbox.instances
    assert setting.run("apply", clone=other).returncode == 0
    again = setting.run("apply")
    assert again.returncode == 0, again.stderr  # there is nothing left to claim
    assert len(sandbox.instances) == RUNS
