"""`status` from end to end: why a run is not done, filters, and the exit code for pipelines."""

import json
import signal

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
    scene.clock.forward(5)  # by then the service must show it
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


BACKFILL = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {name: wind}
spec:
  flowId: 5
  businessDates: {from: 2024-03-01, to: 2024-03-03, every: 1d}
  matrix: {SITE: [cn-01, cn-02]}
  stagger: 1m
"""


def test_a_grid_shows_a_backfill_by_date_and_site_in_text_and_markdown(
    open_scene: OpenScene,
) -> None:
    scene = open_scene({"triggers/wind.yaml": BACKFILL} | runs("a"))
    grid = scene.run("status", "--grid").out
    assert "SITE   123\ncn-01  rrr\ncn-02  rrr\n" in grid
    assert "1 run of no backfill: 1 pending." in grid
    turned = scene.run("status", "--grid", "--rows", "date", "--format", "markdown", "wind").out
    assert "\n2024-03-03  rr\n" in turned
    scene.run("status", "--grid", "--detailed-exitcode", exits=5)
    scene.run("status", "--grid", "--format", "json", exits=2)
    scene.run("status", "--rows", "SITE", exits=2)
    said = scene.run("status", "--grid", "--rows", "SIET", exits=1)
    assert "has the key SIET" in said.err
    assert "SITE, date" in said.err


def test_a_watch_ends_once_nothing_is_under_way_and_tells_each_change(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"), options=SandboxOptions(run_seconds=1))
    scene.run("apply")
    said = scene.run("status", "--watch", "--refresh", "--interval", "1s")
    first, *_ = lines = said.out.splitlines()
    assert first in {"test: 1 triggered", "test: 1 succeeded"}
    assert "test: 1 succeeded" in lines
    assert "is asked each time" not in said.err
    assert "with --refresh the service is asked each time" in scene.run("status", "--watch").err


def test_a_watch_is_left_with_ctrl_c(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    process = scene.start("status", "--watch")
    assert process.stdout is not None
    assert process.stdout.readline() == "test: 1 triggered\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("interrupted\n")


def test_a_watch_is_for_people(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    for more in (("--format", "json"), ("--format", "markdown"), ("--offline",)):
        assert "--watch goes with" in scene.run("status", "--watch", *more, exits=2).err
    assert "goes with --watch" in scene.run("status", "--interval", "5s", exits=2).err


def test_manifests_stand_in_one_order_however_far_their_runs_have_come(
    open_scene: OpenScene,
) -> None:
    """By name, numbers by their size; what is recorded does not move to the end."""
    names = ("b-10", "b-9", "a", "c")
    scene = open_scene(runs(*names))
    for chosen in ((), ("b-10",), ("c",), ("a", "b-9")):
        if chosen:
            scene.run("apply", *chosen)
        rows = scene.run("status", "--format", "json").json["runs"]
        assert [row["run"] for row in rows] == ["a", "b-9", "b-10", "c"]
