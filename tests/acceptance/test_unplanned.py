"""Whatever a pull request does, `plan` leaves a comment and a document that say why it is red."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler.schema import validate
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import LEDGER, Scene, configuration, manifest, runs
from tests.acceptance.test_changes import branch, two
from tests.repositories import git, make_clone
from tests.sampling import sampled

Breaks = Callable[[Scene], Sequence[str]]  # gives options


def _configured(text: str) -> Breaks:
    def breaks(scene: Scene) -> Sequence[str]:
        branch(scene, {"reconciler.yaml": text})
        return []

    return breaks


def _edited(words: str, others: str) -> Breaks:
    def breaks(scene: Scene) -> Sequence[str]:
        text = (scene.clone / "reconciler.yaml").read_text()
        assert words in text
        branch(scene, {"reconciler.yaml": text.replace(words, others)})
        return []

    return breaks


def _ledger(line: str) -> Breaks:
    def breaks(scene: Scene) -> Sequence[str]:
        text = (scene.clone / LEDGER).read_text()
        branch(scene, {LEDGER: text + line})
        return []

    return breaks


def _without_configuration(scene: Scene) -> Sequence[str]:
    git(scene.clone, "rm", "--quiet", "reconciler.yaml")
    branch(scene, {})
    return []


def _linked_configuration(scene: Scene) -> Sequence[str]:
    (scene.clone / "reconciler.yaml").rename(scene.clone / "real.yaml")
    (scene.clone / "reconciler.yaml").symlink_to("real.yaml")
    branch(scene, {})
    return []


def _linked_ledger(scene: Scene) -> Sequence[str]:
    (scene.clone / LEDGER).rename(scene.clone / "moved.jsonl")
    (scene.clone / LEDGER).symlink_to("../../moved.jsonl")
    branch(scene, {})
    return []


def _renamed_environment(scene: Scene) -> Sequence[str]:
    text = configuration(scene.url, environments=("prod",)).replace("-prod", "")
    branch(scene, {"reconciler.yaml": text.replace("state/prod", "state/test")})
    return ["--env", "test"]


def _no_base(_: Scene) -> Sequence[str]:
    return ["--base", "nowhere"]


def _no_base_offline(_: Scene) -> Sequence[str]:
    return ["--base", "nowhere", "--offline"]


def _without_remote(scene: Scene) -> Sequence[str]:
    scene.origin.rename(scene.folder / "elsewhere")
    return []


def _without_folder(scene: Scene) -> Sequence[str]:
    git(scene.clone, "rm", "-r", "--quiet", "triggers")
    branch(scene, {"others/c.yaml": manifest("c", 3, limit="none")})
    git(scene.clone, "mv", "others", "triggers")
    return []


def _without_ledger(scene: Scene) -> Sequence[str]:
    git(scene.clone, "rm", "-r", "--quiet", "state")
    branch(scene, {})
    return []


_MERGE = "<<<<<<< ours\n=======\n>>>>>>> theirs\n"
_BROKEN: dict[str, Breaks] = {
    "YAML": _configured("version: [1\n"),
    "a field": _configured("version: 1\nenvironments: {}\n"),
    "an unknown version": _configured("version: 7\n"),
    "an empty file": _configured(""),
    "bytes": _configured("version: \0\n"),
    "no configuration": _without_configuration,
    "a link": _linked_configuration,
    "another remote": _edited("version: 1", "version: 1\ngit: {remote: upstream}"),
    "another branch": _edited("version: 1", "version: 1\ngit: {branch: gone}"),
    "another ledger": _edited("state: state/test", "state: state/new"),
    "another organisation": _edited("orgId: o1", "orgId: o2"),
    "too many": _edited("limits: {}", "limits: {maxRuns: 1}"),
    "an environment": _renamed_environment,
    "a line": _ledger("{}\n"),
    "a version": _ledger('{"v": 99, "event": "claim"}\n'),
    "a conflict": _ledger(_MERGE),
    "no ledger": _without_ledger,
    "a linked ledger": _linked_ledger,
    "no base": _no_base,
    "no base here": _no_base_offline,
    "no remote": _without_remote,
    "manifests": _without_folder,
}


@pytest.mark.parametrize("what", sampled(_BROKEN, every=24))
def test_a_plan_that_stops_leaves_a_comment_and_a_document(
    open_scene: OpenScene, what: str
) -> None:
    scene = open_scene(runs("a", "b"))
    scene.run("apply", "a")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    options = _BROKEN[what](scene)
    comment = scene.run("plan", "--format", "markdown", *options, exits=1)
    assert comment.out.startswith("<!-- reconciler-plan test -->\n\n### "), comment
    assert "**Refused:**" in comment.out
    assert len(comment.err.splitlines()) < 20
    said = scene.run("plan", "--format", "json", *options, exits=1)
    assert not validate("plan", said.json)
    assert said.json["environment"] == "test"
    assert said.json["refusals"]


def test_a_configuration_that_cannot_be_read_is_shown_with_its_place_for_each_environment(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"), configured=two)
    branch(scene, {"reconciler.yaml": "version: 1\nenviroments: {}\n"})
    git(scene.clone, "push", "--quiet", "origin", "work")
    shallow = make_clone(scene.origin, scene.folder / "ci", "--depth=1", "--branch=work")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    comment = scene.run("plan", "--format", "markdown", "--repo", str(shallow), exits=1).out
    assert [line for line in comment.splitlines() if "<!--" in line] == [
        "<!-- reconciler-plan test -->",
        "<!-- reconciler-plan prod -->",
    ]
    assert "- `reconciler.yaml:2:1` `unknown-field`" in comment
    plans = scene.run("plan", "--format", "json", "--repo", str(shallow), exits=1).json
    assert not validate("plan", plans)
    for plan in plans["environments"]:
        assert ("unknown-field", 2) in [(one["code"], one["line"]) for one in plan["problems"]]
        assert "unknown-field" in [one["code"] for one in plan["refusals"]]
    comment = scene.run("plan", "--format", "markdown", "--env", "prod", exits=1).out
    assert comment.startswith("<!-- reconciler-plan prod -->\n\n### `prod` cannot be planned\n")


def test_a_managed_folder_says_where_in_the_repository_its_configuration_is_wrong(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({})
    folder = scene.clone / "data"
    (scene.clone / "reconciler.yaml").unlink()
    named = {"data/reconciler.yaml": configuration(scene.url), "data/triggers/a.yaml": SITE}
    scene.push(named)
    branch(scene, {"data/reconciler.yaml": "version: 1\n"})
    comment = scene.run("plan", "--format", "markdown", "--repo", str(folder), exits=1).out
    assert comment.startswith("<!-- reconciler-plan test -->")
    assert "`data/reconciler.yaml:1:1`" in comment
    git(scene.clone, "rm", "--quiet", "data/reconciler.yaml")
    comment = scene.run("plan", "--format", "markdown", "--repo", str(folder), exits=1).out
    assert comment.startswith("<!-- reconciler-plan test -->")


SITE = manifest("a", 1)


def test_where_nobody_knows_an_environment_the_marker_has_no_name(
    tmp_path: Path, open_scene: OpenScene
) -> None:
    scene = open_scene({})
    away = tmp_path / "away"
    away.mkdir()
    comment = scene.run("plan", "--format", "markdown", "--repo", str(away), exits=1).out
    assert comment.startswith("<!-- reconciler-plan -->\n\n### Nothing can be planned\n")
    assert not validate(
        "plan", scene.run("plan", "--format", "json", "--repo", str(away), exits=1).json
    )


def test_a_plan_that_stops_saves_nothing_and_prints_no_text(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    branch(scene, {"reconciler.yaml": "version: 7\n"})
    assert scene.run("plan", exits=1).out == ""
    scene.run("plan", "--format", "json", "--out", "plan.json", exits=1)
    assert not (scene.clone / "plan.json").exists()


def test_what_git_says_in_lines_is_one_sentence_of_the_comment(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.origin.rename(scene.folder / "elsewhere")
    comment = scene.run("plan", "--format", "markdown", exits=1).out
    assert "\\n" not in comment
    assert "the repository exists. check" in comment


def test_a_folder_that_is_gone_is_said_in_the_comment(
    open_scene: OpenScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene({})
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    comment = scene.run("plan", "--format", "markdown", exits=1).out
    assert "**Refused:** the current folder is gone" in comment
