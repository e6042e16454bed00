"""`report`: the real command on a real repository."""

from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import Git
from reconciler.sandbox import Fault, Reply
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import configuration, manifest, runs
from tests.page.reading import PageParts
from tests.repositories import commit, git

SECRET = "hunter2-of-the-database"


def page(folder: Path) -> PageParts:
    return PageParts((folder / "index.html").read_text())


def test_the_page_has_each_run_with_its_instance_claim_and_pull_request(
    open_scene: OpenScene,
) -> None:
    template = "https://enos.example.test/{flowInstanceId}"
    scene = open_scene(runs("a"), configured=lambda url: configuration(url, instanceUrl=template))
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    commit(scene.clone, {"triggers/b.yaml": manifest("b", 2, labels={"team": "wind"})})
    git(scene.clone, "checkout", "--quiet", "main")
    merge = "Merge pull request #7 from team/work"
    git(scene.clone, "merge", "--quiet", "--no-ff", "-m", merge, "work")
    git(scene.clone, "push", "--quiet", "origin", "main")
    scene.run("apply")
    out = scene.folder / "report"
    said = scene.run("report", "--out", str(out))
    assert said.out == f"{out}/index.html: 2 runs\n"
    found = page(out)
    rows = {row["run"]: row for row in found.rows()}
    assert rows["b"]["instance"] == scene.instance_of(2).id
    assert rows["b"]["url"] == 1
    assert rows["b"]["labels"] == ["team", "wind"]
    (environment,) = found.data["environments"]
    assert environment["instances"] == template
    assert environment["origins"]["triggers/b.yaml"][2] == "#7"
    assert environment["origins"]["triggers/a.yaml"][2] == ""
    texts = found.data["texts"]
    assert texts[rows["b"]["claim"][0]] == scene.ledger()[0]["claim"]
    assert texts[rows["b"]["claim"][2]] == scene.ledger()[0]["commit"][:12]


def test_a_report_is_written_over_the_one_before_and_over_nothing_else(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    out = scene.folder / "report"
    scene.run("report", "--out", str(out), "--quiet")
    first = (out / "index.html").read_text()
    scene.run("apply")
    scene.run("report", "--out", str(out))
    assert (out / "index.html").read_text() != first
    said = scene.run("report", "--out", ".", exits=1)
    assert said.err.startswith("error: . is left as it is: it holds something else")
    assert not (scene.clone / "index.html").exists()


def test_a_value_that_is_sensitive_stays_masked(open_scene: OpenScene) -> None:
    secret = manifest("a", 1, parameters={"KEY_OF_DB": SECRET}, sensitive=["KEY_OF_DB"])
    scene = open_scene({"triggers/a.yaml": secret})
    scene.run("report", "--out", str(scene.folder / "before"))
    scene.run("apply")
    scene.run("report", "--out", str(scene.folder / "after"))
    for name in ("before", "after"):
        text = (scene.folder / name / "index.html").read_text()
        assert SECRET not in text
        assert "••••" in text


def test_a_run_that_was_refused_comes_first_with_what_helps(open_scene: OpenScene) -> None:
    refused = Fault(on="trigger", ending=Reply(code=62104, msg="<b>offline</b>"))
    scene = open_scene(runs("a"), refused)
    scene.run("apply", exits=1)
    scene.run("report", "--out", str(scene.folder / "out"))
    found = page(scene.folder / "out")
    assert "Refused by the service 1" in found.text
    assert "no task): <b>offline</b>" in found.text
    assert "reconciler apply --env test" in found.text


def test_without_a_remote_there_is_a_report(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "remote", "remove", "origin")
    said = scene.run("report", "--out", str(scene.folder / "out"))
    assert "offline" in said.err
    assert page(scene.folder / "out").rows()[0]["look"] == "ready"


def test_a_history_that_cannot_be_read_costs_the_report_only_what_it_tells(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))

    def fail(*_: object) -> None:
        raise GitError("a tree is missing")

    monkeypatch.setattr(Git, "origins", fail)
    said = scene.run("report", "--out", str(scene.folder / "out"))
    assert "what brought each manifest is not shown: a tree is missing" in said.err
    assert page(scene.folder / "out").rows()[0]["run"] == "a"


def test_every_environment_is_in_one_page(open_scene: OpenScene) -> None:
    files = {**runs("a"), "triggers-other/b.yaml": manifest("b", 2)}
    scene = open_scene(
        files, configured=lambda url: configuration(url, environments=("test", "other"))
    )
    out = str(scene.folder / "out")
    scene.run("report", "--out", out)
    names = [one["name"] for one in page(Path(out)).data["environments"]]
    assert names == ["test", "other"]
    scene.run("report", "--out", out, "--env", "other")
    assert [row["run"] for row in page(Path(out)).rows()] == ["b"]


@pytest.mark.parametrize("folder", ["triggers/page", "state/test", "state/test/page"])
def test_no_page_is_written_among_manifests_or_into_a_ledgers_folder(
    open_scene: OpenScene, folder: str
) -> None:
    scene = open_scene(runs("a"))
    said = scene.run("report", "--out", folder, exits=1)
    assert f"{folder} is not written" in said.err
    assert not (scene.clone / folder).exists()
    (scene.folder / "elsewhere").symlink_to(scene.clone / "triggers")
    outside = str(scene.folder / "elsewhere" / "page")
    assert "holds manifests" in scene.run("report", "--out", outside, exits=1).err
