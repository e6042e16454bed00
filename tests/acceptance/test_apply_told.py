"""What an apply says beside what it did: what is not pushed, and annotations on GitHub."""

import pytest

from reconciler.sandbox import Fault, Reply
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import manifest, runs
from tests.repositories import commit, git


def test_nothing_to_do_is_never_said_alone_where_a_manifest_is_not_on_the_branch(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({})
    assert scene.run("apply").out == "Nothing to do.\n"
    path = scene.clone / "triggers" / "new.yaml"
    path.parent.mkdir()
    path.write_text(manifest("new", 1))
    said = scene.run("apply")
    there = (
        "Nothing to do there: triggers/new.yaml differs from origin/main, and an apply does what"
    )
    assert f"{there} is there: commit and push." in " ".join(said.out.split())
    assert "differs" not in said.err
    assert scene.run("apply", "--format", "json").json["unpushed"].endswith("commit and push")
    commit(scene.clone, {}, "Add it")
    assert "what is there: push." in scene.run("apply", "--quiet").flat
    git(scene.clone, "switch", "--quiet", "-c", "feature")
    words = "what is there: feature is checked out here; merge it into main."
    assert words in scene.run("apply").flat
    path.write_text(manifest("new", 2))
    assert "checked out here; commit, and merge it into main." in scene.run("apply").flat
    assert "commit, and merge it into main" in scene.run("plan", "--no-base").err
    git(scene.clone, "switch", "--quiet", "--detach")
    assert "no branch is checked out here; commit, and merge" in scene.run("apply").flat
    assert not scene.posts


def test_what_is_not_pushed_is_a_note_beside_what_was_done(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    (scene.clone / "triggers" / "b.yaml").write_text(manifest("b", 2))
    said = scene.run("apply")
    assert "1 triggered" in said.out
    assert "triggers/b.yaml differs from origin/main" in said.err
    assert "differs" not in said.out


def test_a_checkout_that_is_behind_is_told_to_pull_and_not_to_push(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    before = git(scene.clone, "rev-parse", "HEAD")
    scene.push({"triggers/b.yaml": manifest("b", 2)})
    git(scene.clone, "reset", "--quiet", "--hard", before)
    assert "this checkout is behind, bring it up to date (git pull)" in scene.run("status").err


def test_a_checkout_that_has_parted_from_the_branch_is_told_to_pull_and_then_to_push(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    before = git(scene.clone, "rev-parse", "HEAD")
    scene.push({"triggers/b.yaml": manifest("b", 2)})
    git(scene.clone, "reset", "--quiet", "--hard", before)
    commit(scene.clone, {"triggers/c.yaml": manifest("c", 3)}, "Add c")
    assert "bring this checkout up to date (git pull), then push" in scene.run("status").err


@pytest.fixture
def _on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


@pytest.mark.usefixtures("_on_github")
def test_on_github_a_refused_run_is_annotated_and_the_result_stays_whole(
    open_scene: OpenScene,
) -> None:
    refused = Fault(on="trigger", ending=Reply(status=200, code=62103, msg="no privilege"))
    scene = open_scene(runs("a"), refused)
    said = scene.run("apply", "--format", "json", exits=1)
    assert said.json["rejected"]
    (line,) = [line for line in said.err.splitlines() if line.startswith("::error ")]
    assert line.startswith("::error file=triggers/a.yaml,line=1,col=1,title=refused%3A a::a: 62103")


@pytest.mark.usefixtures("_on_github")
def test_on_github_an_apply_that_is_refused_is_annotated_with_its_problems(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a", "b"))
    said = scene.run("apply", "--max-runs", "1", exits=1)
    (line,) = [line for line in said.err.splitlines() if line.startswith("::error ")]
    assert line.startswith("::error title=reconciler::")
    assert "2 runs" in line
    scene.push({"triggers/b.yaml": "kind: Trigger\n"})
    said = scene.run("apply", exits=1)
    assert "\n::error file=triggers/b.yaml,line=1," in f"\n{said.err}"


def test_elsewhere_nothing_is_annotated(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    assert "::error" not in scene.run("apply", "--max-runs", "1", exits=1).err
