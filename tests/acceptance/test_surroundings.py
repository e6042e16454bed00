"""What surrounds the command in a pipeline: no home, a checkout to read only, git as is liked."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, manifest, runs
from tests.acceptance.test_clone_troubles import obey_modes
from tests.repositories import PROJECT, git
from tests.sampling import sampled

# What people set for their own pushes, commits and looks, here or for all their clones.
_THEIRS = {
    "branch.main.pushRemote": "nowhere",
    "color.ui": "always",
    "commit.template": "/nonexistent",
    "core.autocrlf": "true",
    "core.editor": "false",
    "core.hooksPath": "/nonexistent",
    "core.pager": "false",
    "diff.external": "false",
    "fetch.prune": "true",
    "fetch.writeCommitGraph": "true",
    "i18n.commitEncoding": "latin1",
    "init.templateDir": "/nonexistent",
    "log.showSignature": "true",
    "protocol.version": "0",
    "push.autoSetupRemote": "true",
    "push.default": "nothing",
    "push.followTags": "true",
    "push.gpgSign": "if-asked",
    "push.negotiate": "true",
    "push.recurseSubmodules": "check",
    "push.useForceIfIncludes": "true",
    "remote.pushDefault": "nowhere",
    "submodule.recurse": "true",
    "tag.gpgSign": "true",
    "transfer.fsckObjects": "true",
    "user.useConfigOnly": "true",
}


def _run(
    scene: Scene,
    *arguments: str,
    variables: Mapping[str, str],
    prepared: Callable[[], None] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, with these variables and no others."""
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=scene.clone,
        env={"PYTHONPATH": str(PROJECT), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=prepared,
    )


def _little(*names: str) -> dict[str, str]:
    """The variables that an apply cannot do without."""
    keys = ("ENOS_ACCESS_KEY", "ENOS_SECRET_KEY")
    return {name: os.environ[name] for name in (*keys, "GIT_CONFIG_GLOBAL", *names)}


@pytest.mark.parametrize("home", sampled([None, "/nonexistent", ""], every=3))
def test_an_apply_needs_no_home(open_scene: OpenScene, home: str | None) -> None:
    scene = open_scene(runs("a"))
    variables = _little() | ({} if home is None else {"HOME": home})
    done = _run(scene, "apply", variables=variables)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert scene.posts == [1]


def test_what_people_set_in_git_for_themselves_hinders_no_apply(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    for name, value in _THEIRS.items():
        git(scene.clone, "config", name, value)
    said = scene.run("apply")
    assert "not answered" not in said.flat
    assert scene.posts == [1]
    assert scene.outcomes("a") == ["triggered"]


def _ignore_ends_of_processes() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def test_git_that_failed_is_noticed_where_ends_of_processes_are_ignored(
    open_scene: OpenScene,
) -> None:
    """As some supervisors have it, whose children inherit it: git's exit code is lost there."""
    scene = open_scene(runs("a"))
    shutil.rmtree(scene.origin)
    for words in (["plan"], ["apply"]):
        done = _run(scene, *words, variables=_little("HOME"), prepared=_ignore_ends_of_processes)
        assert done.returncode == 1, done.stdout
        assert "origin could not be read" in done.stderr
    assert scene.posts == []


@pytest.mark.long  # an apply without a home stays
@pytest.mark.skipif(sys.platform != "linux", reason="root is held to modes by Linux only")
def test_a_checkout_to_read_only_is_validated_and_planned_offline(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1)})
    folders = [scene.clone, *(path for path in scene.clone.rglob("*") if path.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o555)
        for words, code in (
            (("validate",), 0),
            (("plan", "--offline", "--no-base"), 0),
            (("status", "--offline"), 0),
            (("plan",), 1),
            (("apply",), 1),
        ):
            done = _run(scene, *words, variables=_little("HOME"), prepared=obey_modes)
            assert done.returncode == code, (words, done.stderr)
            assert "Traceback" not in done.stderr
            assert code == 0 or "this clone cannot be written" in done.stderr
            assert code == 0 or "plan and status can do with --offline" in done.stderr
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert scene.posts == []
