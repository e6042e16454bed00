"""What becomes of started instances: observed by every apply and by `status --refresh`."""

import json
from functools import partial
from typing import Any

import pytest

from reconciler.sandbox import ALWAYS, Fault, FlowOptions, Operation, Reply, SandboxOptions, Status
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD_MS, Scene, configuration, manifest, runs
from tests.repositories import git
from tests.sampling import sampled

_LOOKS: tuple[Operation, ...] = ("search", "instance")
_QUICK = SandboxOptions(run_seconds=10)


def _options(**flows: FlowOptions) -> SandboxOptions:
    """Flows by `flow_N`; every instance runs for ten seconds of the gateway's clock."""
    numbered = {int(name.removeprefix("flow_")): flow for name, flow in flows.items()}
    return SandboxOptions(run_seconds=10, flows=numbered)


def _observed(scene: Scene) -> dict[str, Any]:
    events = [one for one in scene.ledger() if one["event"] == "observed"]
    assert len({one["run"] for one in events}) == len(events), "an end was recorded twice"
    return {one["run"]: one["status"] for one in events}


@pytest.mark.parametrize(
    ("ends", "state"),
    sampled(
        [
            (Status.SUCCESS, "succeeded"),
            (Status.FAIL, "failed"),
            (Status.TIMEOUT, "failed"),
            (Status.INTERNAL_ERROR, "failed"),
            (Status.SKIP, "failed"),
        ],
        every=5,
    ),
)
def test_an_apply_records_how_an_instance_ended_once(
    open_scene: OpenScene, ends: Status, state: str
) -> None:
    scene = open_scene(runs("a"), options=_options(flow_1=FlowOptions(ends=ends)))
    scene.run("apply")
    scene.run("apply")
    assert scene.states() == {"a": "triggered"}
    assert not _observed(scene)
    scene.clock.forward(20)
    scene.run("apply")
    assert scene.states() == {"a": state}
    assert _observed(scene) == {"a": ends.value}
    tip = scene.tip()
    scene.run("apply")
    assert scene.tip() == tip
    assert len(scene.posts) == 1


def test_status_says_what_a_bad_end_means(open_scene: OpenScene) -> None:
    options = _options(flow_1=FlowOptions(ends=Status.TIMEOUT))
    scene = open_scene(runs("a"), options=options)
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("apply")
    assert "the instance is TIMEOUT: it ran longer than the flow allows" in scene.run("status").flat


@pytest.mark.long  # tests/apply/test_effect.py has the rule
def test_what_nothing_declares_any_more_is_not_advised_to_be_started_again(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a", "b"), options=_options(flow_1=FlowOptions(ends=Status.FAIL)))
    scene.run("apply")
    scene.remove("triggers/a.yaml")
    scene.clock.forward(20)
    said = scene.run("apply").flat
    assert "FAIL: a task of the flow failed; no longer declared (1 run) a" in said
    assert "revision" not in said
    scene.run("status", "--detailed-exitcode")
    out = scene.clone / "page"
    scene.run("report", "--out", str(out))
    page = (out / "index.html").read_text()
    assert "Nothing needs a person." in page


def test_a_refresh_shows_what_runs_and_records_only_what_has_ended(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"), options=_options(flow_2=FlowOptions(run_seconds=1e6)))
    scene.run("apply")
    scene.clock.forward(20)
    rows = scene.run("status", "--refresh", "--format", "json").json["runs"]
    assert {row["run"]: (row["state"], row["status"]) for row in rows} == {
        "a": ("succeeded", "SUCCESS"),
        "b": ("triggered", "RUNNING"),
    }
    assert _observed(scene) == {"a": 1}


def test_a_refresh_observes_the_runs_of_every_environment(open_scene: OpenScene) -> None:
    files = {**runs("a"), "triggers-prod/b.yaml": manifest("b", 2)}
    scene = open_scene(
        files,
        options=_QUICK,
        configured=lambda url: configuration(url, environments=("test", "prod")),
    )
    for name in ("test", "prod"):
        scene.run("apply", "--env", name)
    scene.clock.forward(20)
    said = scene.run("status", "--refresh")
    assert "test: recorded how 1 run ended" in said.err
    assert "prod: recorded how 1 run ended" in said.err
    ended = scene.ledger(path="state/prod/ledger.jsonl")
    assert [one["run"] for one in ended if one["event"] == "observed"] == ["b"]


@pytest.mark.long  # tests/apply/test_observe.py has the rule
def test_an_end_that_is_seen_right_after_the_start_is_recorded_by_the_next_look(
    open_scene: OpenScene,
) -> None:
    slow = partial(configuration, settleSeconds=5)
    scene = open_scene(runs("a"), options=SandboxOptions(run_seconds=1), configured=slow)
    scene.run("apply")
    scene.clock.forward(2)
    said = scene.run("status", "--refresh").flat
    assert "the instance is SUCCESS; not recorded yet, so soon after its start" in said
    assert scene.states() == {"a": "triggered"}
    scene.clock.forward(10)
    assert "SUCCESS" not in scene.run("status", "--refresh").flat
    assert scene.states() == {"a": "succeeded"}


def test_a_refresh_of_a_named_run_asks_again_after_a_bad_end(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"), options=_options(flow_1=FlowOptions(ends=Status.FAIL)))
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("apply")
    assert scene.states() == {"a": "failed"}
    # Somebody has the service run the instance once more, and this time it succeeds.
    again = {"instanceId": scene.instance_of(1).id, "flowId": 1, "status": 1}
    body = json.dumps({"code": 0, "data": again})
    listed = json.dumps({"code": 0, "data": {"flowInsts": [again], "count": 1}})
    scene.sandbox.add_fault(Fault(on="instance", times=ALWAYS, ending=Reply(body=body)))
    scene.sandbox.add_fault(Fault(on="search", times=ALWAYS, ending=Reply(body=listed)))
    scene.run("status", "--refresh")
    assert scene.states() == {"a": "failed"}
    scene.run("status", "--refresh", "a")
    assert scene.states() == {"a": "succeeded"}


@pytest.mark.long  # tests/apply/test_observe.py has the rule
def test_a_bad_end_is_kept_when_the_service_forgets_the_instance(open_scene: OpenScene) -> None:
    ends = FlowOptions(ends=Status.FAIL, forgets_after=60)
    scene = open_scene(runs("a"), options=_options(flow_1=ends))
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("apply")
    scene.clock.forward(1_000)
    scene.run("status", "--refresh", "a")
    assert _observed(scene) == {"a": Status.FAIL.value}


@pytest.mark.long  # tests/apply/test_observe.py has the rule
def test_an_instance_that_the_service_has_forgotten_counts_as_failed_and_is_not_retried(
    open_scene: OpenScene,
) -> None:
    files = {"triggers/a.yaml": manifest("a", 1, retry={"max": 3})}
    scene = open_scene(files, options=_options(flow_1=FlowOptions(forgets_after=5)))
    scene.run("apply")
    scene.clock.forward(60)
    scene.run("apply")
    assert scene.states() == {"a": "failed"}
    assert _observed(scene) == {"a": "NOT_FOUND"}
    assert "no longer knows the instance" in scene.run("status", "a").flat
    scene.run("apply")
    assert len(scene.posts) == 1


def test_a_gateway_that_cannot_be_asked_fails_nothing_where_nothing_is_to_be_started(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"), options=_QUICK)
    scene.run("apply")
    monkeypatch.delenv("ENOS_ACCESS_KEY")
    said = scene.run("apply")
    assert "could not be observed" in said.flat
    assert "ENOS_ACCESS_KEY" in said.err
    monkeypatch.setenv("ENOS_ACCESS_KEY", "wrong")
    assert "could not be observed" in scene.run("apply").flat


@pytest.mark.long  # tests/enos/test_observing_limits.py has the rule
def test_a_look_that_fails_is_said_and_hinders_no_start(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"), options=_QUICK)
    scene.run("apply")
    scene.push(runs("a", "b"))
    for operation in _LOOKS:
        refused = Reply(status=400, code=400)
        scene.sandbox.add_fault(Fault(on=operation, times=ALWAYS, ending=refused))
    said = scene.run("apply")
    assert "could be observed" in said.flat
    assert scene.posts == [1, 2]


def test_a_run_whose_time_lies_ahead_is_not_asked_for(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, triggerTime=AHEAD_MS)})
    scene.run("apply")
    scene.run("apply")
    assert not [one for one in scene.sandbox.requests if one.operation in {"search", "instance"}]


@pytest.mark.long  # tests/enos/test_observing_requests.py has the numbers
def test_many_instances_are_looked_up_together(open_scene: OpenScene) -> None:
    text = (
        "apiVersion: reconciler/v1\nkind: Backfill\nmetadata: {name: many}\n"
        "spec: {flowId: 1, businessDates: {from: 2024-01-01, to: 2024-05-29, every: 1d}}\n"
    )
    scene = open_scene({"triggers/a.yaml": text}, options=SandboxOptions(run_seconds=0))
    scene.run("apply")
    asked = len(scene.sandbox.requests)
    scene.clock.forward(20)
    scene.run("apply")
    names = [one.operation for one in scene.sandbox.requests[asked:]]
    assert names.count("search") + names.count("instance") <= 10
    assert set(scene.states().values()) == {"succeeded"}


def test_the_ledgers_commit_of_ends_carries_the_claims_trailer(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"), options=_QUICK, configured=configuration)
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("apply")
    message = git(scene.origin, "show", "--no-patch", "--format=%B", "main")
    assert "1 observed [skip ci]" in message
    assert f"Reconciler-Claim: {scene.ledger()[0]['claim']}" in message
