"""A real environment for the real command: origin, clone, sandbox, and manifests of plain runs."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from msgspec import Struct

from reconciler.cli.main import run
from reconciler.sandbox import Sandbox, SandboxOptions, environment
from tests.repositories import PROJECT, git, make_clone, make_origin_and_clone

LASTING = SandboxOptions(run_seconds=1e6)  # so that no instance ends while a test looks

_CONFIGURATION = """\
version: 1
environments:
  test:
    manifests: triggers
    state: state/test
    gateway:
      url: {url}
      orgId: o1
      userId: u1
      timezone: GMT+8
      timeoutSeconds: {timeout}
      settleSeconds: {settle}
    limits:
      maxRunsPerApply: 1000
      claimSeconds: {claim}
"""
_MANIFEST = """\
apiVersion: reconciler/v1
kind: Trigger
metadata:
  name: {name}
spec:
  flowId: {flow}
  triggerTime: "2024-03-02T08:{minute:02d}:00+08:00"
  parameters:
    SITE: {name}
"""


def configuration(url: str, *, claim: float = 2, timeout: float = 0.5, settle: float = 0.2) -> str:
    """A `reconciler.yaml` whose claims are short enough to be waited for."""
    return _CONFIGURATION.format(url=url, claim=claim, timeout=timeout, settle=settle)


def patient(url: str) -> dict[str, str]:
    """A configuration as a file, with claims that outlast a machine with too much to do."""
    return {"reconciler.yaml": configuration(url, claim=120, timeout=20)}


def manifest(name: str, flow: int, minute: int = 0) -> str:
    """A manifest of one run."""
    return _MANIFEST.format(name=name, flow=flow, minute=minute)


def runs_of_one_flow_each(number: int) -> dict[str, str]:
    """Manifests of so many runs: `run-0` of flow 1, and so on."""
    return {f"triggers/run-{one}.yaml": manifest(f"run-{one}", one + 1) for one in range(number)}


class Clock:
    """The gateway's clock: it goes with this machine's, and can be set forward.

    So a claim expires without anybody waiting for it, and can last longer than any test on a busy
    machine takes. An apply under way finds out when it asks for the time again, which it does every
    few seconds.
    """

    def __init__(self) -> None:
        self._ahead = 0

    def __call__(self) -> int:
        """Unix epoch, milliseconds."""
        return time.time_ns() // 1_000_000 + self._ahead

    def past_a_round_second(self) -> None:
        """Go on to three seconds past a half minute: a round stamp may have been cut to it."""
        self._ahead += (33_000 - self() % 30_000) % 30_000

    def forward(self, seconds: float = 150) -> None:
        """Let so much time pass at once: usually more than a claim lasts."""
        self._ahead += round(seconds * 1000)


class Done(Struct, frozen=True, kw_only=True):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class Setting(Struct, frozen=True, kw_only=True):
    """A repository with its remote, and the variables that open the sandbox."""

    folder: Path
    origin: Path
    clone: Path
    variables: Mapping[str, str]

    def start(
        self,
        *arguments: str,
        clone: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[str]":
        """Start the real command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *arguments, "--repo", str(clone or self.clone)],
            cwd=self.folder,
            env={**os.environ, **self.variables, "PYTHONPATH": str(PROJECT), **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *arguments: str,
        clone: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Done:
        """Run the command to its end in this process: starting one takes longer than most commands.

        Where the process is the point (a signal, a kill, several at once), `start` it.
        """
        # Signals, the current folder and the streams belong to the whole process.
        assert threading.current_thread() is threading.main_thread(), "start it, in a thread"
        # As a pipe: with an encoding, and bytes beneath.
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in {**self.variables, **(variables or {})}.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            code = run([*arguments, "--repo", str(clone or self.clone)])
        stdout, stderr = (one.buffer.getvalue().decode() for one in (out, err))
        return Done(returncode=code, stdout=stdout, stderr=stderr)

    def states(self) -> dict[str, tuple[str, str | None]]:
        """State and instance of every run, by the command's own account."""
        done = self.run("status", "--format", "json")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["runs"]
        return {row["run"]: (row["state"], row["flowInstanceId"]) for row in rows}

    def clone_again(self, name: str) -> Path:
        """One more clone of the origin."""
        return make_clone(self.origin, self.folder / name)


def make_setting(folder: Path, url: str, sandbox: Sandbox, files: Mapping[str, str]) -> Setting:
    """Make the repository with those files beside a configuration, if they bring none."""
    folder.mkdir(exist_ok=True)
    files = {"reconciler.yaml": configuration(url), **files}
    origin, clone = make_origin_and_clone(folder, files)
    return Setting(folder=folder, origin=origin, clone=clone, variables=environment(sandbox))


def assert_each_started_once(setting: Setting, sandbox: Sandbox, runs: int) -> None:
    """Every run has one instance, and the ledger on the remote's branch says which."""
    instances = {instance.flow_id: instance.id for instance in sandbox.instances}
    assert len(sandbox.instances) == runs, [instance.id for instance in sandbox.instances]
    assert len(instances) == runs
    expected = {f"run-{one}": ("triggered", instances[one + 1]) for one in range(runs)}
    assert setting.states() == expected
    git(setting.origin, "fsck", "--no-dangling")
