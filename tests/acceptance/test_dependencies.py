"""`dependsOn`, `retry`, `cancel`, and `apply --wait` from end to end."""

import os
import signal
from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.sandbox import Fault, FlowOptions, Reply, SandboxOptions, Status
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD_MS, Scene, manifest

_FAST = SandboxOptions(run_seconds=0.05)


def _chain(*names: str, **last: Any) -> dict[str, str]:
    """Files of runs of flows 1, 2, … each of which waits for the one before it."""
    files = {}
    for flow, name in enumerate(names, start=1):
        more: dict[str, Any] = {"dependsOn": [names[flow - 2]]} if flow > 1 else {}
        more |= last if flow == len(names) else {}
        files[f"triggers/{name}.yaml"] = manifest(name, flow, **more)
    return files


def _flows(flows: Mapping[int, FlowOptions], run_seconds: float = 0.05) -> SandboxOptions:
    return SandboxOptions(run_seconds=run_seconds, flows=flows)


def _actions(scene: Scene) -> dict[str, tuple[str, str]]:
    rows = scene.run("plan", "--format", "json").json["runs"]
    return {row["run"]: (row["action"], row["reason"]) for row in rows}


def test_a_dependent_waits_until_success_is_recorded_and_not_merely_a_start(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(_chain("a", "b"), options=SandboxOptions(run_seconds=10))
    scene.run("apply")
    assert scene.posts == [1]
    said = scene.run("apply")
    assert scene.posts == [1]
    assert "waits for a, which has not ended" in said.flat
    scene.clock.forward(20)
    scene.run("apply")
    assert scene.posts == [1, 2]
    ledger = [(one["event"], one.get("run")) for one in scene.ledger()]
    assert ledger.index(("observed", "a")) < ledger.index(("triggered", "b"))


def test_a_plan_tells_that_runs_wait_for_an_end_that_nobody_has_looked_at(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(_chain("a", "b"), options=SandboxOptions(run_seconds=10))
    scene.run("apply")
    said = scene.run("plan", "--detailed-exitcode", exits=5)
    assert "An apply would ask how 1 started run ended: 1 run waits for it." in said.flat
    assert "Nothing to do" not in said.out
    assert "1 run waits for it" in scene.run("plan", "--format", "markdown").flat
    assert scene.run("plan", "--format", "json").json["awaited"] == ["a"]
    scene.clock.forward(20)
    scene.run("apply")
    said = scene.run("plan", "--detailed-exitcode")  # nothing waits for the end of b
    assert "Nothing to do." in said.out
    assert scene.run("plan", "--format", "json").json["awaited"] == []


def test_a_plan_is_at_rest_while_what_is_waited_for_lies_ahead(open_scene: OpenScene) -> None:
    ahead = {"triggers/a.yaml": manifest("a", 1, triggerTime=AHEAD_MS)}
    scene = open_scene({**_chain("a", "b"), **ahead})
    scene.run("apply")
    assert "Nothing to do." in scene.run("plan", "--detailed-exitcode").out


def test_a_plan_warns_that_an_apply_with_wait_counts_all_that_may_follow(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(_chain("a", "b", "c"), options=_FAST)
    warning = "with --wait an apply would start up to 3 runs, more than the limit of 2, and refuse"
    said = scene.run("plan", "--max-runs", "2")
    assert f"Warning: {warning}" in said.flat
    assert "apply --wait --max-runs 3" in said.flat
    shown = scene.run("plan", "--max-runs", "2", "--format", "markdown").flat
    assert "**Warning:** with" in shown
    found = scene.run("plan", "--max-runs", "2", "--format", "json").json
    assert [one["code"] for one in found["warnings"]] == ["too-many-with-wait"]
    assert found["refusals"] == []
    assert scene.run("plan", "--max-runs", "3", "--format", "json").json["warnings"] == []
    scene.run("apply", "--wait", "--max-runs", "2", exits=1)
    assert scene.posts == []
    scene.run("apply", "--wait", "--max-runs", "3")
    assert scene.posts == [1, 2, 3]


@pytest.mark.long  # dates that one apply goes through stay
def test_a_chain_is_seen_through_by_one_apply_that_waits(open_scene: OpenScene) -> None:
    scene = open_scene(_chain("a", "b", "c"), options=_FAST)
    said = scene.run("apply", "--wait")
    assert scene.posts == [1, 2, 3]
    assert set(scene.states().values()) == {"succeeded"}
    assert "3 triggered, 3 succeeded" in said.flat


def test_a_failed_dependency_blocks_and_the_wait_ends_with_1(open_scene: OpenScene) -> None:
    options = _flows({1: FlowOptions(ends=Status.FAIL)})
    scene = open_scene(_chain("a", "b", "c"), options=options)
    said = scene.run("apply", "--wait", exits=1)
    assert scene.posts == [1]
    assert "blocked: a failed (FAIL)" in said.flat
    actions = _actions(scene)
    assert actions["b"] == ("wait", "blocked: a failed (FAIL)")
    assert actions["c"] == ("wait", "blocked: a failed (FAIL)")
    scene.run("apply", "--wait", exits=1)  # what failed before blocks still
    scene.run("apply")
    assert scene.posts == [1]


@pytest.mark.long  # tests/test_dependencies.py has the rule
def test_raising_the_revision_of_what_failed_frees_what_depends_on_it(
    open_scene: OpenScene,
) -> None:
    options = _flows({1: FlowOptions(ends=(Status.FAIL, Status.SUCCESS))})
    scene = open_scene(_chain("a", "b"), options=options)
    scene.run("apply", "--wait", exits=1)
    scene.push({"triggers/a.yaml": manifest("a", 1, revision=2)})
    scene.run("apply", "--wait")
    assert scene.posts == [1, 1, 2]


@pytest.mark.long  # tests/apply/test_doubt_looks.py has the rule
def test_a_wait_that_runs_out_of_time_exits_with_1_and_loses_nothing(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(_chain("a", "b"), options=SandboxOptions(run_seconds=1e6))
    said = scene.run("apply", "--wait", "--timeout", "1s", exits=1)
    assert "a" in said.out
    assert scene.states() == {"a": "triggered", "b": "pending"}
    scene.clock.forward(2e6)
    scene.run("apply", "--wait", "--timeout", "1s", exits=1)
    assert scene.states() == {"a": "succeeded", "b": "triggered"}


@pytest.mark.long  # tests/kills has every moment, of an apply that waits as well
def test_killed_while_waiting_the_next_apply_goes_on(open_scene: OpenScene) -> None:
    scene = open_scene(_chain("a", "b"), options=SandboxOptions(run_seconds=30))
    process = scene.start("apply", "--wait")
    assert process.stderr is not None
    assert any("0 of 1" in line for line in process.stderr)
    assert scene.outcomes("a")  # recorded before it waits
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=250)
    scene.clock.forward(60)
    scene.run("apply")
    assert scene.posts == [1, 2]


@pytest.mark.long  # tests/acceptance/test_interrupts.py has another
def test_a_signal_ends_the_wait_with_130(open_scene: OpenScene) -> None:
    scene = open_scene(_chain("a"), options=SandboxOptions(run_seconds=1e6))
    process = scene.start("apply", "--wait")
    assert process.stderr is not None
    for line in process.stderr:
        if "0 of 1" in line:
            break
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=250)
    assert process.returncode == 130, out
    assert scene.states() == {"a": "triggered"}


def test_a_timeout_without_a_wait_is_wrong_usage(open_scene: OpenScene) -> None:
    scene = open_scene({})
    assert "--wait" in scene.run("apply", "--timeout", "2h", exits=2).err
    for text in ("2", "h", "-1s", "0s", "1d", "1h 2m"):
        said = scene.run("apply", "--wait", "--timeout", text, exits=2)
        assert "is not a duration" in said.err


def test_the_limit_counts_what_an_apply_that_waits_would_start(open_scene: OpenScene) -> None:
    scene = open_scene(_chain("a", "b", "c"), options=_FAST)
    assert "would start 3 runs" in scene.run("apply", "--wait", "--max-runs", "2", exits=1).err
    assert not scene.posts
    scene.run("apply", "--max-runs", "1")
    assert scene.posts == [1]


@pytest.mark.long  # tests/test_attempts.py has the rule
def test_a_retry_is_another_attempt_until_one_succeeds(open_scene: OpenScene) -> None:
    ends = (Status.FAIL, Status.TIMEOUT, Status.SUCCESS)
    files = {"triggers/a.yaml": manifest("a", 1, retry={"max": 2, "on": ["FAIL", "TIMEOUT"]})}
    files |= {"triggers/b.yaml": manifest("b", 2, dependsOn=["a"])}
    scene = open_scene(files, options=_flows({1: FlowOptions(ends=ends)}))
    scene.run("apply", "--wait")
    assert scene.posts == [1, 1, 1, 2]
    assert scene.states() == {
        "a": "failed",
        "a#2": "failed",
        "a#3": "succeeded",
        "b": "succeeded",
    }
    assert len({one.trigger_time for one in scene.instances if one.flow_id == 1}) == 1


@pytest.mark.long  # tests/test_attempts.py has the rule
def test_retries_end_at_their_number_and_the_last_failure_counts(open_scene: OpenScene) -> None:
    files = {"triggers/a.yaml": manifest("a", 1, retry={"max": 2})}
    scene = open_scene(files, options=_flows({1: FlowOptions(ends=Status.FAIL)}))
    scene.run("apply", "--wait", exits=1)
    assert len(scene.posts) == 3
    scene.run("apply")
    assert len(scene.posts) == 3


def test_a_failure_counts_where_the_next_attempt_is_held_back(open_scene: OpenScene) -> None:
    files = {"triggers/a.yaml": manifest("a", 1, retry={"max": 1})}
    scene = open_scene(files, options=_flows({1: FlowOptions(ends=Status.FAIL)}))
    plan = str(scene.folder / "plan.json")
    scene.run("plan", "--out", plan)
    scene.run("apply", "--wait", "--plan", plan, exits=1)
    assert len(scene.posts) == 1


def test_an_end_that_is_not_named_is_not_retried(open_scene: OpenScene) -> None:
    files = {"triggers/a.yaml": manifest("a", 1, retry={"max": 2, "on": ["TIMEOUT"]})}
    scene = open_scene(files, options=_flows({1: FlowOptions(ends=Status.FAIL)}))
    scene.run("apply", "--wait", exits=1)
    assert len(scene.posts) == 1


def test_a_running_instance_is_cancelled_once_and_the_answer_recorded(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(_chain("a"), options=SandboxOptions(run_seconds=1e6))
    scene.run("apply")
    scene.push(
        {"triggers/a.yaml": manifest("a", 1, cancel=True, retry={"max": 1, "on": ["CANCEL"]})}
    )
    plan = scene.run("plan", "--format", "json", "--detailed-exitcode", exits=5).json
    assert plan["summary"] == {"cancel": 1}
    said = scene.run("apply").flat
    assert ": 1 cancelled Cancelled: a" in said
    assert "ailed" not in said
    assert "retry" not in said
    scene.run("status", "--detailed-exitcode")
    assert scene.outcomes("a") == ["triggered", "cancelled", "observed"]
    (cancelled,) = [one for one in scene.ledger() if one["event"] == "cancelled"]
    assert cancelled["code"] == 0
    assert scene.states() == {"a": "failed"}
    scene.run("apply")
    assert [one.operation for one in scene.sandbox.requests].count("cancel") == 1
    assert len(scene.posts) == 1


@pytest.mark.long  # tests/apply/test_cancel.py has the rule
def test_an_instance_that_has_ended_is_not_cancelled(open_scene: OpenScene) -> None:
    scene = open_scene(_chain("a"), options=SandboxOptions(run_seconds=10))
    scene.run("apply")
    scene.clock.forward(20)
    scene.push({"triggers/a.yaml": manifest("a", 1, cancel=True)})
    scene.run("apply")
    assert scene.states() == {"a": "succeeded"}
    assert "cancel" not in [one.operation for one in scene.sandbox.requests]


@pytest.mark.long  # tests/apply/test_cancel.py has the rule
def test_an_instance_that_still_waits_for_its_time_is_cancelled(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, triggerTime=AHEAD_MS)})
    scene.run("apply")
    scene.push({"triggers/a.yaml": manifest("a", 1, triggerTime=AHEAD_MS, cancel=True)})
    scene.run("apply")
    assert scene.states() == {"a": "failed"}


@pytest.mark.long  # tests/apply/test_cancel.py has the rule
def test_a_refused_cancellation_is_recorded_and_not_repeated(open_scene: OpenScene) -> None:
    scene = open_scene(_chain("a"), options=SandboxOptions(run_seconds=1e6))
    scene.run("apply")
    scene.push({"triggers/a.yaml": manifest("a", 1, cancel=True)})
    scene.sandbox.add_fault(Fault(on="cancel", ending=Reply(code=62103, msg="no privilege")))
    scene.run("apply")
    scene.run("apply")
    assert scene.outcomes("a") == ["triggered", "cancelled"]
    assert [one.operation for one in scene.sandbox.requests].count("cancel") == 1
    assert "62103" in scene.run("status", "a").flat or "no privilege" in scene.run("status").flat


@pytest.mark.long  # tests/enos/test_cancel.py has the rule
def test_a_cancellation_without_an_answer_is_tried_again_by_the_next_apply(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(_chain("a"), options=SandboxOptions(run_seconds=1e6))
    scene.run("apply")
    scene.push({"triggers/a.yaml": manifest("a", 1, cancel=True)})
    scene.sandbox.add_fault(Fault(on="cancel", times=4, ending=Reply(status=502, body="")))
    assert "was not cancelled" in scene.run("apply", exits=1).flat
    assert scene.outcomes("a") == ["triggered"]
    scene.run("apply")
    assert scene.states() == {"a": "failed"}


@pytest.mark.long  # tests/test_sequences.py has the words
def test_a_run_that_was_not_started_is_not_started_once_it_is_cancelled(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(_chain("a", "b", cancel=True), options=_FAST)
    scene.run("apply", "--wait")
    assert scene.posts == [1]
    assert _actions(scene)["b"] == ("wait", "cancelled before it was started")


@pytest.mark.parametrize(
    ("depends", "line", "code"),
    [(["nowhere"], 7, "reference"), (["a"], 7, "cycle"), (["b"], 7, "cycle")],
)
def test_unknown_names_and_circles_are_problems_at_their_line(
    open_scene: OpenScene, depends: list[str], line: int, code: str
) -> None:
    text = (
        "apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {name: a}\nspec:\n  flowId: 1\n"
        f"  dependsOn:\n    - {depends[0]}\n  parameters: {{}}\n  businessDate: 2024-03-01\n"
    )
    files = {"triggers/a.yaml": text, "triggers/b.yaml": manifest("b", 2, dependsOn=["a"])}
    scene = open_scene(files)
    problems = scene.run("validate", "--format", "json", exits=1).json["problems"]
    found = [one for one in problems if one["file"] == "triggers/a.yaml"]
    assert [(one["line"], one["code"], one["pointer"]) for one in found] == [
        (line, code, "/spec/dependsOn/0")
    ]
    scene.run("apply", exits=1)
    assert not scene.posts
