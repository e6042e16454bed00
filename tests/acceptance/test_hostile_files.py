"""A checkout that somebody wrote who is not trusted: no file of it leads anywhere else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, LEDGER, Scene, manifest, runs
from tests.repositories import commit
from tests.sampling import sampled

_SECRET = "hunter2: [unclosed"  # what no message may quote; no YAML, no JSON and no event
_READING = (("validate",), ("plan", "--offline"), ("status", "--offline"))


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    scene = open_scene(runs("a"))
    (scene.folder / "secret").write_text(_SECRET)
    return scene


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize(
    "name", sampled([CONFIGURATION, LEDGER, "triggers/b.yaml", "state/test"], every=2)
)
@pytest.mark.parametrize(
    "target",
    sampled(
        ["{folder}/secret", "../../secret", "/proc/self/environ", "/dev/zero", "/dev/tty"], every=3
    ),
)
@pytest.mark.parametrize("command", _READING, ids=" ".join)
def test_a_link_out_of_the_repository_is_refused_and_what_it_leads_to_never_quoted(
    scene: Scene, name: str, target: str, command: tuple[str, ...]
) -> None:
    _link(scene.clone / name, target.format(folder=scene.folder))
    is_passed_over = command[0] == "status" and name == "triggers/b.yaml"
    said = scene.run(*command, exits=0 if is_passed_over else 1)
    assert is_passed_over or ("link" in said.flat and name in said.flat)
    assert "hunter2" not in said.flat
    assert os.environ["ENOS_SECRET_KEY"] not in said.flat


@pytest.mark.parametrize("name", [CONFIGURATION, LEDGER, "triggers/b.yaml"])
@pytest.mark.parametrize("command", _READING, ids=" ".join)
def test_a_pipe_keeps_nobody_waiting(scene: Scene, name: str, command: tuple[str, ...]) -> None:
    _pipe(scene.clone / name)
    is_passed_over = command[0] == "status" and name == "triggers/b.yaml"
    said = scene.run(*command, exits=0 if is_passed_over else 1)
    words = f"{name}:1:1: unreadable: cannot be read: it is not a regular file"
    assert is_passed_over or words in said.flat


def test_a_ledger_is_no_link_even_within_the_repository_as_on_the_branch(scene: Scene) -> None:
    scene.run("apply")
    (scene.clone / LEDGER).rename(scene.clone / "elsewhere.jsonl")
    _link(scene.clone / LEDGER, "../../elsewhere.jsonl")
    assert "is a symbolic link, and none is followed" in scene.run("validate", exits=1).flat


def test_a_folder_that_leads_to_another_repository_is_not_taken_for_the_one_named(
    scene: Scene,
) -> None:
    other = scene.folder / "other"
    other.mkdir()
    (other / CONFIGURATION).write_text(_SECRET)
    commit(scene.clone, {"README.md": "hi"})
    _link(scene.clone / "team", "../other")
    for path in ("team", "triggers/../team"):
        said = scene.run("validate", "--repo", path, exits=1)
        assert f"team is a link that leaves the repository {scene.clone}" in said.flat
        assert "hunter2" not in said.flat


def test_links_that_no_repository_holds_lead_where_they_lead(scene: Scene) -> None:
    _link(scene.folder / "work", str(scene.clone))
    scene.run("validate", "--repo", str(scene.folder / "work"))


def _over_a_hook(scene: Scene) -> Path:
    _link(scene.clone / "plan.json", ".git/hooks/pre-commit")
    return Path("plan.json")


def _outside(scene: Scene) -> Path:
    _link(scene.clone / "plan.json", str(scene.folder / "secret"))
    return Path("plan.json")


def _by_a_folder(scene: Scene) -> Path:
    _link(scene.clone / "out", ".git")
    return Path("out/config")


def _nowhere_yet(scene: Scene) -> Path:
    _link(scene.clone / "plan.json", "../new")
    return scene.clone / "plan.json"


@pytest.mark.parametrize("arrange", [_over_a_hook, _outside, _by_a_folder, _nowhere_yet])
def test_a_plan_is_saved_through_no_link(scene: Scene, arrange: Callable[[Scene], Path]) -> None:
    path = arrange(scene)
    before = (scene.clone / ".git" / "config").read_text()
    said = scene.run("plan", "--offline", "--out", str(path), exits=1)
    assert "is a link, and may lead anywhere" in said.flat
    assert (scene.folder / "secret").read_text() == _SECRET
    assert (scene.clone / ".git" / "config").read_text() == before
    assert not (scene.clone / ".git" / "hooks" / "pre-commit").exists()
    assert not (scene.folder / "new").exists()


def test_a_plan_replaces_an_older_one_whole(scene: Scene) -> None:
    older = '{\n  "version": 1,' + "x" * 100_000
    (scene.clone / "plan.json").write_text(older)
    scene.run("plan", "--out", "plan.json")
    scene.run("apply", "--plan", "plan.json")
    assert scene.posts == [1]


@pytest.mark.parametrize(
    "name", ["reconciler.yaml", "triggers/a.yaml", ".git/config", ".git/index", ".git/new"]
)
def test_a_plan_is_saved_over_nothing_but_a_plan(scene: Scene, name: str) -> None:
    path = scene.clone / name
    before = path.read_bytes() if path.exists() else None
    said = scene.run("plan", "--offline", "--out", name, exits=1)
    assert f"{name} is not written" in said.flat
    assert (path.read_bytes() if path.exists() else None) == before
    assert "lies in git's own" in scene.run("report", "--out", ".git/page", exits=1).flat


@pytest.mark.parametrize("command", [("plan", "--out"), ("apply", "--plan"), ("recover",)])
def test_pipes_and_devices_named_as_files_are_refused_at_once(
    scene: Scene, command: tuple[str, ...]
) -> None:
    _pipe(scene.folder / "pipe")
    for path in (scene.folder / "pipe", Path("/dev/zero")):
        said = scene.run(*command, str(path), exits=1)
        assert "not a regular file" in said.flat or "cannot be written" in said.flat
    assert scene.posts == []


@pytest.mark.parametrize("command", [("apply", "--plan"), ("recover",)])
def test_a_file_that_the_checkout_leads_elsewhere_is_not_read(
    scene: Scene, command: tuple[str, ...]
) -> None:
    _link(scene.clone / "file", "../secret")
    said = scene.run(*command, "file", exits=1)
    assert "file is a link that leaves the repository" in said.flat
    assert "hunter2" not in said.flat


@pytest.mark.parametrize("field", ["manifests", "state", "caFile"])
@pytest.mark.parametrize(
    "path", sampled(["/etc", "../up", "a/../../up", "C:/x", "c:x", '"a\\0b"', "'a\\b'"], every=3)
)
def test_paths_that_leave_the_repository_are_refused_in_the_configuration(
    scene: Scene, field: str, path: str
) -> None:
    file = scene.clone / CONFIGURATION
    lines = [
        line for line in file.read_text().split("\n") if not line.strip().startswith(f"{field}:")
    ]
    after = "gateway:" if field == "caFile" else "test:"
    at = next(number for number, line in enumerate(lines) if line.strip() == after)
    indent = " " * (len(lines[at]) - len(lines[at].lstrip()) + 2)
    file.write_text("\n".join([*lines[: at + 1], f"{indent}{field}: {path}", *lines[at + 1 :]]))
    (problem,) = scene.run("validate", "--format", "json", exits=1).json["problems"]
    assert problem["pointer"].endswith(field)
    assert problem["code"] == "format"


def test_a_certificate_file_that_is_a_link_or_a_pipe_is_refused(scene: Scene) -> None:
    text = (
        (scene.clone / CONFIGURATION).read_text().replace("gateway:", "gateway:\n      caFile: ca")
    )
    scene.push({CONFIGURATION: text})
    _link(scene.clone / "ca", "../secret")
    assert "gateway.caFile cannot be used: ca:1:1: link" in scene.run("apply", exits=1).flat
    _pipe(scene.clone / "ca")
    assert "it is not a regular file" in scene.run("plan", "--online", exits=1).flat
    assert scene.sandbox.requests == []


def test_a_manifest_on_the_branch_that_is_too_large_is_a_problem_as_in_a_checkout(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a") | {"triggers/large.yaml": manifest("b", 2) + "#" * 2_000})
    monkeypatch.setattr("reconciler.repository.committed_files.MOST_BYTES", 1_000)
    said = scene.run("apply", exits=1)
    assert "triggers/large.yaml:1:1: too-large" in said.flat
    assert scene.posts == []
