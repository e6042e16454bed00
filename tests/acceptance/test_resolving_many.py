"""`resolve RUN…`: the service is looked at first, and all are settled in one commit or none."""

import io

import pytest

from reconciler.model import EpochMs
from reconciler.sandbox import Drop, Fault, ParametersShown, Reply, SandboxOptions, Stranger
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD, EIGHT_MS, Gate, Scene, kill_at, manifest
from tests.repositories import git
from tests.sampling import sampled

_WHY = ("--reason", "the gateway was down")


@pytest.fixture
def lost(open_scene: OpenScene) -> Scene:
    """Three runs in doubt, of which the service has nothing; and one that was started."""
    scene = open_scene(
        {
            f"triggers/{name}.yaml": manifest(name, flow, triggerTime=AHEAD)
            for flow, name in enumerate(("wind-a", "wind-b", "sun"), start=1)
        }
        | {"triggers/wind-c.yaml": manifest("wind-c", 4)},
        *(Fault(on="trigger", flow_id=flow, ending=Drop()) for flow in (1, 2, 3)),
    )
    scene.run("apply", exits=4)
    return scene


def test_all_that_a_word_means_and_is_in_doubt_is_settled_in_one_commit(lost: Scene) -> None:
    before = int(git(lost.origin, "rev-list", "--count", "main"))
    said = lost.run("resolve", "wind-", "sun", "--not-triggered", "--yes", *_WHY)
    assert said.out == "".join(
        f"{run} is pending again: the next apply starts it\n" for run in ("wind-a", "wind-b", "sun")
    )
    assert int(git(lost.origin, "rev-list", "--count", "main")) == before + 1
    message = git(lost.origin, "show", "--no-patch", "--format=%B", "main")
    assert "wind-a and 2 more were not triggered [skip ci]" in message
    assert message.count("Reconciler-Claim: ") == 1
    assert {one["reason"] for one in lost.ledger() if one["event"] == "resolved"} == {_WHY[1]}
    lost.run("apply")
    assert sorted(one.flow_id for one in lost.instances) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "words"),
    sampled(
        [
            (
                ("wind-", *_WHY),
                "nothing was recorded: 2 runs are meant, and nobody can be asked here",
            ),
            (("wind-", "--yes"), "2 runs are not settled without a reason"),
            (("wind-a", "wind-c", "--yes", *_WHY), "wind-c is not in doubt: it is triggered"),
            (("wind-c/", "--yes", *_WHY), "wind-c/ is neither recorded nor declared on the branch"),
        ],
        every=9,
    ),
)
def test_several_runs_need_a_reason_and_a_yes_and_all_must_be_in_doubt(
    lost: Scene, arguments: tuple[str, ...], words: str
) -> None:
    tip = lost.tip()
    lost.clock.forward(3600)
    said = lost.run("resolve", *arguments, "--not-triggered", exits=1)
    assert words in said.flat or "its trigger time comes at" in said.flat
    assert lost.tip() == tip


def test_an_instance_is_one_runs(lost: Scene) -> None:
    said = lost.run("resolve", "wind-", "--triggered", "1-1", "--yes", *_WHY, exits=1)
    assert "wind- means 2 runs, and an instance is one run's" in said.err


@pytest.mark.long  # tests/acceptance/test_settling.py settles one
def test_a_single_run_is_settled_as_before_without_a_reason_and_that_is_said(lost: Scene) -> None:
    said = lost.run("resolve", "sun", "--not-triggered", "--yes")
    assert "note: recorded without a reason" in said.err
    assert lost.states()["sun"] == "pending"


def test_one_run_that_is_meant_and_not_in_doubt_is_named(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a.b", 1)})
    said = scene.run("resolve", "a.", "--not-triggered", "--yes", *_WHY, exits=1)
    assert said.err.startswith("error: a.b, which a. means, is not in doubt\n")


@pytest.mark.parametrize(
    ("arguments", "placeholder"),
    sampled(
        [
            (("--not-triggered", "--yes", "--reason", "WHY"), "--reason WHY"),
            (("--not-triggered", "--yes", "--reason", "TEXT"), "--reason TEXT"),
            (("--triggered", "INSTANCE_ID", *_WHY), "--triggered INSTANCE_ID"),
            (("--triggered", "ID", *_WHY), "--triggered ID"),
        ],
        every=4,
    ),
)
def test_a_command_that_is_pasted_as_it_was_printed_records_nothing(
    lost: Scene, arguments: tuple[str, ...], placeholder: str
) -> None:
    tip = lost.tip()
    said = lost.run("resolve", "sun", *arguments, exits=1)
    assert said.err.startswith(
        f"error: {placeholder} is the command as it was printed\n  Write the "
    )
    assert lost.tip() == tip
    lost.run("resolve", "sun", "--not-triggered", "--yes", "--reason", "nobody knows WHY")


@pytest.fixture
def fitting(open_scene: OpenScene) -> Scene:
    """A run in doubt whose instance the service lists, with no parameters to tell it by."""
    gate = Gate()
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1)},
        Fault(on="trigger", call_after=gate),
        options=SandboxOptions(run_seconds=1e6, parameters_shown=ParametersShown(hidden="absent")),
    )
    kill_at(scene, gate)
    scene.clock.forward(300)
    return scene


def test_what_fits_makes_not_triggered_a_refusal_unless_forced_with_a_reason(
    fitting: Scene,
) -> None:
    (its,) = fitting.instances
    for more in ((), ("--yes",), ("--yes", *_WHY)):
        said = fitting.run("resolve", "a", "--not-triggered", *more, exits=1)
        assert said.err.startswith(f"error: the service has what fits a: {its.id}\n")
    fitting.run("resolve", "a", "--not-triggered", "--force", exits=2)
    fitting.run("resolve", "a", "--not-triggered", "--force", *_WHY)
    resolved = fitting.ledger()[-1]
    assert resolved["evidence"]["forced"] is True
    assert [row["id"] for row in resolved["evidence"]["found"]] == [its.id]
    assert resolved["reason"] == _WHY[1]


def test_a_service_that_cannot_be_searched_settles_nothing_unless_forced(lost: Scene) -> None:
    lost.sandbox.add_fault(Fault(on="search", ending=Reply(status=400), times="always"))
    said = lost.run("resolve", "sun", "--not-triggered", "--yes", exits=1)
    assert said.err.startswith("error: the service could not be searched for sun: ")
    lost.run("resolve", "sun", "--not-triggered", "--yes", "--force", *_WHY)
    assert "notSearched" in lost.ledger()[-1]["evidence"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", sampled(["y", "n"], every=2))
def test_on_a_terminal_the_reason_is_asked_for_and_what_the_service_has_is_shown(
    lost: Scene, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("reconciler.cli.settling.is_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", _Terminal(f"it failed\n{answer}\n"))
    git(lost.clone, "pull", "--quiet", "--rebase")
    lost.push({"triggers/d.yaml": manifest("d", 5, suspend=True)})
    hand = lost.sandbox.add_stranger(
        Stranger(flow_id=5, trigger_time=EpochMs(EIGHT_MS), owner="u1", parameters=(("SITE", "d"),))
    )
    said = lost.run("resolve", "d", "--triggered", hand.id, exits=0 if answer == "y" else 130)
    assert f"{hand.id}, flow 5" in said.err
    recorded = [one for one in lost.ledger() if one["event"] == "adopted"]
    assert [one["reason"] for one in recorded] == (["it failed"] if answer == "y" else [])
