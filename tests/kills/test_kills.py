"""SIGKILL at every request and at every git command in turn; then a plain apply settles it all."""

import os
import re
import shutil
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import httpx
import pytest

from reconciler.sandbox import Fault, FlowOptions, Sandbox, SandboxOptions, Status, run_sandbox
from tests.environments import (
    LASTING,
    Clock,
    Setting,
    assert_each_started_once,
    make_setting,
    patient,
    runs_of_one_flow_each,
)
from tests.repositories import isolate
from tests.sampling import sampled

# Of several kills, on a machine that may be busy.
pytestmark = pytest.mark.timeout(900)

RUNS = 2
REQUESTS = 3 + RUNS  # token, time, zone, and a start for each run
AT_ONCE = 6
PATIENCE = 300  # to end what hangs
PARTS = 8  # of the git commands, so that several workers can share them
DECISIVE = "push"  # what others see; the parts hold what is believed of it, too
_IMPORT_AND_REPORT = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {name: import}
spec:
  flowId: 600
  businessDates: {from: 2024-03-01, to: 2024-03-02, every: 1d}
  retry: {max: 1}
---
apiVersion: reconciler/v1
kind: Trigger
metadata: {name: report}
spec: {flowId: 601, businessDate: 2024-03-02, parameters: {}, dependsOn: [import]}
"""
# In what the shell does by itself: each process of its own would cost as much as the git command.
_WRAPPER = """\
#!/bin/sh
number=1
set -C # a number is taken by whoever makes its file: two commands may run side by side
until [ ! -e "$KILL_COUNT/$number" ] && { echo "$*" > "$KILL_COUNT/$number"; } 2>/dev/null; do
  number=$((number + 1))
done
set +C
[ "$KILL_AT" = "before $number" ] && kill -9 "$PPID" && exit 137
"$KILL_GIT" "$@"
code=$?
[ "$KILL_AT" = "after $number" ] && kill -9 "$PPID"
exit "$code"
"""


@pytest.fixture(autouse=True)
def _own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.mark.parametrize("moment", ["before", "after"])
# First the start of a run: before it, nothing is claimed, and the next is as this one.
@pytest.mark.parametrize("request_number", sampled([3, 0, 1, 2, 4], every=REQUESTS))
def test_killed_at_any_request_each_run_is_started_once(
    tmp_path: Path, request_number: int, moment: str
) -> None:
    victim: list[int] = []

    def kill() -> None:
        os.kill(victim[0], signal.SIGKILL)

    clock = Clock()
    sandbox = Sandbox(LASTING, clock=clock)
    before, after = (kill, None) if moment == "before" else (None, kill)
    sandbox.add_fault(Fault(on="any", after=request_number, call_before=before, call_after=after))
    with run_sandbox(sandbox) as url:
        setting = _setting(tmp_path / "all", url, sandbox, runs_of_one_flow_each(RUNS))
        process = setting.start("apply")
        victim.append(process.pid)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL
        _let_finish(url)
        clock.forward()
        _apply_plainly(setting)
        assert_each_started_once(setting, sandbox, RUNS)


def _let_finish(url: str) -> None:
    """Have the service carry out what it has received before its clock is set forward."""
    httpx.get(url, timeout=PATIENCE)  # one request after another goes through its event loop


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_request_of_an_apply_that_waits_nothing_is_lost(
    tmp_path: Path, moment: str
) -> None:
    setting, sandbox = _see_through(tmp_path / "counted", None, moment)
    requests = len(sandbox.requests)
    assert requests > AT_ONCE
    with ThreadPoolExecutor(AT_ONCE) as threads:  # most of the time is spent waiting
        folders = [tmp_path / f"at-{number}" for number in range(requests)]
        seen = [*threads.map(_see_through, folders, range(requests), [moment] * requests)]
    for setting, sandbox in seen:
        _assert_seen_through(setting, sandbox)


def _see_through(folder: Path, kill_at: int | None, moment: str) -> tuple[Setting, Sandbox]:
    """An import whose first run fails once, and its report; killed there, and applied again."""
    flows = {600: FlowOptions(ends=(Status.FAIL, Status.SUCCESS))}
    clock, victim = Clock(), list[int]()
    sandbox = Sandbox(SandboxOptions(run_seconds=0.05, flows=flows), clock=clock)

    def kill() -> None:
        os.kill(victim[0], signal.SIGKILL)

    if kill_at is not None:
        before, after = (kill, None) if moment == "before" else (None, kill)
        sandbox.add_fault(Fault(on="any", after=kill_at, call_before=before, call_after=after))
    with run_sandbox(sandbox) as url:
        setting = _setting(folder, url, sandbox, {"triggers/all.yaml": _IMPORT_AND_REPORT})
        process = setting.start("apply", "--wait")
        victim.append(process.pid)
        _, stderr = process.communicate(timeout=PATIENCE)
        # How often it looks for ends depends on the machine: one may end before its turn comes.
        killed = kill_at is not None and len(sandbox.requests) > kill_at
        assert process.returncode == (-signal.SIGKILL if killed else 0), stderr
        clock.forward()
        process = setting.start("apply", "--wait")
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
    return setting, sandbox


def _assert_seen_through(setting: Setting, sandbox: Sandbox) -> None:
    """Two runs and a second attempt of one, then the report: each started once, and ended."""
    assert [one.flow_id for one in sandbox.instances] == [600, 600, 600, 601]
    states = {run: state for run, (state, _) in setting.states().items()}
    assert states == {
        "import/2024-03-01": "failed",
        "import/2024-03-01#2": "succeeded",
        "import/2024-03-02": "succeeded",
        "report": "succeeded",
    }


@pytest.mark.parametrize(
    "part", ["decisive", *(pytest.param(part, marks=pytest.mark.long) for part in range(PARTS))]
)
def test_killed_at_any_git_command_each_run_is_started_once(
    tmp_path: Path, part: int | str
) -> None:
    commands = _commands_of_an_apply(tmp_path / "counted")
    assert len(commands) > PARTS
    numbers = [
        number
        for number, command in enumerate(commands, start=1)
        if (command == DECISIVE if part == "decisive" else number % PARTS == part)
    ]
    assert len(numbers) >= 2
    # The parts hold the moments before a push, too: of those, the other side has seen nothing.
    moments = ("after",) if part == "decisive" else ("before", "after")
    # One after another: a machine that kills several at once has much to do.
    for moment, number in product(moments, numbers):
        _kill_at_git_command(tmp_path, moment, number)


def _commands_of_an_apply(folder: Path) -> list[str]:
    """The first word of each that names a command, in their order."""
    sandbox = Sandbox(LASTING)
    with run_sandbox(sandbox) as url:
        setting = _setting(folder, url, sandbox, runs_of_one_flow_each(RUNS))
        process = setting.start("apply", variables=_wrapped(folder, "never"))
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stderr
    numbered = sorted((folder / "count").iterdir(), key=lambda file: int(file.name))
    words = [file.read_text().split() for file in numbered]
    return [next(word for word in line if re.fullmatch(r"[a-z][a-z-]+", word)) for line in words]


def _kill_at_git_command(parent: Path, moment: str, number: int) -> None:
    folder, clock = parent / f"{moment}-{number}", Clock()
    sandbox = Sandbox(LASTING, clock=clock)
    with run_sandbox(sandbox) as url:
        setting = _setting(folder, url, sandbox, runs_of_one_flow_each(RUNS))
        process = setting.start("apply", variables=_wrapped(folder, f"{moment} {number}"))
        process.communicate(timeout=PATIENCE)
        # One that meets no delay needs fewer commands than the one that was counted.
        reached = len(list((folder / "count").iterdir())) >= number
        assert (process.returncode == -signal.SIGKILL) == reached, (moment, number)
        clock.forward()
        _apply_plainly(setting)
        assert_each_started_once(setting, sandbox, RUNS)


def _setting(folder: Path, url: str, sandbox: Sandbox, files: Mapping[str, str]) -> Setting:
    """One that is patient: the clock is set forward instead."""
    return make_setting(folder, url, sandbox, {**files, **patient(url)})


def _wrapped(folder: Path, when: str) -> dict[str, str]:
    """The variables with which every git command goes through the wrapper."""
    real = shutil.which("git")
    assert real is not None
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "git"
    wrapper.write_text(_WRAPPER)
    wrapper.chmod(0o755)
    (folder / "count").mkdir()
    return {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "KILL_GIT": real,
        "KILL_COUNT": str(folder / "count"),
        "KILL_AT": when,
    }


def _apply_plainly(setting: Setting) -> None:
    """The next apply needs nobody's help: the dead one's claim has expired, and it settles it."""
    done = setting.run("apply")
    assert done.returncode == 0, done.stderr
