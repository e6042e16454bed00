"""Opening scenes: each test gets origin, clone and gateway of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from reconciler.apply import branch, start, wait
from reconciler.enos import questions
from reconciler.git import retrying
from reconciler.sandbox import Fault, Sandbox, SandboxOptions, environment, run_sandbox
from tests.acceptance.scene import CONFIGURATION, Scene, configuration
from tests.environments import Clock
from tests.repositories import isolate, make_origin_and_clone

_OPTIONS = SandboxOptions(run_seconds=1e6)  # nothing ends unless a test wants it


class OpenScene(Protocol):
    """Makes a scene whose origin and clone hold the files, beside a configuration."""

    def __call__(
        self,
        files: Mapping[str, str],
        *faults: Fault,
        options: SandboxOptions = _OPTIONS,
        configured: Callable[[str], str] = configuration,
    ) -> Scene: ...


@pytest.fixture
def clock() -> Clock:
    """The clock of the scene's gateway, for faults that let time pass there."""
    clock = Clock()
    clock.past_a_round_second()
    return clock


def _wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses of what runs in this process: nothing here comes back by waiting.

    How long they are is for the tests beside the code, with a clock of their own.
    """
    monkeypatch.setattr(retrying, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(branch, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(questions, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(start, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(wait, "FIRST_LOOK_SECONDS", 0.05)


@pytest.fixture
def open_scene(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    clock: Clock,
) -> Iterator[OpenScene]:
    isolate(monkeypatch, tmp_path)
    _wait_for_nobody(monkeypatch)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name in ("GITHUB_RUN_ID", "CI_JOB_URL", "BUILD_URL"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as open_things:

        def open_one(
            files: Mapping[str, str],
            *faults: Fault,
            options: SandboxOptions = _OPTIONS,
            configured: Callable[[str], str] = configuration,
        ) -> Scene:
            sandbox = Sandbox(options, faults, clock)
            url = open_things.enter_context(run_sandbox(sandbox))
            origin, clone = make_origin_and_clone(
                tmp_path, {CONFIGURATION: configured(url), **files}
            )
            for name, value in environment(sandbox).items():
                monkeypatch.setenv(name, value)
            monkeypatch.chdir(clone)
            return Scene(
                folder=tmp_path,
                origin=origin,
                clone=clone,
                sandbox=sandbox,
                clock=clock,
                url=url,
                capture=capsys,
            )

        yield open_one
