"""`status`, `resolve` and `recover`: what is known, and what a person adds to it."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from reconciler.model import EpochMs
from reconciler.sandbox import (
    NEVER,
    Drop,
    Fault,
    FlowOptions,
    ParametersShown,
    SandboxOptions,
    Stranger,
)
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD, EIGHT_MS, Scene, configuration, manifest, runs
from tests.repositories import git, write_hook
from tests.sampling import sampled

_LABELS = {"team": "wind"}


def _rows(scene: Scene, *arguments: str) -> dict[str, dict[str, Any]]:
    found = scene.run("status", "--format", "json", *arguments).json
    return {row["run"]: row for row in found["runs"]}


@pytest.fixture
def mixed(open_scene: OpenScene) -> Scene:
    """A run that was triggered, one refused, one in doubt, and one pending."""
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, labels=_LABELS),
            "triggers/b.yaml": manifest("b", 2),
            "triggers/c.yaml": manifest("c", 3, labels=_LABELS, triggerTime=AHEAD),
            "triggers/d.yaml": manifest("d", 4, suspend=True),
        },
        Fault(on="trigger", flow_id=3, list_after=NEVER, ending=Drop(effect=True)),
        options=SandboxOptions(flows={2: FlowOptions(tasks=0)}),
    )
    scene.run("apply", exits=4)
    return scene


def test_status_json_has_the_fields_of_the_contract(mixed: Scene) -> None:
    document = mixed.run("status", "--format", "json").json
    assert (document["version"], document["environment"]) == (1, "test")
    rows = _rows(mixed)
    for row in rows.values():
        assert row.keys() >= {
            *("run", "state", "flowId", "triggerTime", "flowInstanceId"),
            *("claimedAt", "triggeredAt", "status", "error"),
        }
    assert {name: row["state"] for name, row in rows.items()} == {
        "a": "triggered",
        "b": "rejected",
        "c": "in-doubt",
        "d": "pending",
    }
    assert rows["a"]["triggerTime"] == EIGHT_MS
    assert rows["a"]["flowInstanceId"] == mixed.instance_of(1).id
    assert rows["a"]["claimedAt"] < rows["a"]["triggeredAt"]
    assert rows["b"]["error"].startswith("62104: ")
    assert rows["c"]["flowInstanceId"] is None
    assert rows["d"]["claimedAt"] is None


@pytest.mark.parametrize(
    ("arguments", "names"),
    sampled(
        [
            (("--state", "in-doubt"), "c"),
            (("--state", "rejected", "--state", "pending"), "bd"),
            (("--label", "team=wind"), "ac"),
            (("--label", "team=wind", "--state", "triggered"), "a"),
            (("--label", "team=sun"), ""),
            (("b", "d"), "bd"),
        ],
        every=9,
    ),
)
def test_status_shows_only_what_was_asked_for(
    mixed: Scene, arguments: tuple[str, ...], names: str
) -> None:
    assert "".join(sorted(_rows(mixed, *arguments))) == names


def test_status_of_an_unknown_run_is_told(mixed: Scene) -> None:
    said = mixed.run("status", "nowhere", exits=1)
    assert said.err == (
        "error: nowhere is neither declared nor recorded\n  `reconciler status` lists every run.\n"
    )


@pytest.mark.long  # tests/render/test_status.py has the words
def test_status_says_why_of_runs_that_nothing_declares_any_more_as_well(mixed: Scene) -> None:
    mixed.run("resolve", "c", "--not-triggered", "--yes", "--reason", "nobody has seen it")
    git(mixed.clone, "pull", "--quiet", "--rebase")
    for name in "abc":
        mixed.remove(f"triggers/{name}.yaml")
    reasons = {name: row["reason"] for name, row in _rows(mixed).items() if name != "d"}
    assert reasons == {
        "a": "running: started, and not known to have ended",
        "b": "undeclared: no longer declared: will not start",
        "c": "undeclared: no longer declared: will not start",
    }
    assert mixed.run("status").flat.count("no longer declared: will not start") == 2
    assert "\nwhy            no longer declared: will not start\n" in mixed.run("status", "c").out
    mixed.run("status", "c", "--detailed-exitcode")


@pytest.mark.parametrize(
    "arguments", sampled([("--label", "team"), ("--state", "nowhere")], every=2, whole=True)
)
def test_a_filter_that_is_none_is_wrong_usage(mixed: Scene, arguments: tuple[str, str]) -> None:
    mixed.run("status", *arguments, exits=2)


def test_status_of_a_run_in_doubt_shows_what_was_seen_and_the_commands_to_settle_it(
    mixed: Scene,
) -> None:
    said = mixed.run("status", "c")
    assert "c in test: in doubt" in said.out
    assert "seen " in said.out
    assert "  reconciler resolve c --triggered INSTANCE_ID --reason WHY --env test\n" in said.out
    assert "  reconciler resolve c --not-triggered --yes --reason WHY --env test\n" in said.out


@pytest.mark.long  # tests/apply/test_evidence.py has what is seen
def test_what_the_last_search_saw_of_a_run_in_doubt_is_recorded_once(open_scene: OpenScene) -> None:
    hiding = SandboxOptions(run_seconds=1e6, parameters_shown=ParametersShown(hidden="absent"))
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        Fault(on="trigger", ending=Drop(effect=True)),
        options=hiding,
        configured=lambda url: configuration(url, limits={"claimSeconds": 3}, timeoutSeconds=1),
    )
    scene.run("apply", exits=4)
    (mine,) = scene.instances
    evidence = _rows(scene)["a"]["evidence"]
    assert "connection broke" in evidence["answer"]
    assert mine.id in evidence["reason"]
    assert [one["id"] for one in evidence["found"]] == [mine.id]
    assert mine.id in scene.run("status", "a").out
    tip = scene.tip()
    scene.clock.forward()
    scene.run("apply", exits=4)
    assert scene.tip() == tip


@pytest.mark.long  # tests/apply/test_doubt.py has the rule
def test_a_run_in_doubt_whose_time_lies_ahead_stays_so_and_is_not_started_again(
    mixed: Scene,
) -> None:
    said = mixed.run("apply", exits=4)
    assert "c: nothing found, and its trigger time still lies ahead" in said.flat
    assert mixed.posts.count(3) == 1


def test_resolving_as_triggered_records_who_said_so(mixed: Scene) -> None:
    instance = mixed.instance_of(3).id
    said = mixed.run("resolve", "c", "--triggered", instance, "--reason", "seen in the console")
    assert said.out == f"c is recorded as triggered: {instance}\n"
    resolved = mixed.ledger()[-1]
    assert (resolved["event"], resolved["triggered"]) == ("resolved", instance)
    assert resolved["by"] == "Test <test@example.test>"
    assert resolved["reason"] == "seen in the console"
    assert resolved["claim"] == mixed.ledger()[0]["claim"]
    message = git(mixed.origin, "show", "--no-patch", "--format=%B", "main")
    assert "[skip ci]" in message
    assert f"Reconciler-Claim: {resolved['claim']}" in message
    assert git(mixed.origin, "show", "--name-only", "--format=", "main").startswith("state/")
    assert _rows(mixed)["c"]["state"] == "triggered"
    mixed.run("apply", exits=1)  # b is refused once more
    assert mixed.posts.count(3) == 1


@pytest.mark.long  # tests/apply/test_resolve.py has the rule
def test_resolving_as_not_triggered_needs_yes_while_it_may_still_start(mixed: Scene) -> None:
    tip = mixed.tip()
    said = mixed.run("resolve", "c", "--not-triggered", exits=1)
    assert said.err.startswith("error: its claim lasts until ")
    mixed.clock.forward(3600)
    said = mixed.run("resolve", "c", "--not-triggered", exits=1)
    assert said.err.startswith(f"error: its trigger time comes at {AHEAD[:-1]}")
    assert "--yes" in said.err
    assert mixed.tip() == tip
    said = mixed.run("resolve", "c", "--not-triggered", "--yes")
    assert said.out == "c is pending again: the next apply starts it\n"
    assert mixed.ledger()[-1]["triggered"] is None
    assert _rows(mixed)["c"]["state"] == "pending"


def test_a_run_resolved_as_not_triggered_is_started_by_the_next_apply(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1, triggerTime=AHEAD)},
        Fault(on="trigger", ending=Drop()),
    )
    scene.run("apply", exits=4)
    scene.run("resolve", "a", "--not-triggered", "--yes")
    scene.run("apply")
    assert len(scene.instances) == 1
    assert scene.outcomes("a") == ["unknown", "resolved", "triggered"]


def _start_by_hand(scene: Scene, flow: int, trigger_time: int) -> str:
    """An instance that no ledger knows."""
    stranger = Stranger(flow_id=flow, trigger_time=EpochMs(trigger_time), owner="u1")
    return scene.sandbox.add_stranger(stranger).id


@pytest.mark.long  # tests/apply/test_resolve.py has the rule
def test_an_instance_that_is_not_the_runs_is_refused(mixed: Scene) -> None:
    tip = mixed.tip()
    anothers = mixed.instance_of(1).id
    other_flow = _start_by_hand(mixed, 9, mixed.instance_of(3).trigger_time)
    other_time = _start_by_hand(mixed, 3, EIGHT_MS)
    for instance, words in (
        ("3-1", "the service knows no instance 3-1"),
        (anothers, f"instance {anothers} is recorded as that of a"),
        (other_flow, f"instance {other_flow} is of flow 9, and c of 3"),
        (other_time, f"instance {other_time} has the trigger time 2024-03-02T00:00:00.000Z, and c"),
    ):
        said = mixed.run("resolve", "c", "--triggered", instance, exits=1)
        assert said.err.startswith(f"error: {words}")
    assert mixed.tip() == tip


@pytest.mark.parametrize(
    ("run", "words"),
    sampled(
        [
            ("a", "a is not in doubt: it is triggered"),
            ("b", "b is not in doubt: it is rejected"),
            ("d", "d was never claimed: there is nothing to settle"),
            ("nowhere", "nowhere is neither recorded nor declared on the branch"),
        ],
        every=5,
    ),
)
def test_only_a_run_in_doubt_can_be_resolved(mixed: Scene, run: str, words: str) -> None:
    tip = mixed.tip()
    said = mixed.run("resolve", run, "--not-triggered", "--yes", exits=1)
    assert said.err.startswith(f"error: {words}\n")
    assert mixed.tip() == tip


@pytest.mark.parametrize(
    "decision", sampled([(), ("--triggered", "3-1", "--not-triggered")], every=2, whole=True)
)
def test_a_decision_is_one_of_two(mixed: Scene, decision: tuple[str, ...]) -> None:
    said = mixed.run("resolve", "c", *decision, exits=2)
    assert "Say either --triggered ID or --not-triggered." in said.err


@pytest.fixture
def rescued(open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch) -> tuple[Scene, Path]:
    """A scene whose origin began to refuse pushes after the claim, and the rescue file."""
    monkeypatch.setattr("reconciler.apply.branch.FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setattr("reconciler.apply.branch.RECORD_ATTEMPTS", 2)
    scene: Scene

    def refuse() -> None:
        write_hook(scene.origin, "pre-receive", "echo 'The disk is full.' >&2; exit 1")

    scene = open_scene(
        runs("a", "b"),
        Fault(on="trigger", call_before=refuse),
        configured=lambda url: configuration(url, limits={"concurrency": 1}),  # a, then b
    )
    said = scene.run("apply", exits=1)
    assert "The disk is full." in said.err
    assert "the outcomes of this apply are not on the branch" in said.err
    named = re.search(r"`reconciler recover (\S+)`", said.err)
    assert named is not None
    (scene.origin / "hooks" / "pre-receive").unlink()
    return scene, Path(named[1])


@pytest.mark.parametrize("is_there", sampled([True, False], every=2))
def test_a_pipeline_says_where_such_a_file_is_kept_for_its_artifacts(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr("reconciler.apply.branch.RECORD_ATTEMPTS", 1)
    scene = open_scene(
        runs("a"),
        Fault(on="trigger", call_before=lambda: write_hook(scene.origin, "pre-receive", "exit 1")),
    )
    kept = scene.folder / "artifacts" / "rescue"
    if is_there:
        kept.mkdir(parents=True)
    monkeypatch.setenv("RECONCILER_RESCUE_FOLDER", str(kept))
    scene.run("apply", exits=1)
    (file,) = kept.iterdir()
    assert '"event":"triggered"' in file.read_text()


def test_outcomes_that_cannot_be_pushed_are_kept_in_a_file(rescued: tuple[Scene, Path]) -> None:
    scene, file = rescued
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["event"], one["run"]) for one in kept] == [("triggered", "a"), ("triggered", "b")]
    assert file.parent == scene.clone.parent
    assert not file.stat().st_mode & stat.S_IXUSR
    assert [event["event"] for event in scene.ledger()] == ["claim"]
    assert scene.states() == {"a": "claimed", "b": "claimed"}


def test_recover_feeds_the_outcomes_back_and_again_is_a_no_op(rescued: tuple[Scene, Path]) -> None:
    scene, file = rescued
    said = scene.run("recover", str(file))
    assert said.out.startswith(f"2 events in {file}: 2 recorded")
    assert scene.states() == {"a": "triggered", "b": "triggered"}
    tip = scene.tip()
    said = scene.run("recover", str(file))
    assert said.out.startswith(f"2 events in {file}: 0 recorded")
    file.write_text(file.read_text().splitlines(keepends=True)[0])
    said = scene.run("recover", str(file))
    assert said.out.startswith(f"1 event in {file}: 0 recorded")
    assert scene.tip() == tip
    scene.run("apply")
    assert len(scene.posts) == 2


@pytest.mark.long  # tests/acceptance/test_faults.py has the search
def test_without_the_file_the_next_apply_finds_the_instances(rescued: tuple[Scene, Path]) -> None:
    scene, file = rescued
    file.unlink()
    scene.clock.forward()
    scene.run("apply")
    assert scene.states() == {"a": "triggered", "b": "triggered"}
    assert len(scene.posts) == 2


def test_recover_says_that_an_answer_confirms_what_a_search_had_inferred(
    rescued: tuple[Scene, Path],
) -> None:
    scene, file = rescued
    scene.clock.forward()
    scene.run("apply")
    said = scene.run("recover", str(file))
    assert "2 recorded (2 had been found by a search, which is less certain); 0 known" in said.flat
    inferred = [one.get("inferred", False) for one in scene.ledger() if one.get("run") == "a"]
    assert inferred == [True, False]
    assert "(0 had" not in scene.run("recover", str(file)).flat


def test_a_file_that_is_not_of_this_branch_is_refused(rescued: tuple[Scene, Path]) -> None:
    scene, file = rescued
    tip = scene.tip()
    content = file.read_text()
    nonce = scene.ledger()[0]["claim"]
    for damaged, words in (
        (content.replace(nonce, "0" * 32), f"the branch has no claim {'0' * 32} of a"),
        (content.replace('"run":"a"', '"run":"c"'), f"the branch has no claim {nonce} of c"),
        (content[:-30], f"{file} is no rescue file: {file}:2: not a ledger event"),
        (json.dumps(scene.ledger()[0]) + "\n", "the file holds other events than outcomes"),
    ):
        file.write_text(damaged)
        assert scene.run("recover", str(file), exits=1).err.startswith(f"error: {words}")
    assert scene.tip() == tip
