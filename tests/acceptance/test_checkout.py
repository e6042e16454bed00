"""After an apply the user's checkout shows the ledger, where that loses nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.git import Git
from reconciler.manifest import FileResult, read_file
from reconciler.model import Source
from reconciler.repository import together
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, LEDGER, Scene, configuration, manifest, runs
from tests.repositories import commit, fingerprint, git
from tests.sampling import sampled


def test_a_clean_checkout_of_the_branch_is_brought_forward(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    said = scene.run("apply")
    assert git(scene.clone, "rev-parse", "HEAD") == scene.tip()
    assert git(scene.clone, "status", "--porcelain") == ""
    assert (scene.clone / LEDGER).is_file()
    assert f"this checkout was brought forward to {scene.tip()[:12]}\n" in said.err


def test_edits_elsewhere_do_not_hinder_it_and_are_kept(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    (scene.clone / "triggers/a.yaml").write_text("half done")
    (scene.clone / "notes.txt").write_text("mine")
    said = scene.run("apply")
    assert "brought forward" in said.err
    assert git(scene.clone, "status", "--porcelain") == " M triggers/a.yaml\n?? notes.txt"


def _file_in_the_way(scene: Scene) -> str:
    path = scene.clone / LEDGER
    path.parent.mkdir(parents=True)
    path.write_text("mine\n")
    return "The following untracked working tree files would be overwritten by merge"


def _detached(scene: Scene) -> str:
    git(scene.clone, "checkout", "--quiet", "--detach")
    return "no branch is checked out (detached HEAD)"


def _other_branch(scene: Scene) -> str:
    git(scene.clone, "checkout", "--quiet", "-b", "feature")
    return "feature is checked out"


def _diverged(scene: Scene) -> str:
    commit(scene.clone, {"README.md": "not pushed\n"})
    return "main has commits here that the remote does not have"


def _before_the_first_commit(scene: Scene) -> str:
    git(scene.clone, "update-ref", "-d", "HEAD")
    return "main has no commit here yet"


@pytest.mark.parametrize(
    "arrange",
    sampled(
        [_file_in_the_way, _detached, _other_branch, _diverged, _before_the_first_commit], every=5
    ),
)
def test_any_other_checkout_is_left_as_it_is_and_the_reason_told(
    open_scene: OpenScene, arrange: Callable[[Scene], str]
) -> None:
    scene = open_scene(runs("a"))
    reason = arrange(scene)
    before = fingerprint(scene.clone)
    said = scene.run("apply")
    assert scene.posts == [1]
    assert f"this checkout was left as it is: {reason}" in said.flat
    assert fingerprint(scene.clone) == before


def test_quiet_does_not_tell_that_it_was_left(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    _detached(scene)
    assert scene.run("apply", "--quiet").err == ""


def test_a_checkout_behind_the_branch_still_applies_what_the_branch_says(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    scene.push({"triggers/b.yaml": manifest("b", 2)})
    git(scene.clone, "reset", "--quiet", "--hard", "HEAD~1")
    scene.run("apply")
    assert sorted(one.flow_id for one in scene.instances) == [1, 2]
    assert (scene.clone / "triggers/b.yaml").is_file()


def test_what_is_checked_out_is_read_before_the_fetch_and_only_what_is_new_after_it(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the fetch no other thread runs, so that several processes can read."""
    scene = open_scene(runs("a", "b"))
    scene.push({"triggers/c.yaml": manifest("c", 3)})
    git(scene.clone, "reset", "--quiet", "--hard", "HEAD~1")
    seen: list[str] = []

    def read(source: Source, *rest: Any) -> FileResult:
        seen.append(source.path)
        return read_file(source, *rest)

    def fetch(git: Git, *rest: Any) -> Any:
        seen.append("the fetch")
        return fetch_shared(git, *rest)

    fetch_shared = Git.fetch_shared
    monkeypatch.setattr(together, "read_file", read)
    monkeypatch.setattr(Git, "fetch_shared", fetch)
    scene.run("apply")
    assert seen[:4] == ["triggers/a.yaml", "triggers/b.yaml", "the fetch", "triggers/c.yaml"]
    assert set(seen[4:]) <= {"the fetch"}
    assert sorted(one.flow_id for one in scene.instances) == [1, 2, 3]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"firstYear": 2025}, "is earlier than 2025-01-01"),
        ({"maxRuns": 1}, "more than the 1 that its limits.maxRuns allows"),
    ],
)
def test_what_was_read_before_the_fetch_is_judged_by_the_branchs_configuration(
    open_scene: OpenScene, limits: dict[str, int], said: str
) -> None:
    scene = open_scene(runs("a", "b"))
    scene.push({CONFIGURATION: configuration(scene.url, limits=limits)})
    git(scene.clone, "reset", "--quiet", "--hard", "HEAD~1")
    assert said in scene.run("apply", exits=1).flat
    assert scene.posts == []


def test_what_was_read_before_the_fetch_counts_toward_the_limit_of_what_is_there_after_it(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        runs("b", "c"), configured=lambda url: configuration(url, limits={"maxRuns": 2})
    )
    scene.push({"triggers/a.yaml": manifest("a", 3)})
    git(scene.clone, "reset", "--quiet", "--hard", "HEAD~1")
    said = scene.run("apply", exits=1).flat
    assert "triggers/c.yaml" in said
    assert "more than the 2 that its limits.maxRuns allows" in said
    assert scene.posts == []


# Files that git converts


@pytest.mark.parametrize(
    ("attributes", "said"),
    sampled(
        [
            ("triggers/*.yaml ident\n", "triggers/a.yaml:1:1: converted: .gitattributes has"),
            ("*.yaml working-tree-encoding=UTF-16\n", "(working-tree-encoding=UTF-16)"),
            ("[attr]secret filter=git-crypt\n*.yaml secret\n", "(filter=git-crypt)"),
            ("reconciler.yaml filter=lfs\n", "reconciler.yaml:1:1: converted: "),
            ("*.yaml filter=lfs\ntriggers/b.yaml !filter\n", "this file and 1 more file between"),
            ("* text=auto\n*.zip filter=lfs\n*.yaml eol=crlf\n", ""),
            ("*.yaml filter=lfs\n*.yaml !filter\n", ""),
        ],
        every=7,
    ),
)
def test_files_that_git_converts_are_refused_before_the_merge(
    open_scene: OpenScene, attributes: str, said: str
) -> None:
    """A pull request shows what is checked out, and an apply reads the commit."""
    scene = open_scene(runs("a", "b"))
    (scene.clone / ".gitattributes").write_text(attributes)
    for command in ("validate", "plan"):
        shown = scene.run(command, exits=1 if said else 0)
        assert said in shown.flat
        assert ("converted" in shown.flat) is bool(said)


def test_attributes_beside_the_manifests_count_as_well(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a") | {"triggers/.gitattributes": "*.yaml ident\n"})
    assert "triggers/a.yaml:1:1: converted: " in scene.run("validate", exits=1).flat
