"""`sequential`, `match`, `maxActive` and `stopAfter` from end to end."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.sandbox import FlowOptions, SandboxOptions, Status
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene

_FAST = SandboxOptions(run_seconds=0.05)


def backfill(name: str, flow: int, days: int = 3, **more: Any) -> dict[str, str]:
    """A file with a backfill of that many dates."""
    dates = {"from": "2024-03-01", "to": f"2024-03-0{days}", "every": "1d"}
    content = {
        "apiVersion": "reconciler/v1",
        "kind": "Backfill",
        "metadata": {"name": name},
        "spec": {"flowId": flow, "businessDates": dates, **more},
    }
    return {f"triggers/{name}.yaml": json.dumps(content)}


def ends_of(flow: int, *ends: Status) -> SandboxOptions:
    return SandboxOptions(run_seconds=0.05, flows={flow: FlowOptions(ends=ends)})


def started_and_ended(scene: Scene) -> list[str]:
    """The dates in the ledger, in their order: `+01` was started, `-01` ended."""
    signs: Mapping[str, str] = {"triggered": "+", "observed": "-"}
    return [
        signs[event["event"]] + event["run"].partition("/")[2][8:]
        for event in scene.ledger()
        if event["event"] in signs
    ]


def reasons(scene: Scene) -> dict[str, str]:
    return {row["run"]: row["reason"] for row in scene.run("plan", "--format", "json").json["runs"]}


def test_one_apply_that_waits_goes_through_the_dates_in_their_order(open_scene: OpenScene) -> None:
    scene = open_scene(backfill("b", 1, 2, sequential=True), options=_FAST)
    scene.run("apply", "--wait")
    assert started_and_ended(scene) == ["+01", "-01", "+02", "-02"]


@pytest.mark.long  # tests/test_sequences.py has the rule
def test_a_date_that_fails_ends_the_chain_and_the_wait_with_1(open_scene: OpenScene) -> None:
    options = ends_of(1, Status.SUCCESS, Status.FAIL, Status.SUCCESS)
    scene = open_scene(backfill("b", 1, 4, sequential=True), options=options)
    said = scene.run("apply", "--wait", exits=1)
    assert len(scene.posts) == 2
    words = "blocked: b/2024-03-02 failed (FAIL), and each date waits for the one before it"
    assert f"{words} (2 runs)" in said.flat
    status = scene.run("status", "--format", "json").json["runs"]
    told = {row["run"]: row["reason"] for row in status}
    assert told["b/2024-03-04"] == words
    scene.push(backfill("b", 1, 4, sequential=True, exclude=[{"businessDate": "2024-03-02"}]))
    scene.run("apply", "--wait")
    assert len(scene.posts) == 4


@pytest.mark.long  # tests/test_sequences.py has the rule
def test_each_report_starts_once_its_own_import_has_succeeded(open_scene: OpenScene) -> None:
    match = {"name": "import", "match": ["businessDate"]}
    files = backfill("import", 1) | backfill("report", 2, dependsOn=[match])
    scene = open_scene(files, options=ends_of(1, Status.SUCCESS, Status.FAIL, Status.SUCCESS))
    before = scene.run("plan").flat
    waits = "each waits for the runs of import that agree in businessDate; the first waits for "
    assert f"{waits}import/2024-03-01, which was not started yet" in before
    scene.run("apply", "--wait", exits=1)
    assert scene.posts.count(2) == 2
    assert reasons(scene)["report/2024-03-02"] == "blocked: import/2024-03-02 failed (FAIL)"


@pytest.mark.long  # tests/test_limits.py has the rule
def test_no_more_are_under_way_than_the_manifest_allows(open_scene: OpenScene) -> None:
    scene = open_scene(backfill("b", 1, 2, maxActive=1), options=SandboxOptions(run_seconds=2))
    said = scene.run("apply")
    assert "1 of 1 at most are under way (1 run)" in said.flat
    assert started_and_ended(scene) == ["+01"]
    scene.run("apply", "--wait")  # also for what another apply has under way
    assert started_and_ended(scene) == ["+01", "-01", "+02", "-02"]


@pytest.mark.long  # tests/test_limits.py has the rule
def test_after_so_many_failures_nothing_starts_until_the_number_is_raised(
    open_scene: OpenScene,
) -> None:
    stop: dict[str, Any] = {"maxActive": 1, "stopAfter": {"failures": 1}}
    scene = open_scene(backfill("b", 1, **stop), options=ends_of(1, Status.FAIL, Status.SUCCESS))
    said = scene.run("apply", "--wait", exits=1)
    assert len(scene.posts) == 1
    words = (
        "stopped: 1 run has failed, and stopAfter is 1: raise the number, or `revision` to run all "
        "of b again"
    )
    assert f"{words} (2 runs)" in said.flat
    assert reasons(scene)["b/2024-03-02"] == words
    scene.push(backfill("b", 1, maxActive=1, stopAfter={"failures": 2}))
    scene.run("apply", "--wait")
    assert len(scene.posts) == 3
