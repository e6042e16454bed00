"""A run that was started by hand is recorded, never started by an apply, and observed as others."""

import json
from collections.abc import Callable

import pytest
import yaml

from reconciler.model import EpochMs
from reconciler.sandbox import NEVER, Fault, SandboxOptions, Stranger
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import EIGHT_MS, Gate, Scene, configuration, kill_at, manifest, runs
from tests.repositories import git
from tests.sampling import sampled

_WHY = ("--reason", "the gateway was down")


def by_hand(scene: Scene, flow: int, site: str = "a", at: int = EIGHT_MS) -> str:
    """What somebody starts in the console; gives its id."""
    stranger = Stranger(
        flow_id=flow,
        trigger_time=EpochMs(at),
        owner="u1",
        parameters=(("SITE", site),),
    )
    return scene.sandbox.add_stranger(stranger).id


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    return open_scene(runs("a", "b"))


def test_an_adopted_run_is_never_started_and_its_end_is_observed(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"), options=SandboxOptions(run_seconds=5))
    instance = by_hand(scene, 1)
    said = scene.run("resolve", "a", "--triggered", instance, *_WHY)
    assert said.out == f"a is recorded as started by hand: {instance}\n"
    event = scene.ledger()[-1]
    assert (event["event"], event["run"], event["flowInstanceId"]) == ("adopted", "a", instance)
    assert (event["by"], event["reason"]) == ("Test <test@example.test>", "the gateway was down")
    assert event["service"]["orgId"] == "o1"
    assert scene.states() == {"a": "triggered", "b": "pending"}
    message = git(scene.origin, "show", "--no-patch", "--format=%B", "main")
    assert f"a was started by hand as {instance} [skip ci]" in message
    assert f"Reconciler-Claim: {event['claim']}" in message
    scene.clock.forward(60)
    scene.run("apply")
    assert scene.posts == [2]
    assert scene.outcomes("a") == ["adopted", "observed"]
    assert scene.states()["a"] == "succeeded"
    assert "Ana" not in message
    assert "adopted by     Test <test@example.test>" in scene.run("status", "a").out


@pytest.mark.long  # tests/test_dependencies.py has the rule
def test_a_suspended_run_is_adopted_and_its_dependent_goes_on(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, suspend=True),
            "triggers/b.yaml": manifest("b", 2, dependsOn=["a"]),
        },
        options=SandboxOptions(run_seconds=5),
    )
    scene.run("resolve", "a", "--triggered", by_hand(scene, 1), *_WHY)
    scene.clock.forward(60)
    scene.run("apply")
    assert scene.posts == [2]


def test_an_instance_that_does_not_fit_is_refused(scene: Scene) -> None:
    tip = scene.tip()
    for instance, words in (
        ("1-1", "the service knows no instance 1-1"),
        (by_hand(scene, 2), "is of flow 2, and a of 1"),
        (by_hand(scene, 1, at=EIGHT_MS + 60_000), "has the trigger time 2024-03-02T00:01:00"),
        (by_hand(scene, 1, site="cn-02"), "shows other parameters than a has: SITE"),
    ):
        said = scene.run("resolve", "a", "--triggered", instance, *_WHY, exits=1)
        assert words in said.err
        assert "cn-02" not in said.err
    assert scene.tip() == tip


@pytest.mark.parametrize("shown", sampled(["", "A", "a "], every=3))
def test_what_may_be_its_value_otherwise_written_needs_somebody_who_knows(
    scene: Scene, shown: str
) -> None:
    instance = by_hand(scene, 1, site=shown)
    said = scene.run("resolve", "a", "--triggered", instance, *_WHY, exits=1)
    assert f"instance {instance} does not show just what a carries" in said.err
    scene.run("resolve", "a", "--triggered", instance, *_WHY, "--yes")
    assert scene.states()["a"] == "triggered"


@pytest.mark.long  # tests/apply/test_instances.py has the rule
def test_the_end_of_what_was_taken_by_force_is_observed(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"), options=SandboxOptions(run_seconds=0.05))
    instance = by_hand(scene, 1, site="cn-02")
    scene.run("resolve", "a", "--triggered", instance, "--force", *_WHY)
    scene.clock.forward(60)
    scene.run("status", "a", "--refresh")
    assert scene.states()["a"] == "succeeded"


def test_other_parameters_are_taken_by_force_with_a_reason(scene: Scene) -> None:
    instance = by_hand(scene, 1, site="cn-02")
    said = scene.run("resolve", "a", "--triggered", instance, "--force", exits=2)
    assert "--force goes with --reason" in said.err
    scene.run("resolve", "a", "--triggered", instance, "--force", *_WHY)
    assert scene.states()["a"] == "triggered"


def test_an_instance_of_another_run_is_not_adopted(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    mine = scene.instance_of(1).id
    again = manifest("again", 1, duplicateOf="a", parameters={"SITE": "a"})
    scene.push({"triggers/again.yaml": again})
    said = scene.run("resolve", "again", "--triggered", mine, *_WHY, exits=1)
    assert f"instance {mine} is recorded as that of a" in said.err


@pytest.mark.long  # tests/apply/test_evidence.py has the rule
def test_what_a_run_in_doubt_may_have_made_is_not_adopted(open_scene: OpenScene) -> None:
    gate = Gate()
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1),
            "triggers/again.yaml": manifest(
                "again", 1, duplicateOf="a", parameters={"SITE": "a"}, suspend=True
            ),
        },
        Fault(on="trigger", list_after=NEVER, call_after=gate),
    )
    kill_at(scene, gate)
    (its,) = scene.instances
    said = scene.run("resolve", "again", "--triggered", its.id, *_WHY, exits=1)
    assert f"instance {its.id} may be that of a, which is in doubt" in said.err


@pytest.mark.long  # tests/apply/test_evidence.py has the rule
def test_other_values_do_not_tell_an_instance_from_that_of_a_run_in_doubt(
    open_scene: OpenScene,
) -> None:
    """What the service shows of the run in doubt's own may be anything."""
    gate = Gate()
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1),
            "triggers/b.yaml": manifest("b", 1, parameters={"SITE": "b"}, suspend=True),
        },
        Fault(on="trigger", list_after=NEVER, call_after=gate),
        configured=lambda url: configuration(url, sameMinute="allow"),
    )
    kill_at(scene, gate)
    shown = by_hand(scene, 1, "b")
    for force in ((), ("--force",)):
        said = scene.run("resolve", "b", "--triggered", shown, *_WHY, *force, exits=1)
        assert f"instance {shown} may be that of a, which is in doubt" in said.err


@pytest.mark.long  # a claim that comes first stays
def test_a_run_that_another_apply_has_claimed_is_not_adopted(open_scene: OpenScene) -> None:
    gate = Gate()
    scene = open_scene(runs("a"), Fault(on="trigger", call_before=gate))
    kill_at(scene, gate)
    claimed = scene.tip()
    said = scene.run("resolve", "a", "--triggered", "1-1", *_WHY, exits=1)
    assert "the service knows no instance 1-1" in said.err  # it is in doubt, and settled as such
    assert scene.tip() == claimed


def test_a_claim_that_comes_first_wins(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adoption is derived anew from the branch that it lost the race on, and refused."""
    instance = by_hand(scene, 1)
    other = scene.folder / "other"
    git(scene.folder, "clone", "--quiet", str(scene.origin), str(other))

    def claim_now(*_: object, **__: object) -> None:
        process = scene.start("apply", "--repo", str(other))
        process.communicate()
        assert process.returncode == 0

    monkeypatch.setattr("reconciler.cli.settling.confirm_shown", claim_now)
    said = scene.run("resolve", "a", "--triggered", instance, *_WHY, exits=1)
    assert "a cannot be adopted: triggered" in said.err
    assert scene.outcomes("a") == ["triggered"]
    assert sorted(flow for flow in scene.posts if flow) == [1, 2]


@pytest.mark.long  # the simulation lives it; a claim that comes first stays
def test_an_adoption_that_comes_first_wins(open_scene: OpenScene) -> None:
    """The apply has read a branch without it, and loses the race with its claim."""
    gate = Gate()
    scene = open_scene(runs("a", "b"), Fault(on="time", call_before=gate))
    event = _an_adoption(scene, by_hand(scene, 1))
    process = scene.start("apply")
    assert gate.reached.wait(60)
    scene.push({"state/test/ledger.jsonl": event + "\n"})
    gate.open()
    process.communicate()
    assert process.returncode == 0
    assert scene.outcomes("a") == ["adopted"]
    assert scene.posts == [2]


def _an_adoption(scene: Scene, instance: str) -> str:
    row = {one["run"]: one for one in scene.run("plan", "--format", "json").json["runs"]}["a"]
    return json.dumps(
        {
            "v": 2,
            "event": "adopted",
            "at": "2026-01-01T00:00:00.000Z",
            "run": "a",
            "claim": "5f0c1d5be1a94c0e8a3c8f6f1f6f3b21",
            "by": "Ana",
            "commit": scene.tip(),
            "digest": row["digest"],
            "flowId": 1,
            "triggerTime": EIGHT_MS,
            "flowInstanceId": instance,
            "service": {"orgId": "o1", "gateway": scene.url, "userId": "u1"},
        }
    )


@pytest.mark.long  # tests/expansion/test_stagger.py has the minutes
def test_a_staggered_run_is_adopted_at_the_minute_at_which_it_was_started(
    open_scene: OpenScene,
) -> None:
    backfill = {
        "apiVersion": "reconciler/v1",
        "kind": "Backfill",
        "metadata": {"name": "march"},
        "spec": {
            "flowId": 1,
            "businessDates": {"from": "2024-03-01", "to": "2024-03-01", "every": "1d"},
            "at": "08:00",
            "matrix": {"SITE": ["a", "b"]},
            "stagger": "1m",
        },
    }
    scene = open_scene({"triggers/march.yaml": yaml.safe_dump(backfill, sort_keys=False)})
    run = "march/2024-03-01/SITE=b"
    scene.run("resolve", run, "--triggered", by_hand(scene, 1, site="b"), *_WHY)
    assert scene.ledger()[-1]["triggerTime"] == EIGHT_MS
    assert "stagger" not in scene.ledger()[-1]
    scene.run("apply")
    assert scene.posts == [1]
    assert scene.instances[-1].trigger_time == EIGHT_MS + 60_000
    assert scene.run("plan", "--format", "json").json["summary"] == {"done": 2}


@pytest.mark.long  # tests/apply/test_resolve.py has the rule
def test_nothing_is_adopted_into_the_ledger_of_another_service(scene: Scene) -> None:
    scene.run("apply", "b")
    scene.push({"reconciler.yaml": configuration(scene.url, orgId="o2")})
    tip = scene.tip()
    said = scene.run("resolve", "a", "--triggered", by_hand(scene, 1), *_WHY, exits=1)
    assert "nothing can be adopted: reconciler.yaml" in said.flat
    assert "rehomed" in said.err
    assert scene.tip() == tip


def _meanwhile(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Between the question to the service and the push."""
    monkeypatch.setattr("reconciler.cli.settling.confirm_shown", lambda *_, **__: happen())


def test_what_the_gateway_before_was_asked_for_is_not_recorded_as_another_ones(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the ledger would say that the other service has started it."""
    anew = configuration(scene.url, service="the-other-one")
    _meanwhile(monkeypatch, lambda: scene.push({"reconciler.yaml": anew}))
    said = scene.run("resolve", "a", "--triggered", by_hand(scene, 1), *_WHY, exits=1)
    assert "the gateway of test was configured anew meanwhile" in said.flat
    assert scene.ledger() == []


def test_a_branch_that_is_the_default_one_no_more_takes_no_adoption(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever applies next reads the new one, and would start the run again."""

    def move_head() -> None:
        git(scene.origin, "branch", "next", "main")
        git(scene.origin, "symbolic-ref", "HEAD", "refs/heads/next")

    _meanwhile(monkeypatch, move_head)
    said = scene.run("resolve", "a", "--triggered", by_hand(scene, 1), *_WHY, exits=1)
    assert "next is now the default branch" in said.flat
    assert scene.ledger("next") == []


def test_scripts_read_what_was_recorded(scene: Scene) -> None:
    instance = by_hand(scene, 1)
    said = scene.run("resolve", "a", "--triggered", instance, *_WHY, "--format", "json").json
    its = {"run": "a", "state": "triggered", "flowInstanceId": instance, "adopted": True}
    assert said == {"version": 1, "environment": "test", "reason": _WHY[1], "runs": [its]}


@pytest.mark.parametrize("section", sampled([None, {"ledgerBranch": "ledger"}], every=2))
def test_where_the_record_is_to_be_found_is_where_it_is(
    open_scene: OpenScene, section: dict[str, str] | None
) -> None:
    scene = open_scene(
        runs("a", "b"),
        options=SandboxOptions(run_seconds=5),
        configured=lambda url: configuration(url, git_section=section),
    )
    resolved = scene.run("resolve", "a", "--triggered", by_hand(scene, 1), *_WHY)
    scene.run("apply")
    scene.clock.forward(60)
    refreshed = scene.run("status", "--refresh")
    for said in (resolved, refreshed):
        assert ("git pull brings it here" in said.err) == (section is None)
        assert ("on origin/ledger, where status and plan read it" in said.err) == bool(section)
