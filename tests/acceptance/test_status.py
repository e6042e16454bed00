"""`status` from end to end: why a run is not done, filters, and the exit code for pipelines."""

import json

from reconciler.sandbox import FlowOptions, SandboxOptions, Status
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import manifest, runs
from tests.repositories import git


def test_the_detailed_exit_code_goes_from_still_to_come_to_failed_and_to_all_well(
    open_scene: OpenScene,
) -> None:
    flows = {1: FlowOptions(ends=(Status.FAIL, Status.SUCCESS))}
    options = SandboxOptions(run_seconds=0, flows=flows)
    scene = open_scene(runs("a"), options=options)
    detailed = ("status", "--detailed-exitcode")
    scene.run("status")
    scene.run(*detailed, exits=5)
    scene.run("apply")
    scene.run(*detailed, exits=5)
    scene.run(*detailed, "--refresh", exits=1)
    assert "a" in scene.run(*detailed, "--state", "failed", exits=1).out
    scene.run(*detailed, "--state", "pending")
    git(scene.clone, "pull", "--quiet", "--ff-only", "origin", "main")
    scene.push({"triggers/a.yaml": manifest("a", 1, revision=2)})
    scene.run("apply", "--wait")
    scene.run(*detailed)


def test_where_filters_by_parameter_in_every_format(open_scene: OpenScene) -> None:
    scene = open_scene(runs("cn-01", "cn-02", "de-01"))  # each has itself as its SITE
    rows = scene.run("status", "--where", "SITE=cn-*", "--format", "json").json["runs"]
    assert [row["run"] for row in rows] == ["cn-01", "cn-02"]
    assert rows[0]["reason"].startswith("ready: ")
    text = scene.run("status", "--where", "SITE=cn-01", "--where", "SITE=de-01").out
    assert "cn-01" in text
    assert "de-01" in text
    assert "cn-02" not in text
    summary = scene.run("status", "--where", "SITE=de-*", "--format", "markdown").out
    assert summary.startswith("### Status of `test`\n\n**1 pending**\n")
    assert "no run has the parameter SITE=fr-*" in scene.run("status", "--where", "SITE=fr-*").err
    assert "KEY=VALUE" in scene.run("status", "--where", "SITE", exits=2).err


def test_json_says_where_a_run_is_declared_and_what_it_waits_for(open_scene: OpenScene) -> None:
    files = {"triggers/b.yaml": manifest("b", 2, dependsOn=["a"])} | runs("a")
    scene = open_scene(files)
    rows = json.loads(scene.run("status", "--format", "json").out)["runs"]
    (row,) = [row for row in rows if row["run"] == "b"]
    assert row["reason"] == "waits-for: a, which was not started yet"
    assert row["waitsFor"] == ["a"]
    assert (row["manifest"], row["file"], row["line"]) == ("b", "triggers/b.yaml", 1)
    assert (row["businessDate"], row["attempt"]) == ("2024-03-01", 1)
    assert row["parameters"] == [{"key": "SITE", "value": "b"}]
