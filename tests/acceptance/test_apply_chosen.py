"""`apply RUN…`: only these are started and cancelled, and the promise holds for all."""

import os
import signal

import pytest
import yaml

from reconciler.apply.checks import Chosen
from reconciler.sandbox import NEVER, Drop, Fault, SandboxOptions
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD, Gate, Scene, configuration, kill_at, manifest, runs
from tests.building import a_ledger, a_run, declared
from tests.sampling import sampled

_BACKFILL = yaml.safe_dump(
    {
        "apiVersion": "reconciler/v1",
        "kind": "Backfill",
        "metadata": {"name": "march"},
        "spec": {
            "flowId": 9,
            "businessDates": {"from": "2024-03-01", "to": "2024-03-03", "every": "1d"},
            "matrix": {"SITE": ["cn-01", "cn-02"]},
            "stagger": "1m",
        },
    },
    sort_keys=False,
)


def _started(scene: Scene) -> set[str]:
    return {run for run, state in scene.states().items() if state != "pending"}


@pytest.mark.parametrize(
    ("words", "started"),
    sampled(
        [
            (("march/2024-03-0", "wind"), {"wind"} | {f"march/2024-03-0{d}" for d in (1, 2, 3)}),
            (("wind",), {"wind"}),
            (("wind-",), {"wind-daily", "wind-hourly"}),
            (("march/2024-03-02",), {f"march/2024-03-02/SITE=cn-0{n}" for n in (1, 2)}),
        ],
        every=4,
    ),
)
def test_only_the_runs_that_were_named_are_started(
    open_scene: OpenScene, words: tuple[str, ...], started: set[str]
) -> None:
    scene = open_scene(
        runs("wind", "wind-daily", "wind-hourly") | {"triggers/march.yaml": _BACKFILL}
    )
    said = scene.run("apply", *words)
    found = _started(scene)
    assert {run.removesuffix("/SITE=cn-01") for run in found if "cn-02" not in run} == {
        run.removesuffix("/SITE=cn-01") for run in started if "cn-02" not in run
    }
    assert "Waiting" not in said.out
    rows = scene.run("status", *words, "--format", "json").json["runs"]
    assert {row["run"] for row in rows} == found
    scene.run("apply")
    assert len(scene.instances) == 9


def test_a_name_that_means_nothing_starts_nothing(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    said = scene.run("apply", "a", "nowhere", exits=1)
    assert said.err.startswith("error: nowhere is neither declared nor recorded\n")
    assert (scene.instances, scene.ledger()) == ([], [])


@pytest.mark.long  # that a word goes on to mean its run stays
def test_a_run_that_is_taken_away_meanwhile_is_none_whose_name_goes_on(
    open_scene: OpenScene,
) -> None:
    gate = Gate()
    scene = open_scene(
        runs("wind", "wind-march"),
        Fault(on="time", call_before=gate),
        configured=lambda url: configuration(url, timeoutSeconds=20),
    )
    process = scene.start("apply", "wind")
    assert gate.reached.wait(60)
    scene.remove("triggers/wind.yaml")
    gate.open()
    process.communicate()
    assert scene.instances == []


@pytest.mark.long  # tests/test_limits.py has the rule
def test_a_place_that_another_claim_holds_is_waited_for(open_scene: OpenScene) -> None:
    victim: list[int] = []
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1),
            "triggers/b.yaml": manifest("b", 1, triggerTime="2024-03-02T09:00:00+08:00"),
        },
        Fault(on="trigger", call_before=lambda: os.kill(victim[0], signal.SIGKILL)),
        options=SandboxOptions(run_seconds=0.05),
        configured=lambda url: configuration(
            url, limits={"claimSeconds": 3, "maxActivePerFlow": 1}, timeoutSeconds=1
        ),
    )
    process = scene.start("apply", "a")
    victim.append(process.pid)
    process.communicate()
    scene.run("apply", "--wait", "b")
    assert scene.states()["b"] == "succeeded"


def test_a_word_goes_on_to_mean_the_run_that_it_meant() -> None:
    wind, march = a_run("wind"), a_run("wind-march")
    chosen = Chosen(["wind"], declared(wind, march), a_ledger())
    assert (chosen.has(wind), chosen.has(march)) == (True, False)
    beginning = Chosen(["wind-"], declared(wind, march), a_ledger())
    assert (beginning.has(wind), beginning.has(march)) == (False, True)
    assert beginning.has(a_run("wind-april"))


@pytest.mark.parametrize("command", ["apply", "status"])
def test_an_empty_name_is_wrong_usage_and_not_the_beginning_of_all(
    open_scene: OpenScene, command: str
) -> None:
    scene = open_scene(runs("a"))
    said = scene.run(command, "", exits=2)
    assert "it is empty: name a run, or leave it out" in said.err
    assert scene.instances == []


def test_names_and_a_saved_plan_are_wrong_usage(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("plan", "--out", "plan.json")
    said = scene.run("apply", "a", "--plan", "plan.json", exits=2)
    assert "Say either --plan FILE or RUN" in said.err


def test_what_a_named_run_depends_on_is_not_started_with_it(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/import.yaml": manifest("import", 1),
            "triggers/report.yaml": manifest("report", 2, dependsOn=["import"]),
        }
    )
    said = scene.run("apply", "report", "--wait", "--timeout", "5s")
    assert "blocked: import is left out of this apply" in said.flat
    assert scene.instances == []
    scene.run("apply", "import")
    assert scene.posts == [1]


def test_what_is_left_out_is_not_cancelled(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    scene.run("apply")
    scene.push(
        {
            "triggers/a.yaml": manifest("a", 1, cancel=True),
            "triggers/b.yaml": manifest("b", 2, cancel=True),
        }
    )
    scene.run("apply", "a")
    assert scene.outcomes("a")[-1] != "triggered"
    assert scene.outcomes("b") == ["triggered"]


def test_a_problem_of_a_run_that_is_left_out_refuses_all(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b") | {"triggers/copy.yaml": manifest("copy", 2)})
    scene.push({"triggers/copy.yaml": manifest("copy", 2, parameters={"SITE": "b"})})
    said = scene.run("apply", "a", exits=1)
    assert "duplicate" in said.err
    assert scene.instances == []


def test_another_run_in_doubt_is_told_and_not_started_again(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/never.yaml": manifest("never", 2, triggerTime=AHEAD),
            "triggers/a.yaml": manifest("a", 3, suspend=True),
        },
        Fault(on="trigger", flow_id=2, list_after=NEVER, ending=Drop(effect=True)),
    )
    scene.run("apply", exits=4)
    scene.push({"triggers/a.yaml": manifest("a", 3)})
    said = scene.run("apply", "a", exits=4)
    assert "never: nothing found, and its trigger time still lies ahead" in said.flat
    assert scene.posts == [2, 3]


@pytest.mark.long  # that another run in doubt is told stays
def test_a_live_claim_of_another_run_is_not_waited_for(open_scene: OpenScene) -> None:
    """Only for what was named something is waited for."""
    gate = Gate()
    scene = open_scene(runs("held", "a"), Fault(on="trigger", flow_id=1, call_before=gate))
    kill_at(scene, gate, "held")
    said = scene.run("apply", "a")
    assert "claimed by another apply" not in said.err
    assert scene.states() == {"held": "claimed", "a": "triggered"}


@pytest.mark.long  # that a word goes on to mean its run stays
def test_a_renamed_run_is_named_by_either_name(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/old.yaml": manifest("old", 1)})
    scene.run("apply")
    scene.remove("triggers/old.yaml")
    again = manifest("new", 1, formerly="old", revision=2, parameters={"SITE": "x"})
    scene.push({"triggers/new.yaml": again, "triggers/b.yaml": manifest("b", 2)})
    scene.run("apply", "new")
    assert scene.posts == [1, 1]
    scene.run("apply", "old")
    assert scene.posts == [1, 1]


@pytest.mark.parametrize("wait", sampled([(), ("--wait",)], every=2, whole=True))
def test_a_run_that_waits_for_what_was_left_out_says_so_and_what_helps(
    open_scene: OpenScene, wait: tuple[str, ...]
) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1),
            "triggers/b.yaml": manifest("b", 2, dependsOn=["a"]),
            "triggers/c.yaml": manifest("c", 3, dependsOn=["b"]),
        }
    )
    helps = "which this apply was not called for"
    said = scene.run("apply", "b", *wait)
    assert f"b waits for a, {helps}: name that as well, or call it without names." in said.flat
    assert "Nothing to do" not in said.out
    assert f"b waits for a, {helps}" in scene.run("apply", "b", "--format", "markdown").flat
    document = scene.run("apply", "b", "--format", "json").json
    assert document["leftOut"] == [{"run": "b", "waitsFor": ["a"]}]
    assert helps not in scene.run("apply", "a").flat
    assert helps not in scene.run("apply", "b", "c").flat
