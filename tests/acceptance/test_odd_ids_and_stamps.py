"""The real command meets services whose ids, stamps and answers are odd in ways of their own."""

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.model import EpochMs
from reconciler.sandbox import Drop, Fault, Reply, SandboxOptions, Status, Stranger
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import EIGHT_MS, Scene, configuration, manifest
from tests.sampling import sampled

LASTING = SandboxOptions(run_seconds=1e6)
DONE_OR_DOUBT = (0, 4)
HOUR_MS = 3_600_000
LOST = Fault(on="trigger", ending=Drop(effect=True))


def short(url: str, **gateway: Any) -> str:
    """With claims that an apply can wait for."""
    return configuration(url, limits={"claimSeconds": 3}, timeoutSeconds=1, **gateway)


def apply_again(scene: Scene, seconds: float) -> None:
    """Apply three times in all, so much later each time."""
    scene.run("apply", exits=DONE_OR_DOUBT)
    for _ in range(2):
        scene.clock.forward(seconds)
        scene.run("apply", exits=DONE_OR_DOUBT)


@pytest.mark.parametrize("lost", sampled([2, 0], every=2))
@pytest.mark.parametrize(
    ("odd", "flows", "hours"),
    sampled(
        [
            ({"ids": "day", "lists": "newest"}, (1, 1), (0, 1)),
            ({"ids": "day"}, (1, 1), (0, 1)),
            ({"ids": "minute", "id_names_flow": False}, (1, 2), (0, 0)),
            ({"ids": "hour"}, (1, 1), (0, 0.5)),
        ],
        every=4,
    ),
    ids=["of a day, the newest", "of a day", "without the flow", "of an hour"],
)
def test_an_id_that_runs_of_other_minutes_or_flows_share_has_none_started_twice(
    open_scene: OpenScene,
    odd: dict[str, Any],
    flows: tuple[int, ...],
    hours: tuple[float, ...],
    lost: int,
) -> None:
    files = {
        f"triggers/r{n}.yaml": manifest(f"r{n}", flow, triggerTime=EIGHT_MS + round(hour * HOUR_MS))
        for n, (flow, hour) in enumerate(zip(flows, hours, strict=True))
    }
    scene = open_scene(files, *[LOST] * lost, configured=short, options=replace(LASTING, **odd))
    apply_again(scene, seconds=150)
    assert len(scene.instances) == 2


@pytest.mark.parametrize(
    ("odd", "correlation"),
    sampled(
        product(
            [
                {"trigger_time_shown": "hour"},
                {
                    "trigger_time_shown": "hour",
                    "stamp_layout": "noSeconds",
                    "trigger_time_zone": "UTC",
                },
                {"trigger_time_shown": "day"},
                {"trigger_time_shown": "day", "stamp_layout": "milliseconds"},
                {"stamp_layout": "date"},
                {"created_cut": "hour"},
                {"created_cut": "day", "created_zone": "UTC"},
            ],
            [None, "RUN"],
        ),
        every=14,
    ),
    ids=repr,
)
def test_stamps_that_are_cut_to_the_hour_or_the_day_rule_nothing_out(
    open_scene: OpenScene, odd: dict[str, Any], correlation: str | None
) -> None:
    extra = {} if correlation is None else {"correlationParameter": correlation}
    half_past = EIGHT_MS + HOUR_MS // 2
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1, triggerTime=half_past)},
        LOST,
        configured=lambda url: short(url, **extra),
        options=replace(LASTING, **odd),
    )
    apply_again(scene, seconds=150)
    assert len(scene.instances) == 1
    assert scene.states() == {"a": "triggered" if correlation else scene.states()["a"]}


def test_of_an_id_that_is_a_whole_days_the_newest_is_not_taken_for_an_older_one(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        configured=short,
        options=replace(LASTING, ids="day", lists="newest"),
    )
    scene.run("apply")
    hers = Stranger(flow_id=1, trigger_time=EpochMs(EIGHT_MS + HOUR_MS), ends=Status.FAIL)
    scene.sandbox.add_stranger(replace(hers, run_seconds=0.0))
    scene.clock.forward(20)
    said = scene.run("apply")
    assert "what is listed under its id has another trigger time" in said.flat
    assert scene.states() == {"a": "triggered"}


@pytest.mark.long  # tests/apply/test_resolve.py has the rule
def test_an_id_that_is_a_whole_days_is_resolved_by_the_trigger_time_that_is_shown(
    open_scene: OpenScene,
) -> None:
    files = {
        "triggers/a.yaml": manifest("a", 1),
        "triggers/b.yaml": manifest("b", 1, triggerTime=EIGHT_MS + HOUR_MS),
    }
    searches = Fault(on="search", times="always", ending=Drop())
    scene = open_scene(
        files,
        replace(LOST, after=1),
        searches,
        configured=short,
        options=replace(LASTING, ids="day"),
    )
    scene.run("apply", exits=4)
    shared = "1-20240302000000"
    assert scene.states() == {"a": "triggered", "b": "in-doubt"}
    scene.run("resolve", "b", "--triggered", shared)
    assert scene.states() == {"a": "triggered", "b": "triggered"}


@pytest.mark.long  # tests/apply/test_evidence.py has the rule
@pytest.mark.parametrize("ahead", sampled([100, 250], every=2))
def test_stamps_in_utc_may_be_ahead_as_far_as_any(open_scene: OpenScene, ahead: float) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        LOST,
        configured=short,
        options=replace(LASTING, created_zone="UTC", created_lag_seconds=-ahead),
    )
    apply_again(scene, seconds=5)
    assert len(scene.instances) == 1


@pytest.mark.parametrize(
    "odd",
    sampled(
        [
            {"created_cut": "minute"},
            {"created_cut": "hour"},
            {"created_zone": "UTC"},
            {"created_lag_seconds": 30},
        ],
        every=4,
    ),
    ids=str,
)
def test_ends_are_recorded_whatever_creation_stamps_look_like(
    open_scene: OpenScene, odd: dict[str, Any]
) -> None:
    options = SandboxOptions(run_seconds=0.2, **odd)
    scene = open_scene({"triggers/a.yaml": manifest("a", 1)}, options=options, configured=short)
    scene.run("apply", "--wait")
    assert scene.states() == {"a": "succeeded"}


@pytest.mark.long  # tests/apply/test_evidence.py has the rule
def test_local_stamps_that_call_themselves_utc_do_not_look_old(open_scene: OpenScene) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        LOST,
        configured=lambda url: short(url, timezone="GMT-5"),
        options=replace(LASTING, timezone="GMT-5", stamp_layout="letterZ"),
    )
    apply_again(scene, seconds=150)
    assert len(scene.instances) == 1


@pytest.mark.parametrize("answered", sampled(["1-19700101000000", "another-7"], every=2))
def test_an_instance_that_is_listed_under_another_id_than_was_answered_is_not_called_gone(
    open_scene: OpenScene, answered: str
) -> None:
    body = f'{{"code":0,"msg":"OK","data":{{"flowInstanceId":"{answered}"}}}}'
    odd = Fault(on="trigger", ending=Reply(body=body, effect=True))
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)}, odd, configured=short, options=LASTING
    )
    scene.run("apply")
    scene.clock.forward()
    said = scene.run("apply")
    assert f"{answered} is not known, but 1-20240302080000 may be its own" in said.flat
    assert scene.outcomes("a") == ["triggered"]
    assert len(scene.instances) == 1
