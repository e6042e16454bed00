"""A clone that cannot be worked in ends an apply at once: the right cause, and nothing lost."""

import ctypes
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from reconciler.apply import branch
from reconciler.git import remote
from reconciler.sandbox import Fault
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, runs
from tests.repositories import PROJECT, git, write_hook

_CAP_DAC_OVERRIDE, _PR_CAPBSET_DROP = 1, 24


def obey_modes() -> None:
    """Let this process, which a test starts, be bound by the modes of files even as root."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0) == 0


def _write_nothing() -> None:
    """Let this process, and git below it, write no byte to any file, as on a full disk."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))


def _write_again() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _run(scene: Scene, *arguments: str, prepared: Callable[[], None]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=scene.clone,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        preexec_fn=prepared,
        text=True,
        check=False,
    )
    return done.returncode, f"{done.stdout}{done.stderr}"


@pytest.fixture
def read_only(open_scene: OpenScene) -> Iterator[Scene]:
    scene = open_scene(runs("a"))
    inner = [path for path in (scene.clone / ".git").rglob("*") if path.is_dir()]
    for folder in (scene.clone / ".git", *inner):
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield scene
    for folder in (scene.clone / ".git", *inner):
        folder.chmod(stat.S_IRWXU)


@pytest.mark.skipif(sys.platform != "linux", reason="root is held to modes by Linux only")
def test_a_clone_that_cannot_be_written_is_named(read_only: Scene) -> None:
    code, said = _run(read_only, "apply", prepared=obey_modes)
    assert code == 1
    assert "this clone cannot be written" in said
    assert "give git access" not in said
    assert read_only.posts == []


def test_a_full_disk_is_named(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    code, said = _run(scene, "apply", prepared=_write_nothing)
    assert code == 1
    assert "no temporary file can be made" in said
    assert "Traceback" not in said
    assert scene.posts == []


def test_a_disk_that_is_full_for_git_is_named(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"), Fault(on="time", call_before=_write_nothing))
    try:
        said = scene.run("apply", exits=1)
    finally:
        _write_again()
    assert "there is no room here" in said.flat
    assert scene.posts == []


def test_a_disk_that_fills_up_after_a_start_loses_nothing(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branch, "RECORD_ATTEMPTS", 1)
    scene = open_scene(runs("a"), Fault(on="trigger", call_before=_write_nothing))
    try:
        said = scene.run("apply", exits=1)
    finally:
        _write_again()
    lines = [line for line in said.err.splitlines() if line.startswith("{")]
    kept = scene.folder / "kept.jsonl"
    kept.write_text("\n".join(lines) + "\n")
    scene.run("recover", str(kept))
    assert scene.outcomes("a") == ["triggered"]
    assert scene.posts == [1]


def test_a_lock_that_was_left_behind_is_named(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_LONGEST_WAIT", 0)
    scene = open_scene(runs("a"))
    lock = scene.clone / ".git/refs/reconciler/origin/main.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    said = scene.run("apply", exits=1)
    assert "this clone could not take in what origin holds" in said.flat
    assert str(lock) in said.flat
    assert "if none is, remove the lock file" in said.flat
    assert scene.posts == []


def test_hooks_of_a_path_of_ones_own_hinder_no_apply(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    hooks = scene.folder / "mine" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("pre-push", "reference-transaction", "commit-msg"):
        write_hook(hooks.parent, name, "exit 1")
    git(scene.clone, "config", "core.hooksPath", str(hooks))
    scene.run("apply")
    assert scene.posts == [1]
