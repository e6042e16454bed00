"""A gateway that misbehaves: each run is started once, or it is in doubt with the evidence."""

import pytest

from reconciler.sandbox import Drop, Fault, Reply
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import configuration, runs
from tests.environments import Clock
from tests.sampling import sampled

_HTML = "<html><body>502 Bad Gateway</body></html>"
_LOST_AFTER = {
    "dropped": Drop(effect=True),
    "HTTP 500": Reply(effect=True, status=500),
    "HTTP 503 in HTML": Reply(effect=True, status=503, body=_HTML),
    "HTTP 200 in HTML": Reply(effect=True, body=_HTML),
    "62109": Reply(effect=True, code=62109),
    "code 0 without an id": Reply(effect=True),
    "nothing": Reply(effect=True, body=""),
}


@pytest.mark.parametrize("ending", sampled(_LOST_AFTER.values(), every=7), ids=_LOST_AFTER.keys())
def test_an_answer_lost_after_the_effect_is_found_by_the_same_apply(
    open_scene: OpenScene, ending: Drop | Reply
) -> None:
    scene = open_scene(runs("a", "b"), Fault(on="trigger", flow_id=1, ending=ending))
    said = scene.run("apply")
    assert "2 triggered" in said.out
    assert "Found at the service, started already:\n  a: " in said.out
    assert sorted(scene.posts, key=int) == [1, 2]  # type: ignore[arg-type]  # a start names a flow
    assert scene.outcomes("a") == ["unknown", "triggered"]
    (found,) = [one for one in scene.ledger() if one.get("run") == "a" and "evidence" in one]
    assert found["flowInstanceId"] == scene.instance_of(1).id
    assert found["evidence"]["found"][0]["id"] == scene.instance_of(1).id
    assert scene.states() == {"a": "triggered", "b": "triggered"}


@pytest.mark.long  # the simulation lives it; a lost answer stays
def test_an_answer_that_comes_too_late_is_looked_for(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a"),
        Fault(on="trigger", delay_after=600),
        configured=lambda url: configuration(url, timeoutSeconds=2),
    )
    scene.run("apply")
    assert scene.outcomes("a") == ["unknown", "triggered"]
    assert len(scene.instances) == 1


@pytest.mark.parametrize(
    "ending", sampled([Drop(), Reply(status=502, body=_HTML)], every=2), ids=["dropped", "HTML"]
)
def test_a_start_lost_before_its_effect_is_proven_absent_and_started_again(
    open_scene: OpenScene, clock: Clock, ending: Drop | Reply
) -> None:
    scene = open_scene(runs("a"), Fault(on="trigger", call_after=clock.forward, ending=ending))
    said = scene.run("apply")
    assert "waiting until " in said.err
    assert scene.outcomes("a") == ["unknown", "absent", "triggered"]
    assert scene.posts == [1, 1]
    assert len(scene.instances) == 1


@pytest.mark.parametrize(
    "fault",
    sampled(
        [
            Fault(on="trigger", ending=Reply(status=429, headers={"Retry-After": "1"})),
            Fault(on="trigger", ending=Reply(status=429)),
            Fault(on="trigger", ending=Reply(code=1203)),
            Fault(on="trigger", ending=Reply(status=401)),
            Fault(on="trigger", expire_token=True),
            Fault(on="token", ending=Drop(), times=1, after=1),
        ],
        every=3,
    ),
    ids=["429 with Retry-After", "429", "1203", "401", "token expired", "token once"],
)
def test_a_start_that_was_turned_away_is_sent_again_under_the_same_claim(
    open_scene: OpenScene, fault: Fault
) -> None:
    scene = open_scene(runs("a", "b"), fault)
    scene.run("apply")
    assert [event["event"] for event in scene.ledger()] == ["claim", "triggered", "triggered"]
    assert sorted(one.flow_id for one in scene.instances) == [1, 2]


@pytest.mark.long  # tests/enos/test_trigger.py has the rule
def test_retry_after_is_waited_for(open_scene: OpenScene) -> None:
    limited = Reply(status=429, headers={"Retry-After": "1"})
    scene = open_scene(runs("a"), Fault(on="trigger", ending=limited))
    scene.run("apply")
    first, second = [one.at for one in scene.sandbox.requests if one.operation == "trigger"]
    assert second - first >= 1000


def test_a_rate_limit_slows_an_apply_down_and_loses_nothing(open_scene: OpenScene) -> None:
    scene = open_scene(runs(*"abcdef"), Fault(on="trigger", rate_limit=3))
    scene.run("apply")
    assert sorted(one.flow_id for one in scene.instances) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("operation", sampled(["time", "timezone", "token"], every=3))
def test_a_gateway_that_fails_before_the_first_claim_claims_nothing(
    open_scene: OpenScene, operation: str
) -> None:
    fault = Fault(on=operation, times="always", ending=Reply(status=403))  # type: ignore[arg-type]  # one of them
    scene = open_scene(runs("a"), fault)
    said = scene.run("apply", exits=1)
    assert said.err.startswith("error: ")
    assert "403" in said.err
    assert (scene.ledger(), scene.posts) == ([], [])


@pytest.mark.long  # tests/apply/test_doubt.py has the rule
def test_a_search_that_goes_on_failing_leaves_the_run_in_doubt_for_the_next_apply(
    open_scene: OpenScene, clock: Clock
) -> None:
    scene = open_scene(
        runs("a"),
        Fault(on="trigger", call_after=clock.forward, ending=Drop(effect=True)),
        Fault(on="search", times="always", ending=Reply(status=403)),
    )
    said = scene.run("apply", exits=4)
    assert "In doubt: may have been started" in said.out
    assert "403" in said.out
    assert scene.outcomes("a") == ["unknown"]
    assert scene.posts == [1]
