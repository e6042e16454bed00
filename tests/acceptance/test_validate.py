"""`reconciler validate`: every problem of the working tree, with its place; no network."""

import json
import os
from pathlib import Path

import pytest

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, Scene, configuration, manifest, runs
from tests.repositories import git

_NO_FLOW = manifest("no-flow", 1, flowId=None)
_BAD = {"triggers/no-flow.yaml": _NO_FLOW, "triggers/time.yaml": manifest("t", 1, triggerTime="x")}


def test_a_sound_repository_is_counted_and_exits_with_0(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    said = scene.run("validate")
    assert (said.out, said.err) == ("2 files, 2 runs: no problems\n", "")


def test_it_needs_neither_remote_nor_credentials_nor_git(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    (scene.clone / ".git").rename(scene.folder / "gone")
    monkeypatch.delenv("ENOS_ACCESS_KEY")
    monkeypatch.delenv("ENOS_SECRET_KEY")
    scene.run("validate")
    assert scene.sandbox.requests == []


def test_text_has_file_line_column_and_code_of_each_problem(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a") | _BAD)
    said = scene.run("validate", exits=1)
    first, second, last = said.out.splitlines()
    assert first.startswith("triggers/no-flow.yaml:")
    assert ": required: " in first
    assert "flowId" in first
    assert second.startswith("triggers/time.yaml:7:")
    assert ": format: " in second
    assert last == "2 problems in 3 files, 1 run"


def test_json_is_one_document_with_the_fields_of_the_contract(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a") | _BAD)
    said = scene.run("validate", "--format", "json", exits=1)
    assert {key: said.json[key] for key in ("version", "files", "runs")} == {
        "version": 1,
        "files": 3,
        "runs": 1,
    }
    for problem in said.json["problems"]:
        assert problem.keys() >= {"file", "line", "column", "code", "pointer", "message"}
    assert [(one["code"], one["pointer"]) for one in said.json["problems"]] == [
        ("required", "/spec/flowId"),
        ("format", "/spec/triggerTime"),
    ]


def test_github_annotations_point_at_the_lines(open_scene: OpenScene) -> None:
    scene = open_scene(_BAD)
    said = scene.run("validate", "--format", "github", exits=1)
    assert said.out.count("\n::error ") == 2
    assert "::error file=triggers/time.yaml,line=7,col=" in said.out
    assert "\n2 problems in 2 files, " in said.out


def test_github_only_counts_what_is_sound(open_scene: OpenScene) -> None:
    said = open_scene(runs("a")).run("validate", "--format", "github")
    assert said.out == "1 file, 1 run: no problems\n"


def test_gitlab_and_junit_report_the_same_problems(open_scene: OpenScene) -> None:
    scene = open_scene(_BAD)
    found = scene.run("validate", "--format", "gitlab", exits=1).json
    assert [(one["check_name"], one["location"]["path"]) for one in found] == [
        (one["code"], one["file"])
        for one in scene.run("validate", "--format", "json", exits=1).json["problems"]
    ]
    report = scene.run("validate", "--format", "junit", exits=1).out
    assert report.count("<failure ") == len(found) == 2
    assert ' failures="2" ' in report


def test_sarif_is_a_log_whose_results_have_rules_and_places(open_scene: OpenScene) -> None:
    scene = open_scene(_BAD)
    said = scene.run("validate", "--format", "sarif", exits=1)
    (log,) = said.json["runs"]
    assert said.json["version"] == "2.1.0"
    assert [result["ruleId"] for result in log["results"]] == ["required", "format"]
    places = [one["locations"][0]["physicalLocation"] for one in log["results"]]
    assert [place["artifactLocation"]["uri"] for place in places] == sorted(_BAD)
    assert [rule["id"] for rule in log["tool"]["driver"]["rules"]] == ["format", "required"]


def test_forges_are_told_paths_in_the_repository_where_a_folder_of_it_is_managed(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene({})
    folder = scene.clone / "team"
    (folder / "triggers").mkdir(parents=True)
    (folder / CONFIGURATION).write_text(configuration(scene.url))
    (folder / "triggers/time.yaml").write_text(_BAD["triggers/time.yaml"])
    monkeypatch.chdir(folder)
    path = "team/triggers/time.yaml"
    assert f"::error file={path}," in scene.run("validate", "--format", "github", exits=1).out
    (entry,) = scene.run("validate", "--format", "gitlab", exits=1).json
    assert entry["location"]["path"] == path
    assert f'"uri": "{path}"' in scene.run("validate", "--format", "sarif", exits=1).out
    assert f'classname="{path}"' in scene.run("validate", "--format", "junit", exits=1).out
    assert scene.run("validate", exits=1).out.startswith("triggers/time.yaml:")
    (problem,) = scene.run("validate", "--format", "json", exits=1).json["problems"]
    assert problem["file"] == "triggers/time.yaml"
    (folder / "triggers/new.yaml").write_text(manifest("new", 1))
    said = scene.run("plan", "--base", "HEAD", "--format", "markdown", exits=1).out
    assert f"- `{path}:7:" in said
    assert "`team/triggers/new.yaml:1`" in said
    (folder / CONFIGURATION).write_text("version: 1\n")
    said = scene.run("validate", "--format", "github", exits=1).out
    assert "::error file=team/reconciler.yaml," in said


@pytest.mark.parametrize(
    ("path", "problems", "files"),
    [
        ("triggers/time.yaml", 1, 1),
        ("triggers/a.yaml", 0, 1),
        ("triggers", 2, 3),
        (".", 2, 3),
        ("README.md", 0, 0),
    ],
)
def test_a_path_leaves_out_the_problems_of_other_files(
    open_scene: OpenScene, path: str, problems: int, files: int
) -> None:
    scene = open_scene(runs("a") | _BAD | {"README.md": "hi\n"})
    said = scene.run("validate", "--format", "json", path, exits=1 if problems else 0)
    assert (len(said.json["problems"]), said.json["files"]) == (problems, files)


def test_a_path_is_relative_to_the_current_folder(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a") | _BAD)
    monkeypatch.chdir(scene.clone / "triggers")
    assert "1 problem in 1 file" in scene.run("validate", "time.yaml", exits=1).out


def test_a_path_outside_the_repository_is_refused(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    outside = scene.folder / "outside.yaml"
    outside.write_text(_NO_FLOW)
    said = scene.run("validate", str(outside), exits=1)
    assert said.err.startswith(f"error: {outside} is not in the repository ")


def test_a_manifest_outside_every_environments_folder_does_not_pass(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a") | {"other/b.yaml": manifest("b", 2)})
    said = scene.run("validate", "other/b.yaml", exits=1)
    assert said.err.startswith("error: other/b.yaml is in no environment's folder of manifests")


def test_a_path_that_does_not_exist_is_wrong_usage(open_scene: OpenScene) -> None:
    assert "does not exist" in open_scene(runs("a")).run("validate", "nowhere", exits=2).err


def test_several_environments_are_all_validated_unless_one_is_named(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a") | {"triggers-prod/bad.yaml": _NO_FLOW},
        configured=lambda url: configuration(url, environments=("test", "prod")),
    )
    assert "1 problem in 2 files, 1 run" in scene.run("validate", exits=1).out
    assert "1 problem in 1 file, 0 runs" in scene.run("validate", "--env", "prod", exits=1).out
    assert "1 file, 1 run: no problems" in scene.run("--env", "test", "validate").out


def test_the_same_name_in_two_environments_is_no_problem(open_scene: OpenScene) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1), "triggers-prod/a.yaml": manifest("a", 2)},
        configured=lambda url: configuration(url, environments=("test", "prod")),
    )
    scene.run("validate")


@pytest.mark.long
def test_ten_thousand_problems_are_all_reported_at_once(open_scene: OpenScene) -> None:
    scene = open_scene({})
    folder = scene.clone / "triggers"
    folder.mkdir()
    for file in range(10):
        names = (f"run-{file}-{number}" for number in range(1000))
        documents = (_NO_FLOW.replace("no-flow", name) for name in names)
        (folder / f"{file}.yaml").write_text("---\n".join(documents))
    said = scene.run("validate", exits=1)
    assert len(said.out.splitlines()) == 10_001
    assert said.out.endswith("10000 problems in 10 files, 0 runs\n")


@pytest.mark.parametrize("kept", [{"triggers/.gitkeep": ""}, {"triggers/notes.txt": "x"}])
def test_a_repository_without_manifests_and_without_state_is_sound(
    open_scene: OpenScene, kept: dict[str, str]
) -> None:
    scene = open_scene(kept)
    assert scene.run("validate").out == "0 files, 0 runs: no problems\n"
    assert "Nothing to do." in scene.run("plan").out
    assert "Nothing to do." in scene.run("apply").out
    assert scene.run("status").out == "test: no runs\n"


def test_one_without_the_folder_of_manifests_hinders_no_apply_and_is_told_what_to_do(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({})
    said = scene.run("validate", exits=1)
    assert "no-folder: environments.test.manifests: there is no folder triggers" in said.out
    assert "put a manifest into it (an empty .gitkeep will do" in said.flat
    assert "Nothing to do." in scene.run("plan").out
    assert "Nothing to do." in scene.run("apply").out
    assert scene.run("status").out == "test: no runs\n"


def test_a_link_that_leads_nowhere_is_a_problem_and_not_wrong_usage(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    (scene.clone / "triggers/gone.yaml").symlink_to("nowhere")
    said = scene.run("validate", "triggers/gone.yaml", exits=1)
    assert "triggers/gone.yaml:1:1: link: is a symbolic link" in said.out


def test_problems_of_the_configuration_are_reported_like_those_of_manifests(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    path = scene.clone / CONFIGURATION
    path.write_text(path.read_text().replace("orgId: o1", "orgId: 1\n      colour: red"))
    said = scene.run("validate", "--format", "json", exits=1)
    assert [(one["file"], one["code"]) for one in said.json["problems"]] == [
        (CONFIGURATION, "type"),
        (CONFIGURATION, "unknown-field"),
    ]
    for command in ("plan", "apply", "status"):
        assert f"{CONFIGURATION}:" in scene.run(command, exits=1).err


def test_a_folder_without_a_configuration_says_so(
    open_scene: OpenScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.chdir(tmp_path)
    for command in ("validate", "plan", "apply", "status"):
        said = scene.run(command, exits=1)
        assert said.err.startswith("error: no reconciler.yaml here or above\n")
    said = scene.run("validate", "--repo", str(tmp_path), exits=1)
    assert said.err.startswith(f"error: {tmp_path} has no reconciler.yaml\n")


def test_a_bare_clone_is_not_told_to_begin_a_configuration(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.chdir(scene.origin)
    said = scene.run("apply", exits=1)
    assert "This is a bare clone or git's own folder: use a clone with a working tree" in said.flat
    assert "reconciler init" not in said.flat


def test_a_folder_with_a_file_that_cannot_be_read_is_not_said_to_hold_none(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    for file in (scene.clone / "triggers").iterdir():
        file.unlink()
        os.mkfifo(file)
    assert "there are no manifests" not in scene.run("validate", exits=1).err


def _applied(open_scene: OpenScene) -> Scene:
    scene = open_scene(runs("a"))
    scene.run("apply")
    return scene


def test_a_changed_run_is_found_before_the_merge(open_scene: OpenScene) -> None:
    scene = _applied(open_scene)
    (scene.clone / "triggers/a.yaml").write_text(manifest("a", 7))
    said = scene.run("validate", exits=1)
    assert "triggers/a.yaml:6:3: changed: a is recorded with flow 1, not 7" in said.flat
    assert "`revision: 2`" in said.out


def test_a_renamed_run_is_found_before_the_merge(open_scene: OpenScene) -> None:
    scene = _applied(open_scene)
    same = manifest("a", 1).replace("name: a", "name: b")
    git(scene.clone, "rm", "--quiet", "triggers/a.yaml")
    (scene.clone / "triggers").mkdir(exist_ok=True)
    (scene.clone / "triggers/b.yaml").write_text(same)
    said = scene.run("validate", exits=1)
    assert ": duplicate: b is the same run as a, which is recorded" in said.flat


def test_a_collision_is_found_before_the_merge(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1),
            "triggers/b.yaml": manifest("b", 1, triggerTime="2024-03-02T08:00:59+08:00"),
        }
    )
    said = scene.run("validate", "--format", "json", exits=1)
    assert [one["code"] for one in said.json["problems"]] == ["collision", "collision"]


def test_a_damaged_ledger_stops_it_with_file_and_line(open_scene: OpenScene) -> None:
    scene = _applied(open_scene)
    path = scene.clone / "state/test/ledger.jsonl"
    path.write_text(path.read_text() + json.dumps({"v": 2, "event": "claim"}) + "\n")
    said = scene.run("validate", exits=1)
    place = "state/test/ledger.jsonl:3:1: ledger-unreadable"
    assert said.out.startswith(f"{place}: written in format 2")


def test_more_runs_than_the_environment_may_declare_are_one_problem_everywhere(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        runs("a", "b", "c"), configured=lambda url: configuration(url, limits={"maxRuns": 2})
    )
    for command in ("validate", "plan", "apply"):
        said = scene.run(command, exits=1)
        assert (
            "triggers/c.yaml:1:1: too-many-runs: with this manifest environment test" in said.flat
        )
        assert "at least 3 runs" in said.flat
        assert "more than the 2 that its limits.maxRuns allows" in said.flat
    assert scene.instances == []


@pytest.mark.parametrize("path", ["a", "c", "d"])
def test_nothing_is_said_of_files_that_were_not_read(open_scene: OpenScene, path: str) -> None:
    """Nor of those that were: all manifests together tell what is wrong with one."""
    scene = open_scene(
        runs("a", "b", "c", "d"), configured=lambda url: configuration(url, limits={"maxRuns": 2})
    )
    said = scene.run("validate", f"triggers/{path}.yaml", exits=1)
    assert "too-many-runs" in said.out
    assert "Not read: 1 more of its files." in said.flat
    assert said.out.endswith("\n1 problem\n")


def test_a_ledger_is_no_orphan_only_because_the_manifests_were_not_read(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a", "b"))
    scene.run("apply")
    scene.push({"reconciler.yaml": configuration(scene.url, limits={"maxRuns": 1})})
    for command in ("plan", "status"):
        said = scene.run(command, exits=1)
        assert "too-many-runs" in said.err
        assert said.out == ""


@pytest.mark.long
def test_a_few_lines_that_declare_what_no_memory_holds_are_refused_at_once(
    open_scene: OpenScene,
) -> None:
    header = "apiVersion: reconciler/v1\nkind: Backfill\n"
    dates = "{from: 1990-01-01, to: 2017-01-01, every: 1d}"
    body = f"spec: {{flowId: 1, businessDates: {dates}}}\n"
    documents = [f"{header}metadata: {{name: b-{n}}}\n{body}" for n in range(200)]
    scene = open_scene({"triggers/all.yaml": "---\n".join(documents)})
    said = scene.run("validate", exits=1)
    assert "triggers/all.yaml:" in said.out
    assert "at least 200,001 runs" in said.flat
