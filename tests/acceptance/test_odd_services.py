"""The real command meets services that format, hide and share what they list, and loses an answer.

Whatever the service does, nothing is started twice; and what is recorded is the run's own.
"""

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.model import EpochMs
from reconciler.sandbox import (
    NEVER,
    Drop,
    Fault,
    FlowInstance,
    FlowOptions,
    ParametersShown,
    Reply,
    SandboxOptions,
    Status,
    Stranger,
)
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD, EIGHT_MS, Scene, configuration, manifest
from tests.environments import Clock
from tests.sampling import sampled

LASTING = SandboxOptions(run_seconds=1e6)
DONE_OR_DOUBT = (0, 4)
_MS = EIGHT_MS + 7_600  # listed rounded, it is another second; cut to the minute, another one too
_LATE = EIGHT_MS + 59_700  # listed rounded, it is another minute

ODDITIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "stamps that lag half a second": {"created_lag_seconds": 0.5},
    "stamps that lag four seconds": {"created_lag_seconds": 4},
    "stamps that lead four seconds": {"created_lag_seconds": -4},
    "stamps cut to the minute": {"created_cut": "minute"},
    "stamps that lag and are cut": {"created_cut": "minute", "created_lag_seconds": 90},
    "trigger times cut to the minute": {"trigger_time_shown": "minute"},
    "trigger times rounded to the second": {"trigger_time_shown": "roundedSecond"},
    "trigger times rounded to the minute": {"trigger_time_shown": "roundedMinute"},
    "merged defaults": {"parameters_shown": ParametersShown(merged=True)},
    "reordered": {"parameters_shown": ParametersShown(reordered=True)},
    "retyped": {"parameters_shown": ParametersShown(retyped=True)},
    "upper case": {"parameters_shown": ParametersShown(case="upper")},
    "cut to four characters": {"parameters_shown": ParametersShown(cut=4)},
    "cut to forty characters": {"parameters_shown": ParametersShown(cut=40)},
    "a map": {"parameters_shown": ParametersShown(as_map=True)},
    "filled in": {"parameters_shown": ParametersShown(filled=True)},
    "hidden": {"parameters_shown": ParametersShown(hidden="absent")},
    "ids of the minute": {"ids": "minute"},
    "only the newest of an id": {"ids": "minute", "lists": "newest"},
    "only one's own": {"sees": "own"},
    "page 0 first, flow ids as text": {"page_base": 0, "flow_id_as_string": True},
}
PARAMETERS = {"SITE": "cn-01", "N": "12", "DAY": "${cal_dt}", "LONG": "x" * 60}
FLOWS = {1: FlowOptions(defaults={"MODE": "full"})}


def odd(name: str) -> SandboxOptions:
    return replace(LASTING, flows=FLOWS, **ODDITIES[name])


def own(scene: Scene) -> list[FlowInstance]:
    """What the reconciler has started."""
    return [one for one in scene.instances if one.owner == "u1"]


def short(url: str, **gateway: Any) -> str:
    """With claims that an apply can wait for."""
    return configuration(url, limits={"claimSeconds": 3}, timeoutSeconds=1, **gateway)


def settle(scene: Scene, applies: int = 2) -> None:
    """Apply again, each time after whatever was claimed has expired."""
    for _ in range(applies):
        scene.clock.forward()
        scene.run("apply", exits=DONE_OR_DOUBT)


LOST = Fault(on="trigger", ending=Drop(effect=True))


@pytest.mark.parametrize(
    ("name", "correlation"), sampled(product(ODDITIES, [None, "RUN"]), every=42)
)
def test_a_start_whose_answer_was_lost_is_never_repeated(
    open_scene: OpenScene, name: str, correlation: str | None
) -> None:
    extra = {} if correlation is None else {"correlationParameter": correlation}
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, triggerTime=_MS, parameters=PARAMETERS),
            "triggers/b.yaml": manifest("b", 2, triggerTime=_LATE, parameters=PARAMETERS),
        },
        LOST,
        LOST,
        options=odd(name),
        configured=lambda url: short(url, **extra),
    )
    scene.run("apply", exits=DONE_OR_DOUBT)
    settle(scene)
    assert sorted(one.flow_id for one in scene.instances) == [1, 2]
    if name == "plain":
        assert set(scene.states().values()) == {"triggered"}


@pytest.mark.long  # the simulation lives it
@pytest.mark.parametrize(
    ("name", "kind"),
    sampled(
        product(
            ["plain", "ids of the minute", "only the newest of an id", "hidden", "merged defaults"],
            ["retry", "revision", "duplicateOf"],
        ),
        every=15,
    ),
)
def test_one_more_start_in_a_minute_that_is_shared_is_never_repeated(
    open_scene: OpenScene, name: str, kind: str
) -> None:
    """The instance of the first run is not the second's, and the second's is not missed."""
    options = odd(name)
    flow = FlowOptions(
        ends=(Status.FAIL, Status.SUCCESS), run_seconds=1, defaults=FLOWS[1].defaults
    )
    options = replace(options, flows={1: flow})
    first = manifest("a", 1, parameters=PARAMETERS, retry={"max": 1} if kind == "retry" else None)
    scene = open_scene(
        {"triggers/a.yaml": first}, replace(LOST, after=1), options=options, configured=short
    )
    scene.run("apply")
    scene.clock.forward(20)
    if kind == "revision":
        again = manifest("a", 1, parameters=PARAMETERS, revision=2)
        scene.push({"triggers/a.yaml": again})
    if kind == "duplicateOf":
        again = manifest("b", 1, parameters=PARAMETERS, duplicateOf="a")
        scene.push({"triggers/b.yaml": again})
    scene.run("apply", exits=DONE_OR_DOUBT)
    settle(scene)
    assert len(scene.instances) == 2
    assert scene.posts == [1, 1]
    if name == "plain":
        assert "in-doubt" not in scene.states().values()


@pytest.mark.long  # tests/apply/test_doubt.py has the rule
@pytest.mark.parametrize(
    "name", sampled(["plain", "ids of the minute", "only the newest of an id"], every=3)
)
def test_an_attempt_that_is_never_carried_out_is_started_in_the_end_where_that_is_certain(
    open_scene: OpenScene, clock: Clock, name: str
) -> None:
    flow = FlowOptions(ends=(Status.FAIL, Status.SUCCESS), run_seconds=1)
    first = manifest("a", 1, retry={"max": 1})
    never = Fault(on="trigger", after=1, ending=Drop(), call_after=clock.forward)
    scene = open_scene(
        {"triggers/a.yaml": first},
        never,
        options=replace(odd(name), flows={1: flow}),
    )
    scene.run("apply")
    scene.clock.forward(21.5)
    scene.run("apply", exits=DONE_OR_DOUBT)
    settle(scene)
    assert len(scene.instances) == 2
    assert scene.states() == {"a": "failed", "a#2": "succeeded"}


# Strangers


@pytest.mark.parametrize("lists", sampled(["all", "newest"], every=2))
@pytest.mark.parametrize("after", sampled([-60.0, 20.0], every=2))
def test_the_end_of_a_persons_instance_with_the_same_id_is_not_the_runs(
    open_scene: OpenScene, lists: Any, after: float
) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1, retry={"max": 2})},
        options=replace(LASTING, ids="minute", lists=lists),
    )
    hers = Stranger(
        flow_id=1,
        trigger_time=EpochMs(EIGHT_MS),
        parameters=(("SITE", "other"),),
        run_seconds=1,
        ends=Status.FAIL,
    )
    if after < 0:
        scene.sandbox.add_stranger(replace(hers, created_seconds_ago=-after))
    scene.run("apply")
    scene.clock.forward(30)
    if after > 0:
        scene.sandbox.add_stranger(hers)
        scene.clock.forward(10)
    scene.run("apply", exits=DONE_OR_DOUBT)
    scene.run("apply", exits=DONE_OR_DOUBT)
    assert len(own(scene)) == 1
    assert scene.states() == {"a": "triggered"}


@pytest.mark.parametrize("lists", sampled(["all", "newest"], every=2))
def test_a_persons_instance_with_the_same_id_is_not_cancelled(
    open_scene: OpenScene, lists: Any
) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        options=replace(LASTING, ids="minute", lists=lists),
    )
    scene.run("apply")
    scene.clock.forward(60)
    scene.sandbox.add_stranger(Stranger(flow_id=1, trigger_time=EpochMs(EIGHT_MS)))
    scene.push({"triggers/a.yaml": manifest("a", 1, cancel=True)})
    said = scene.run("apply", exits=1)
    assert "a was not cancelled: a cancellation could hit another instance" in said.flat
    assert all(one.cancelled is None for one in scene.instances)


@pytest.mark.long  # tests/apply/test_evidence.py has the rule
def test_an_instance_that_a_person_started_before_the_claim_is_not_the_runs(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        Fault(on="trigger", ending=Drop()),
        options=LASTING,
        configured=short,
    )
    hers = Stranger(flow_id=1, trigger_time=EpochMs(EIGHT_MS), parameters=(("SITE", "a"),))
    scene.sandbox.add_stranger(replace(hers, created_seconds_ago=20))
    scene.run("apply", exits=4)
    said = scene.run("status", "a")
    assert "in doubt" in said.out
    scene.clock.forward()
    scene.run("apply", exits=4)
    assert own(scene) == []


# Answers and views


@pytest.mark.long  # tests/enos/test_kept_connections.py has the rule
def test_a_second_answer_on_a_connection_is_never_another_runs(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1),
            "triggers/b.yaml": manifest("b", 1, triggerTime=EIGHT_MS + 60_000),
            "triggers/c.yaml": manifest("c", 1, triggerTime=EIGHT_MS + 120_000),
        },
        Fault(on="trigger", extra_answer="same"),
        Fault(on="trigger", ending=Reply(code=62103, msg="no")),
        options=LASTING,
    )
    scene.run("apply", exits=1)
    recorded = {one["run"]: one["event"] for one in scene.ledger() if one["event"] != "claim"}
    assert recorded == {"a": "triggered", "b": "rejected", "c": "triggered"}
    scene.run("apply")
    assert len(scene.instances) == len({one.trigger_time for one in scene.instances}) == 3


@pytest.mark.long  # tests/apply/test_start.py has the rule
def test_an_id_of_another_flow_or_run_is_no_answer(open_scene: OpenScene) -> None:
    minute = "20240302080000"
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        Fault(on="trigger", flow_id=1, after=1, ending=_answered(f"1-{minute}")),
        Fault(on="trigger", flow_id=7, ending=_answered(f"1-{minute}")),
        options=LASTING,
        configured=short,
    )
    scene.run("apply")
    scene.clock.forward(10)  # what may have been started since the claim of another may hide it
    scene.push(
        {
            "triggers/b.yaml": manifest("b", 1, triggerTime=EIGHT_MS + 60_000),
            "triggers/c.yaml": manifest("c", 7),
        }
    )
    scene.run("apply")
    assert scene.outcomes("b") == scene.outcomes("c") == ["unknown", "absent", "triggered"]
    assert scene.states() == {"a": "triggered", "b": "triggered", "c": "triggered"}
    assert len(scene.instances) == 3


def _answered(instance: str) -> Reply:
    return Reply(body=f'{{"code":0,"msg":"OK","data":{{"flowInstanceId":"{instance}"}}}}')


def test_one_null_does_not_make_a_running_instance_failed(open_scene: OpenScene) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1, retry={"max": 1})},
        Fault(on="instance", ending=Reply(code=0, msg="OK")),
        options=LASTING,
    )
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("apply")
    assert scene.states() == {"a": "triggered"}
    assert len(scene.instances) == 1


@pytest.mark.long  # tests/apply/test_doubt.py has the rule
def test_a_run_in_doubt_is_only_looked_for_at_the_service_that_it_was_claimed_for(
    open_scene: OpenScene,
) -> None:
    ahead = manifest("a", 1, triggerTime=AHEAD)
    scene = open_scene({"triggers/a.yaml": ahead}, replace(LOST, list_after=NEVER), options=LASTING)
    scene.run("apply", exits=4)
    searched = [one.operation for one in scene.sandbox.requests].count("search")
    scene.push({"reconciler.yaml": configuration(scene.url, userId="another")})
    scene.clock.forward()
    said = scene.run("apply", exits=4)
    assert "(gateway.userId is another); put back gateway.userId: u1" in said.flat
    assert [one.operation for one in scene.sandbox.requests].count("search") == searched
    said = scene.run("resolve", "a", "--not-triggered", "--yes", exits=1)
    assert "put back gateway.userId: u1" in said.flat
    scene.push({"reconciler.yaml": configuration(scene.url)})
    scene.run("resolve", "a", "--triggered", scene.instance_of(1).id)
    assert scene.states() == {"a": "triggered"}
    assert len(scene.instances) == 1
