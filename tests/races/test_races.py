"""Many processes apply the same runs from clones of their own, while others push as well."""

import threading
from pathlib import Path

import pytest

from reconciler.sandbox import Sandbox, run_sandbox
from tests.environments import (
    LASTING,
    Setting,
    assert_each_started_once,
    configuration,
    make_setting,
    manifest,
    runs_of_one_flow_each,
)
from tests.repositories import commit, git, isolate

APPLIERS, RUNS, LATE_RUNS = 8, 400, 5


@pytest.fixture(autouse=True)
def _own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.mark.long
def test_eight_processes_start_each_of_400_runs_once_while_manifests_are_pushed(
    tmp_path: Path,
) -> None:
    sandbox = Sandbox(LASTING)
    with run_sandbox(sandbox) as url:
        files = {
            **runs_of_one_flow_each(RUNS),
            "reconciler.yaml": configuration(url, claim=30, timeout=5),
        }
        setting = make_setting(tmp_path / "all", url, sandbox, files)
        clones = [setting.clone_again(f"clone-{number}") for number in range(APPLIERS)]
        writer = threading.Thread(target=_push_manifests, args=(setting,))
        processes = [setting.start("apply", clone=clone) for clone in clones]
        writer.start()
        ends = [process.communicate(timeout=250) for process in processes]
        writer.join()
        for process, (_, stderr) in zip(processes, ends, strict=True):
            assert process.returncode == 0, stderr
        assert setting.run("apply").returncode == 0
        assert_each_started_once(setting, sandbox, RUNS + LATE_RUNS)


def _push_manifests(setting: Setting) -> None:
    """Declare a few more runs, each by a commit of its own, however often the branch moves."""
    writer = setting.clone_again("writer")
    for number in range(RUNS, RUNS + LATE_RUNS):
        name = f"run-{number}"
        commit(writer, {f"triggers/{name}.yaml": manifest(name, number + 1)})
        git(writer, "config", "pull.rebase", "true")
        for _ in range(50):
            git(writer, "pull", "--quiet", "origin", "main")
            try:
                git(writer, "push", "--quiet", "origin", "main")
            except AssertionError:
                continue
            break
