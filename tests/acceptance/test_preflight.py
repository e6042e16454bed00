"""`plan --online` and `apply --preflight`: what the service would refuse is not claimed."""

import pytest

from reconciler.sandbox import ALWAYS, Fault, FlowOptions, Reply, SandboxOptions
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, runs

_REFUSED = {
    1: (FlowOptions(exists=False), "does not exist"),
    2: (FlowOptions(locked=True), "is locked"),
    3: (FlowOptions(user_locked=True), "belongs to a user who is locked"),
    4: (FlowOptions(tasks=0), "has no task"),
    5: (FlowOptions(privilege=False), "may not be started by u1"),
    6: (FlowOptions(owner="somebody;else"), "may not be started by u1"),
}
_NAMES = tuple("abcdefg")


def _scene(open_scene: OpenScene) -> Scene:
    """Flows 1 to 6 would be refused, each for another reason; flow 7 would not."""
    flows = {flow: options for flow, (options, _) in _REFUSED.items()}
    return open_scene(runs(*_NAMES), options=SandboxOptions(run_seconds=1e6, flows=flows))


def test_a_plan_that_asks_shows_what_would_be_refused_and_exits_with_1(
    open_scene: OpenScene,
) -> None:
    scene = _scene(open_scene)
    plan = scene.run("plan", "--online", "--format", "json", exits=1).json
    reasons = {run["run"]: (run["action"], run["reason"]) for run in plan["runs"]}
    for flow, (_, words) in _REFUSED.items():
        action, reason = reasons[_NAMES[flow - 1]]
        assert action == "wait"
        assert f"would be refused: flow {flow} {words}" in reason
    assert reasons["g"][0] == "trigger"
    assert plan["summary"] == {"trigger": 1, "wait": 6}
    assert not scene.posts
    scene.run("plan")


def test_an_apply_with_a_preflight_claims_only_what_would_not_be_refused(
    open_scene: OpenScene,
) -> None:
    scene = _scene(open_scene)
    said = scene.run("apply", "--preflight", exits=1)
    assert scene.posts == [7]
    (claim,) = [one for one in scene.ledger() if one["event"] == "claim"]
    assert list(claim["runs"]) == ["g"]
    assert "is locked" in said.flat
    document = scene.run("apply", "--preflight", "--format", "json", exits=1).json
    assert {one["run"] for one in document["refused"]} == set("abcdef")


def test_each_flow_is_asked_about_once(open_scene: OpenScene) -> None:
    files = runs("a", "b")
    files["triggers/b.yaml"] = files["triggers/b.yaml"].replace("flowId: 2", "flowId: 1")
    files["triggers/b.yaml"] = files["triggers/b.yaml"].replace("T08:00", "T08:01")
    scene = open_scene(files)
    scene.run("apply", "--preflight")
    assert [one.operation for one in scene.sandbox.requests].count("flow") == 1
    assert scene.posts == [1, 1]


def test_a_parameter_that_the_flow_does_not_declare_is_a_warning(open_scene: OpenScene) -> None:
    options = SandboxOptions(run_seconds=1e6, flows={1: FlowOptions(parameters=("MODE",))})
    scene = open_scene(runs("a"), options=options)
    assert "flow 1 does not declare SITE" in scene.run("plan", "--online").flat
    (run,) = scene.run("plan", "--online", "--format", "json").json["runs"]
    assert (run["action"], run["warning"]) == ("trigger", "flow 1 does not declare SITE")
    scene.run("apply", "--preflight")
    assert scene.posts == [1]


def test_a_gateway_that_does_not_tell_ends_it_before_anything_is_claimed(
    open_scene: OpenScene,
) -> None:
    broken = Fault(on="flow", times=ALWAYS, ending=Reply(status=400, code=400))
    scene = open_scene(runs("a"), broken)
    before = scene.tip()
    assert "Get Flow" in scene.run("apply", "--preflight", exits=1).err
    assert "Get Flow" in scene.run("plan", "--online", exits=1).err
    assert scene.tip() == before
    assert not scene.posts


def test_a_plan_cannot_be_online_and_offline(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    scene.run("plan", "--online", "--offline", exits=2)
    scene.run("status", "--refresh", "--offline", exits=2)
    monkeypatch.delenv("ENOS_SECRET_KEY")
    assert "ENOS_SECRET_KEY" in scene.run("plan", "--online", exits=1).err
    scene.run("plan")
