"""A checkout that somebody wrote who is not trusted: no command runs anything of it."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, Scene, manifest, runs
from tests.git.test_discovery import lay_bare_repository, run_by_git
from tests.repositories import commit, git
from tests.sampling import sampled

_COMMANDS = (
    ("validate",),
    ("plan",),
    ("plan", "--offline"),
    ("status",),
    ("doctor",),
    ("apply",),
    ("resolve", "a", "--not-triggered", "--reason", "x"),
    ("recover", "lost.jsonl"),
)


@pytest.fixture
def team(open_scene: OpenScene) -> Scene:
    """The configuration stands in a folder that also holds what git takes for a bare repository."""
    scene = open_scene({})
    text = (scene.clone / CONFIGURATION).read_text()
    git(scene.clone, "rm", "--quiet", CONFIGURATION)
    scene.push({f"team/{CONFIGURATION}": text, "team/triggers/a.yaml": manifest("a", 1)})
    lay_bare_repository(scene.clone / "team", run_by_git(scene.folder))
    (scene.clone / "lost.jsonl").write_text("")
    return scene


@pytest.mark.parametrize("command", sampled(_COMMANDS, every=4, whole=True), ids=" ".join)
def test_a_folder_that_passes_for_a_bare_repository_runs_nothing(
    team: Scene, command: tuple[str, ...]
) -> None:
    refused = 1 if command[0] == "resolve" else 0  # there is nothing to settle
    team.run(*command, "--repo", "team", exits=refused)
    assert not (team.folder / "ran").exists()


@pytest.mark.parametrize(
    "remote", ["ext::sh -c touch% ran", "evil", "./evil", "https://evil.invalid/x"]
)
@pytest.mark.parametrize("command", sampled(["apply", "plan", "status", "doctor"], every=4))
def test_no_path_address_or_program_passes_for_a_remote(
    open_scene: OpenScene, remote: str, command: str
) -> None:
    scene = open_scene(runs("a"))
    git(scene.folder, "clone", "--quiet", "--bare", str(scene.origin), str(scene.clone / "evil"))
    text = (scene.clone / CONFIGURATION).read_text()
    (scene.clone / CONFIGURATION).write_text(f"git: {{remote: '{remote}'}}\n{text}")
    said = scene.run(command, exits=1)
    assert scene.posts == []
    assert not list(Path(scene.folder).rglob("ran"))
    assert "this clone has no remote" in said.flat or "must be a name" in said.flat


@pytest.mark.parametrize("command", ["apply", "plan", "status", "doctor"])
def test_every_command_says_which_remotes_there_are(open_scene: OpenScene, command: str) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "remote", "rename", "origin", "upstream")
    said = scene.run(command, exits=1)
    assert "this clone has no remote origin" in said.flat
    assert "It has upstream: set git.remote in reconciler.yaml." in said.flat
    if command in {"plan", "status"}:
        scene.run(command, "--offline")


def test_hooks_of_the_checkout_stay_silent_through_a_whole_apply(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "config", "core.hooksPath", ".hooks")
    names = ("reference-transaction", "pre-push", "post-merge", "post-checkout", "post-rewrite")
    (scene.clone / ".hooks").mkdir()
    for name in names:
        hook = scene.clone / ".hooks" / name
        hook.write_text(f"#!/bin/sh\n{run_by_git(scene.folder)}\n")
        hook.chmod(0o755)
    scene.run("apply")
    assert scene.posts == [1]
    assert not (scene.folder / "ran").exists()


def test_a_configuration_that_includes_a_file_of_the_checkout_stops_every_command(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    commit(scene.clone, {".gitconfig": "[core]\n\tsshCommand = touch ran\n"})
    git(scene.clone, "config", "include.path", "../.gitconfig")
    for command in ("plan", "apply"):
        assert "includes .gitconfig, a file of the checkout" in scene.run(command, exits=1).flat
    assert scene.posts == []
