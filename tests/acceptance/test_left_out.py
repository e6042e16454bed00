"""What a command does not look at is said: files, folders, paths and labels."""

import json

import pytest

from reconciler.manifest.read import looks_like_manifest
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, Said, configuration, manifest, runs
from tests.acceptance.test_backfill import backfill
from tests.repositories import git

LOOKALIKES = ("up.YAML", "z.yaml.txt", "old.yml~", "js.json", "nodot")
BESIDE = {
    f"triggers/{name}": manifest(f"m{flow}", flow) for flow, name in enumerate(LOOKALIKES, 10)
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in LOOKALIKES),
        *(
            (name, True)
            for name in ("a.Yml", "a.yaml.bak", "a.yaml1", "a.yalm", "a.JSON", "b/a.YAML")
        ),
        *((name, True) for name in ("a.yamll", "a.yaaml", "a.ymll", "a.YAMLL", "a.ylm", "a.ymla")),
        *((name, False) for name in ("a.yaml", "b/a.yml", "README", "README.md", "OWNERS")),
        *(
            (name, False)
            for name in (".a.json", ".b/a.YAML", "a.sh", "a.txt", "a.yamlish", "a.jsonl")
        ),
    ],
)
def test_a_manifest_by_another_name_is_known_by_its_name(name: str, *, expected: bool) -> None:
    assert looks_like_manifest(f"triggers/{name}", "triggers") is expected


def test_files_that_look_like_manifests_and_are_not_read_are_problems(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("ok") | BESIDE | {"triggers/README.md": "x", "triggers/.x.json": "{}"})
    said = scene.run("validate", exits=1)
    *problems, last = said.out.splitlines()
    assert last == "5 problems in 1 file, 1 run"
    assert [line.split(": ")[:2] for line in problems] == [
        [f"{path}:1:1", "ignored-file"] for path in sorted(BESIDE)
    ]
    assert (
        "note: triggers/up.YAML:1:1: ignored-file: looks like a manifest and is not read"
        in scene.run("plan").err
    )


@pytest.mark.parametrize("folder", ["", "of/them/"])
def test_an_apply_says_which_files_of_the_branch_it_did_not_read(
    open_scene: OpenScene, folder: str
) -> None:
    inside = {
        path.replace("triggers/", f"triggers/{folder}"): text for path, text in BESIDE.items()
    }
    scene = open_scene(runs("ok") | inside)
    (scene.clone / f"triggers/{folder}up.YAML").unlink()  # what counts is what the branch holds
    said = scene.run("apply")
    notes = [line for line in said.err.splitlines() if line.startswith("note: ")]
    assert [note.split(": ")[1:3] for note in notes] == [
        [f"{path}:1:1", "ignored-file"] for path in sorted(inside)
    ]
    assert scene.run("apply", "--quiet").err == ""


CRON_DAYS = backfill(
    matrix={"SITE": ["a"]},
    businessDates={"from": "2024-03-01", "to": "2024-03-31", "cron": "0 8 1 * 1"},
    stagger=None,
)


def test_strict_refuses_what_is_only_said_otherwise(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": CRON_DAYS})
    assert "note: triggers/a.yaml:" in scene.run("validate").err
    assert scene.run("validate", "--quiet").err == ""
    said = scene.run("validate", "--strict", exits=1)
    assert said.out.splitlines()[-1].startswith("1 problem in 1 file, ")
    assert said.err == ""


def test_strict_has_nothing_against_a_tidy_folder(open_scene: OpenScene) -> None:
    scene = open_scene(runs("ok") | {"triggers/README.md": "x"})
    assert scene.run("validate", "--strict").out == "1 file, 1 run: no problems\n"


def test_notes_have_a_place_in_every_format(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": CRON_DAYS})
    found = scene.run("validate", "--format", "json").json
    assert found["problems"] == []
    assert [(note["code"], note["file"]) for note in found["notes"]] == [
        ("cron-days", "triggers/a.yaml")
    ]
    said = scene.run("validate", "--format", "github").out
    assert "\n::warning file=triggers/a.yaml," in said
    (log,) = json.loads(scene.run("validate", "--format", "sarif").out)["runs"]
    assert [(one["ruleId"], one["level"]) for one in log["results"]] == [("cron-days", "note")]


def misspelt(url: str) -> str:
    return configuration(url).replace("manifests: triggers", "manifests: trigger")


def no_folders(said: Said) -> list[str]:
    return [line for line in said.out.splitlines() if ": no-folder: " in line]


def test_a_folder_of_manifests_by_a_wrong_name_is_a_problem_though_runs_are_recorded(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet")
    scene.push({CONFIGURATION: misspelt(scene.url)})
    said = scene.run("validate", exits=1)
    assert no_folders(said)
    assert "environments.test.manifests: there is no folder trigger," in said.flat
    assert "note: triggers/a.yaml:1:1: unread-manifest: is a manifest in no" in said.flat
    assert "no-folder" in scene.run("plan").err


def test_manifests_that_were_moved_without_the_configuration_are_a_problem(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "mv", "triggers", "manifests")
    assert no_folders(scene.run("validate", exits=1))


@pytest.mark.parametrize("is_applied", [True, False])
def test_the_last_manifest_may_go_and_takes_its_folder_along(
    open_scene: OpenScene, *, is_applied: bool
) -> None:
    scene = open_scene(runs("a"))
    if is_applied:
        scene.run("apply")
        git(scene.clone, "pull", "--quiet")
        (scene.clone / ".git").rename(scene.folder / "gone")  # the ledger alone will do
    git_free = scene.clone / "triggers/a.yaml"
    git_free.unlink()
    git_free.parent.rmdir()
    said = scene.run("validate")
    assert "note: reconciler.yaml:4:16: no-folder: " in said.err
    assert no_folders(scene.run("validate", "--strict", exits=1))


def test_the_last_manifest_may_go_in_a_shallow_clone_that_knows_the_base(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    base = scene.tip()
    scene.remove("triggers/a.yaml")
    shallow = scene.folder / "shallow"
    git(scene.folder, "clone", "--quiet", "--depth=1", scene.origin.as_uri(), str(shallow))
    monkeypatch.chdir(shallow)
    assert no_folders(scene.run("validate", exits=1))  # as far as it goes back, there was none
    git(shallow, "fetch", "--quiet", "--depth=1", "origin", base)
    scene.run("validate", "--base", base)


def test_manifests_in_a_folder_that_no_environment_reads_are_said(open_scene: OpenScene) -> None:
    other = {
        "docs/b.yaml": manifest("b", 2),
        "c.yml": "---\n" + manifest("c", 3),
        "d.yaml": '{"apiVersion": "reconciler/v1", "kind": "Trigger"}',
        ".hidden/e.yaml": manifest("e", 4),
        "docs/other.yaml": "kind: Trigger\n",
        "inner/reconciler.yaml": "version: 1\n",
        "inner/triggers/f.yaml": manifest("f", 5),
        "ignored/g.yaml": manifest("g", 6),
        ".gitignore": "ignored\n",
    }
    scene = open_scene(runs("a") | other)
    (note,) = scene.run("validate", "--format", "json").json["notes"]
    assert (note["code"], note["file"]) == ("unread-manifest", "c.yml")
    assert "(nor are 2 more, such as docs/b.yaml)" in note["message"]
    scene.run("validate", "--strict", exits=1)
    assert scene.run("validate", "--format", "json", "triggers").json["notes"] == []
    assert scene.run("validate", "c.yml", exits=1).err.startswith("error: c.yml is in no env")


def test_those_of_a_folder_of_a_monorepo_are_said_as_it_calls_them(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    inner = scene.clone / "team [a]*"
    (inner / "triggers").mkdir(parents=True)
    (inner / CONFIGURATION).write_text(configuration(scene.url))
    (inner / "triggers/b.yaml").write_text(manifest("b", 2))
    (inner / "c.yaml").write_text(manifest("c", 3))
    monkeypatch.chdir(inner)
    (note,) = scene.run("validate", "--format", "json").json["notes"]
    assert (note["code"], note["file"]) == ("unread-manifest", "c.yaml")


@pytest.mark.parametrize("path", sorted(BESIDE))
def test_a_path_that_only_looks_like_a_manifest_does_not_pass(
    open_scene: OpenScene, path: str
) -> None:
    said = open_scene(runs("ok") | BESIDE).run("validate", path, exits=1)
    assert f"error: {path} is not read, so it declares nothing" in said.err


@pytest.mark.parametrize(
    ("path", "files", "count"),
    [("triggers/a.yaml", 1, 1), ("triggers/sub", 1, 2), (".", 2, 3), ("state", 0, 0)],
)
def test_a_path_counts_its_own_files_and_runs_only(
    open_scene: OpenScene, path: str, files: int, count: int
) -> None:
    two = manifest("b", 2) + "---\n" + manifest("c", 3)
    scene = open_scene(runs("a") | {"triggers/sub/two.yaml": two, "state/test/x": ""})
    found = scene.run("validate", "--format", "json", path).json
    assert (found["files"], found["runs"]) == (files, count)


def test_a_path_in_a_folder_of_no_environment_is_refused(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a") | {"docs/x.md": "x", "triggers/empty/x.md": "x"})
    said = scene.run("validate", "docs", exits=1)
    assert said.err.startswith("error: docs is no folder of an environment")
    assert "triggers/empty holds no manifests" in scene.run("validate", "triggers/empty").err
    assert "docs/x.md is no manifest" in scene.run("validate", "docs/x.md").err
    assert scene.run("validate", "reconciler.yaml").err == ""


def test_a_path_of_another_environment_is_said(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a") | {"triggers-prod/b.yaml": manifest("b", 2)},
        configured=lambda url: configuration(url, environments=("test", "prod")),
    )
    said = scene.run("validate", "--env", "test", "triggers-prod/b.yaml")
    assert "triggers-prod/b.yaml is of the environment prod" in said.err


def test_a_label_that_no_run_carries_is_said(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, labels={"team": "wind"}), **runs("b")})
    said = scene.run("status", "--label", "team=wnid")
    assert "no run carries the label team=wnid; team is wind" in said.err
    said = scene.run("status", "--label", "tean=wind", "--detailed-exitcode", exits=1)
    assert "error: no run has the label tean" in said.err
    assert "Did you mean team?" in said.flat
    assert scene.run("status", "--label", "team=wind").err == ""
