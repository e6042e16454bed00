"""What a sparse or partial clone leaves out is said, and never counted as gone."""

import pytest

from reconciler.git import Git
from reconciler.repository.books import list_local_files, read_local_files
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, Scene, manifest, runs
from tests.repositories import git, make_clone
from tests.sampling import sampled


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    scene = open_scene({**runs("a"), "docs/x.md": "x\n"})
    scene.run("apply")
    files = {"triggers/b.yaml": manifest("b", 2), "triggers/team/c.yaml": manifest("c", 3)}
    scene.push(files)
    return scene


def _leave_out(scene: Scene) -> None:
    git(scene.clone, "sparse-checkout", "set", "--cone", "docs")
    assert not (scene.clone / "triggers").exists()
    assert not (scene.clone / "state").exists()


def test_validate_reads_what_is_left_out_and_says_so(scene: Scene) -> None:
    _leave_out(scene)
    said = scene.run("validate")
    assert "3 files, 3 runs: no problems" in said.out
    assert "3 files are left out of triggers by a sparse checkout" in said.err
    assert "1 file is left out of state/test" in said.err
    assert scene.run("validate", "--format", "json").json["files"] == 3
    assert scene.run("validate", "--quiet").err == ""


def test_a_problem_in_what_is_left_out_is_found(scene: Scene) -> None:
    scene.push({"triggers/bad.yaml": manifest("bad", 0), "triggers/a.yaml": manifest("a", 9)})
    _leave_out(scene)
    said = scene.run("validate", exits=1)
    assert "triggers/bad.yaml:" in said.out
    assert ": changed: a is recorded" in said.out


@pytest.mark.parametrize("offline", sampled([(), ("--offline",)], every=2, whole=True))
def test_nothing_that_is_left_out_counts_as_no_longer_declared(
    scene: Scene, offline: tuple[str, ...]
) -> None:
    whole = scene.run("plan", "--format", "json", *offline).json["runs"]
    states = scene.run("status", "--format", "json", *offline).json["runs"]
    _leave_out(scene)
    said = scene.run("plan", "--format", "json", *offline)
    assert said.json["runs"] == whole
    assert "left out of triggers by a sparse checkout" in said.err
    assert scene.run("status", "--format", "json", *offline).json["runs"] == states


def test_other_ledgers_and_configurations_that_are_left_out_count(scene: Scene) -> None:
    nested = (scene.clone / CONFIGURATION).read_text()
    scene.push({f"nested/{CONFIGURATION}": nested})
    here = Git.at(scene.clone)
    ledgers, configurations = read_local_files(here, list_local_files(here))
    read = {folder: dict(files) for folder, files in ledgers.items()}  # gone in a moment
    whole = read, configurations
    _leave_out(scene)
    assert not (scene.clone / "nested").exists()
    assert read_local_files(here, list_local_files(here)) == whole
    assert set(whole[0]) == {"state/test"}
    assert set(whole[1]) == {f"nested/{CONFIGURATION}"}


def test_an_apply_from_a_sparse_checkout_is_as_any_other(scene: Scene) -> None:
    _leave_out(scene)
    scene.run("apply")
    assert sorted(one or 0 for one in scene.posts) == [1, 2, 3]
    assert git(scene.clone, "status", "--short") == ""


def test_what_is_deleted_here_is_gone_and_not_left_out(scene: Scene) -> None:
    (scene.clone / "triggers/b.yaml").unlink()
    said = scene.run("validate")
    assert "2 files, 2 runs" in said.out
    assert "left out" not in said.err


def test_what_is_marked_and_lies_here_is_read_from_here(scene: Scene) -> None:
    git(scene.clone, "update-index", "--skip-worktree", "triggers/b.yaml")
    (scene.clone / "triggers/b.yaml").write_text(manifest("b", 0))
    said = scene.run("validate", exits=1)
    assert "triggers/b.yaml:" in said.out
    assert "left out" not in said.err


def test_a_partial_clone_brings_what_it_needs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(scene.origin, "config", "uploadpack.allowFilter", "true")
    options = ("--filter=blob:none", "--sparse")
    partial = make_clone(scene.origin, scene.folder / "partial", *options)
    assert not (partial / "triggers").exists()
    monkeypatch.chdir(partial)
    said = scene.run("plan", "--format", "json")
    assert {one["run"]: one["action"] for one in said.json["runs"]} == {
        "a": "done",
        "b": "trigger",
        "c": "trigger",
    }


def test_a_link_that_is_left_out_is_a_problem(scene: Scene) -> None:
    (scene.clone / "triggers/d.yaml").symlink_to("a.yaml")
    scene.push({})
    _leave_out(scene)
    said = scene.run("validate", exits=1)
    assert "triggers/d.yaml:1:1: link: is a symbolic link, and none is followed" in said.out
