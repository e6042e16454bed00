"""`reconciler plan`: what an apply would do now."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.saved_plan import read_saved_plan
from reconciler.errors import RefusedError
from reconciler.model import Digest, EpochMs, RunId
from reconciler.plan import Action, plan_digest
from reconciler.sandbox import Drop, Fault
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import (
    AHEAD,
    EIGHT_MS,
    LEDGER,
    Gate,
    Scene,
    configuration,
    manifest,
    runs,
)
from tests.repositories import commit, git
from tests.sampling import sampled


def test_json_has_the_fields_of_the_contract(open_scene: OpenScene) -> None:
    content = manifest("a", 1, parameters={"Z": "012", "A": "${cal_dt}"})
    scene = open_scene({"triggers/a.yaml": content})
    plan = scene.run("plan", "--format", "json").json
    assert plan["version"] == 1
    assert plan["environment"] == "test"
    assert plan["commit"] == scene.tip()
    assert re.fullmatch("[0-9a-f]{64}", plan["digest"])
    assert plan["summary"] == {"trigger": 1}
    (run,) = plan["runs"]
    reason = run.pop("reason")
    contract = ("run", "action", "flowId", "triggerTime", "parameters", "file", "line")
    assert {field: run[field] for field in contract} == {
        "run": "a",
        "action": "trigger",
        "flowId": 1,
        "triggerTime": EIGHT_MS,
        "parameters": [{"key": "Z", "value": "012"}, {"key": "A", "value": "${cal_dt}"}],
        "file": "triggers/a.yaml",
        "line": 1,
    }
    assert reason == "starts immediately: its time is past"


def test_json_of_several_environments_lists_them(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, environments=("test", "prod"))
    )
    both = scene.run("plan", "--format", "json").json
    assert both["version"] == 1
    assert [one["environment"] for one in both["environments"]] == ["test", "prod"]
    assert [one["summary"] for one in both["environments"]] == [{"trigger": 1}, {}]
    assert scene.run("plan", "--env", "prod", "--format", "json").json["environment"] == "prod"


def test_the_line_is_that_of_the_runs_own_document(open_scene: OpenScene) -> None:
    first, second = manifest("a", 1), manifest("b", 2)
    scene = open_scene({"triggers/both.yaml": f"{first}---\n{second}"})
    rows = _rows(scene)
    assert rows["a"]["line"] == 1
    assert rows["b"]["line"] == first.count("\n") + 2


def test_the_plan_names_every_action_that_a_reviewer_must_see(open_scene: OpenScene) -> None:
    scene = open_scene(runs("changed", "renamed", "gone", "done"))
    scene.run("apply")
    git(scene.clone, "rm", "--quiet", "triggers/gone.yaml", "triggers/renamed.yaml")
    more = {
        "triggers/changed.yaml": manifest("changed", 1, parameters={"SITE": "other"}),
        "triggers/anew.yaml": manifest("anew", 2, parameters={"SITE": "renamed"}),
        "triggers/later.yaml": manifest("later", 5, suspend=True),
        "triggers/missed.yaml": manifest("missed", 6, notAfter="2024-03-05T00:00:00+08:00"),
        "triggers/new.yaml": manifest("new", 7),
    }
    for path, content in more.items():
        (scene.clone / path).write_text(content)
    rows = _rows(scene, exits=1)
    assert {name: row["action"] for name, row in rows.items()} == {
        "changed": "changed",
        "anew": "duplicate",
        "renamed": "orphaned",
        "gone": "orphaned",
        "done": "done",
        "later": "wait",
        "missed": "wait",
        "new": "wait",
    }
    assert rows["later"]["reason"] == "suspended"
    assert rows["missed"]["reason"].startswith("missed: notAfter was 2024-03-04T16:00:00")
    assert rows["new"]["reason"] == "nothing starts while a manifest has a problem"
    assert rows["gone"]["file"] is rows["gone"]["line"] is None
    said = scene.run("plan", exits=1)
    assert "Nothing is started in test until every problem is fixed." in said.out
    assert "Nothing is started" in said.out
    scene.run("plan", "--format", "markdown", exits=1)


def test_colliding_runs_wait_and_both_are_named(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1), "triggers/b.yaml": manifest("b", 1)})
    assert {row["reason"] for row in _rows(scene, exits=1).values()} == {
        "collides with another run"
    }
    said = scene.run("plan", exits=1)
    assert "collision: a and b (triggers/b.yaml:" in said.flat
    assert "collision: b and a (triggers/a.yaml:" in said.flat


def test_same_minute_allow_lets_a_collision_pass(open_scene: OpenScene) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1), "triggers/b.yaml": manifest("b", 1)},
        configured=lambda url: configuration(url, sameMinute="allow"),
    )
    assert {row["action"] for row in _rows(scene).values()} == {"trigger"}


@pytest.mark.long  # tests/test_plan.py has the rule
def test_a_run_in_doubt_is_planned_to_be_looked_for(open_scene: OpenScene) -> None:
    future = manifest("a", 1, triggerTime=AHEAD)
    scene = open_scene({"triggers/a.yaml": future}, Fault(on="trigger", ending=Drop()))
    scene.run("apply", exits=4)
    assert _rows(scene)["a"]["action"] == "resolve"
    assert "would look for the 1 run in doubt" in scene.run("plan").flat
    scene.run("plan", "--detailed-exitcode", exits=5)


@pytest.mark.long  # tests/test_plan.py has the rule
def test_a_run_that_a_live_apply_has_claimed_is_held(open_scene: OpenScene) -> None:
    gate = Gate()
    scene = open_scene(runs("a"), Fault(on="trigger", call_before=gate))
    process = scene.start("apply")
    assert gate.reached.wait(60)
    row = _rows(scene)["a"]
    states = scene.states()
    scene.run("plan", "--detailed-exitcode")
    gate.open()
    process.communicate(timeout=250)
    assert row["action"] == "hold"
    assert row["reason"].startswith("claimed by ")
    assert states == {"a": "claimed"}
    assert process.returncode == 0
    assert len(scene.instances) == 1


@pytest.mark.parametrize(("applied", "code"), [(False, 5), (True, 0)])
def test_detailed_exitcode_tells_whether_there_is_work(
    open_scene: OpenScene, *, applied: bool, code: int
) -> None:
    scene = open_scene(runs("a"))
    if applied:
        scene.run("apply")
    scene.run("plan", "--detailed-exitcode", exits=code)
    scene.run("plan")


@pytest.mark.long  # tests/test_refusals.py has the rule
@pytest.mark.parametrize("form", sampled(["text", "json", "markdown"], every=3))
def test_more_runs_than_the_limit_are_refused_in_the_words_of_the_apply(
    open_scene: OpenScene, form: str
) -> None:
    scene = open_scene(
        runs("a", "b"), configured=lambda url: configuration(url, limits={"maxRunsPerApply": 1})
    )
    said = scene.run("plan", "--format", form, exits=1).flat
    assert "raise limits.maxRunsPerApply to 2 in the same pull request" in said.replace("`", "")
    assert "this apply would start 2 runs" in scene.run("apply", exits=1).err
    assert "this apply would start" in said
    scene.run("plan", "--format", form, "--max-runs", "2")
    scene.run("plan", "--format", form, "--max-runs", "1", exits=1)


def test_a_plan_names_each_refusal_by_its_code(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    assert scene.run("plan", "--format", "json").json["refusals"] == []
    (one,) = scene.run("plan", "--format", "json", "--max-runs", "1", exits=1).json["refusals"]
    assert one["code"] == "too-many-to-start"
    scene.push({"triggers/c.yaml": "kind: Nothing\n"})
    plan = scene.run("plan", "--format", "json", exits=1).json
    problems = [one["code"] for one in plan["problems"]]
    assert [one["code"] for one in plan["refusals"]] == problems != []


def test_manifests_come_from_the_working_tree_and_the_ledger_from_the_remote(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    scene.run("apply")  # leaves this branch where it is
    (scene.clone / "triggers/b.yaml").write_text(manifest("b", 2))
    assert not (scene.clone / LEDGER).exists()
    assert _actions(scene) == {"a": "done", "b": "trigger"}
    assert _actions(scene, "--offline") == {"a": "trigger", "b": "trigger"}


def test_offline_asks_no_remote_and_says_whose_ledger_it_took(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.origin.rename(scene.folder / "moved.git")
    said = scene.run("plan", "--offline")
    assert said.err == "test: offline: the ledger is the working tree's, and may be behind\n"
    assert scene.run("plan", "--offline", "--quiet").err == ""


@pytest.mark.long  # that offline it is taken and said stays
def test_without_a_remote_the_local_ledger_is_taken_and_it_says_so(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    git(scene.clone, "remote", "remove", "origin")
    said = scene.run("plan", "--format", "json")
    assert said.json["summary"] == {"done": 1}
    assert "the ledger is the working tree's" in said.err


@pytest.mark.parametrize("command", sampled(["plan", "status", "apply"], every=3))
def test_a_remote_that_is_gone_is_told_in_one_message(open_scene: OpenScene, command: str) -> None:
    scene = open_scene(runs("a"))
    scene.origin.rename(scene.folder / "moved.git")
    said = scene.run(command, exits=1)
    assert said.out == ""
    assert "origin" in said.err
    assert "git remote -v" in said.err
    assert scene.sandbox.requests == []


def test_a_folder_that_is_no_repository_can_only_be_planned_offline(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    (scene.clone / ".git").rename(scene.folder / "gone")
    assert "not a git repository" in scene.run("plan", exits=1).err
    assert scene.run("plan", "--offline", "--format", "json").json["commit"] is None


def test_markdown_shows_a_reviewer_what_a_merge_does(open_scene: OpenScene) -> None:
    said = open_scene(runs("a")).run("plan", "--format", "markdown")
    assert said.out.startswith("<!-- reconciler-plan test -->\n")
    assert "`a`" in said.out
    assert "On organisation `o1`, gateway `127.0.0.1" in said.out


def test_a_comment_that_must_be_complete_and_is_not_fails(open_scene: OpenScene) -> None:
    scene = open_scene(runs(*(f"run-{number}" for number in range(30))))
    options = ("plan", "--format", "markdown", "--require-complete")
    assert "was cut" not in scene.run(*options).out
    said = scene.run(*options, "--max-bytes", "4000", exits=1).out
    assert len(said.encode()) <= 4_000
    assert said.split("\n\n")[1].startswith("**This comment was cut:**")
    scene.run("plan", "--format", "markdown", "--max-bytes", "4000")


def test_a_digest_changes_with_the_work_and_with_nothing_else(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))

    def digest() -> str:
        return str(scene.run("plan", "--format", "json").json["digest"])

    before = digest()
    scene.push({"README.md": "another commit\n"})
    assert digest() == before
    (scene.clone / "triggers/a.yaml").write_text(manifest("a", 2))
    assert digest() != before


@pytest.fixture
def saved(open_scene: OpenScene) -> tuple[Scene, str]:
    """A scene with runs `a` and `b`, and a plan of both that was saved."""
    scene = open_scene(
        runs("a", "b"), configured=lambda url: configuration(url, environments=("test", "prod"))
    )
    file = str(scene.folder / "plan.json")
    scene.run("plan", "--env", "test", "--out", file)
    return scene, file


def test_a_saved_plan_is_applied_as_it_is(saved: tuple[Scene, str]) -> None:
    scene, file = saved
    scene.push({"triggers/c.yaml": manifest("c", 3)})
    scene.run("apply", "--env", "test", "--plan", file)
    assert sorted(scene.posts, key=int) == [1, 2]  # type: ignore[arg-type]  # a start names a flow


def _add_parameter(scene: Scene) -> None:
    scene.push({"triggers/a.yaml": manifest("a", 1, parameters={"SITE": "else"})})


def _start_them(scene: Scene) -> None:
    scene.run("apply", "--env", "test")


def _remove_one(scene: Scene) -> None:
    scene.remove("triggers/a.yaml")


def _suspend(scene: Scene) -> None:
    scene.push({"triggers/a.yaml": manifest("a", 1, suspend=True)})


@pytest.mark.parametrize(
    "meanwhile", sampled([_add_parameter, _start_them, _remove_one, _suspend], every=4)
)
def test_a_stale_plan_is_refused_and_starts_nothing(
    saved: tuple[Scene, str], meanwhile: Callable[[Scene], None]
) -> None:
    scene, file = saved
    meanwhile(scene)
    before, tip = len(scene.posts), scene.tip()
    said = scene.run("apply", "--env", "test", "--plan", file, exits=1)
    assert said.err.startswith(
        "error: the saved plan is stale: an apply would not start a as planned"
    )
    assert (len(scene.posts), scene.tip()) == (before, tip)


def _backfill(*, sites: str = "cn-1, cn-2", more: str = "") -> str:
    return (
        "apiVersion: reconciler/v1\nkind: Backfill\nmetadata: {name: back}\nspec:\n  flowId: 5\n"
        "  businessDates: {from: 2024-03-01, to: 2024-03-02, every: 1d}\n"
        f"  matrix: {{SITE: [{sites}]}}\n{more}"
    )


STAGGERED = "  stagger: 1m\n"


@pytest.fixture
def saved_backfill(open_scene: OpenScene) -> tuple[Scene, str]:
    """A backfill of four staggered runs, and a plan of it that was saved."""
    files = {"triggers/back.yaml": _backfill(more=STAGGERED), **runs("a")}
    scene = open_scene(files)
    file = str(scene.folder / "plan.json")
    scene.run("plan", "--out", file)
    return scene, file


@pytest.mark.parametrize(
    ("now", "how"),
    sampled(
        [
            (
                _backfill(more="  stagger: 2m\n"),
                "triggerTime 2024-03-02T00:01:00+08:00 → 2024-03-02T00:0",
            ),
            (
                _backfill(more=STAGGERED + "  at: '01:00'\n"),
                "triggerTime 2024-03-02T00:00:00+08:00 →",
            ),
            (
                _backfill(sites="cn-0, cn-1, cn-2", more=STAGGERED),
                "triggerTime 2024-03-02T00:00:00",
            ),
            (_backfill(more=STAGGERED + "  exclude: [{SITE: cn-1}]\n"), "it is no longer declared"),
            (_backfill(more=STAGGERED + "  revision: 2\n"), "it is no longer declared"),
            (
                _backfill(more=STAGGERED + "  dependsOn: [a]\n"),
                "waits for a, which was not started yet",
            ),
            (_backfill(more=STAGGERED + "  cancel: true\n"), "cancelled before it was started"),
            (_backfill(more=STAGGERED + "  suspend: true\n"), "suspended"),
            (_backfill(more=STAGGERED + "  parameters: {X: y}\n"), 'parameters {"SITE": "cn-1"} →'),
            (_backfill(more=STAGGERED).replace("flowId: 5", "flowId: 6"), "flowId 5 → 6"),
        ],
        every=9,
    ),
)
def test_a_backfill_that_is_not_as_it_was_saved_is_refused(
    saved_backfill: tuple[Scene, str], now: str, how: str
) -> None:
    scene, file = saved_backfill
    scene.push({"triggers/back.yaml": now})
    said = scene.run("apply", "--plan", file, exits=1)
    assert "the saved plan is stale: an apply would not start back/2024-03-01/SITE=cn-" in said.flat
    assert how in said.flat
    assert scene.posts == []


def test_the_order_of_starts_is_no_part_of_what_a_saved_plan_starts(
    saved_backfill: tuple[Scene, str],
) -> None:
    scene, file = saved_backfill
    scene.push({"triggers/back.yaml": _backfill(more=STAGGERED + "  order: descending\n")})
    scene.run("apply", "--plan", file)
    assert len(scene.posts) == 5


def test_a_saved_plan_is_held_to_the_ceiling_of_the_branch(
    saved_backfill: tuple[Scene, str],
) -> None:
    scene, file = saved_backfill
    for limit, words in (
        ("maxRunsPerApply", "5 runs, and the limit is 4"),
        ("maxRuns", "too-many-runs"),
    ):
        scene.push({"reconciler.yaml": configuration(scene.url, limits={limit: 4})})
        assert words in scene.run("apply", "--plan", file, exits=1).flat
    assert scene.posts == []


@pytest.mark.long  # that a saved plan is applied as it is stays
def test_a_saved_plan_cancels_only_what_it_holds(saved: tuple[Scene, str]) -> None:
    scene, file = saved
    scene.run("apply", "--env", "test", "--plan", file)
    scene.push({"triggers/c.yaml": manifest("c", 3)})
    scene.run("plan", "--env", "test", "--out", file)
    scene.push({"triggers/a.yaml": manifest("a", 1, cancel=True)})
    scene.run("apply", "--env", "test", "--plan", file)
    assert "cancelled" not in scene.outcomes("a")
    scene.run("plan", "--env", "test", "--out", file)
    scene.run("apply", "--env", "test", "--plan", file)
    assert "cancelled" in scene.outcomes("a")


@pytest.mark.parametrize(
    "content",
    sampled(
        [
            "",
            "{",
            "[]",
            "{}",
            '"text"',
            '{"version": 1}',
            '{"version": 1, "environments": 3}',
            (
                '{"version": 1, "environment": "test", "runs": [{"run": "a", "action": "trigger", '
                '"digest": "", "flowId": 1e999, "triggerTime": 0, "parameters": []}]}'
            ),
            "\udcff",
        ],
        every=20,
    ),
)
def test_a_damaged_plan_is_refused(saved: tuple[Scene, str], content: str) -> None:
    scene, file = saved
    Path(file).write_text(content, encoding="utf-8", errors="surrogateescape")
    said = scene.run("apply", "--env", "test", "--plan", file, exits=1)
    assert said.err.startswith(f"error: {file} is not a saved plan: ")
    assert scene.posts == []


def test_a_plan_of_another_environment_or_version_is_refused(saved: tuple[Scene, str]) -> None:
    scene, file = saved
    said = scene.run("apply", "--env", "prod", "--plan", file, exits=1)
    assert "is for environment test, not for prod" in said.err
    assert "--env" in said.err
    assert "format" not in said.err
    plan = Path(file)
    plan.write_text(plan.read_text().replace('"version": 1', '"version": 2'))
    said = scene.run("apply", "--env", "test", "--plan", file, exits=1)
    assert "is of format 2, and this reconciler reads saved plans of format 1" in said.err
    assert "reconciler plan --out FILE" in said.err
    assert "environment" not in said.err
    assert scene.posts == []


@pytest.mark.parametrize("form", sampled(["2", '"1"', "null"], every=3))
def test_a_plan_of_another_format_may_have_any_other_field(
    saved: tuple[Scene, str], form: str
) -> None:
    scene, file = saved
    Path(file).write_text(f'{{"version": {form}}}')
    said = scene.run("apply", "--env", "test", "--plan", file, exits=1)
    assert "this reconciler reads saved plans of format 1" in said.err


@pytest.mark.parametrize(
    ("edit", "how"),
    sampled(
        [
            (
                lambda run: run["parameters"].append({"key": "X", "value": "y"}),
                'parameters {"SITE": "cn-1", "X": "y"} → {"SITE": "cn-1"}',
            ),
            (
                lambda run: run["parameters"][0].update(value="cn-9"),
                'parameters {"SITE": "cn-9"} →',
            ),
            (lambda run: run["parameters"].append(run["parameters"][0]), "parameters (("),
            (lambda run: run.update(flowId=7), "flowId 7 → 5"),
        ],
        every=4,
    ),
)
def test_a_saved_plan_that_somebody_edited_starts_nothing(
    saved_backfill: tuple[Scene, str], edit: Callable[[Any], Any], how: str
) -> None:
    """What starts is what a person read in the file, staggered runs included."""
    scene, file = saved_backfill
    plan = json.loads(Path(file).read_text())
    run = next(one for one in plan["runs"] if one["run"] == "back/2024-03-01/SITE=cn-1")
    edit(run)
    Path(file).write_text(json.dumps(plan))
    said = scene.run("apply", "--plan", file, exits=1)
    assert f"would not start {run['run']} as planned: {how}" in said.flat
    assert "the file was edited after it was saved" in said.flat
    assert scene.posts == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda plan: plan.update(digest="0" * 64),
        lambda plan: plan.update(digest=None),
        lambda plan: plan.pop("digest"),
        lambda plan: plan["runs"][0].update(action="done"),
        lambda plan: plan["runs"][0].update(triggerTime=plan["runs"][0]["triggerTime"] + 60_000),
        lambda plan: plan["runs"][0].update(run="c"),
        lambda plan: plan["runs"].pop(),
        lambda plan: plan["runs"].append(plan["runs"][0]),
    ],
)
def test_a_plan_whose_digest_is_not_that_of_its_runs_is_not_read(
    tmp_path: Path, edit: Callable[[Any], Any]
) -> None:
    runs = [_saved_run("a"), _saved_run("b")]
    rows = [(RunId(one["run"]), Action.START, Digest("d"), EpochMs(60_000)) for one in runs]
    plan = {
        "version": 1,
        "environment": "test",
        "commit": "0" * 40,  # for information only
        "digest": plan_digest("test", rows),
        "runs": runs,
    }
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    assert list(read_saved_plan(file, "test").starts) == ["a", "b"]
    edit(plan)
    file.write_text(json.dumps(plan))
    with pytest.raises(RefusedError, match="was edited after it was saved: its digest is not"):
        read_saved_plan(file, "test")


def _saved_run(name: str) -> dict[str, Any]:
    return {
        "run": name,
        "action": "trigger",
        "digest": "d",
        "flowId": 1,
        "triggerTime": 60_000,
        "parameters": [],
    }


def test_an_edited_plan_is_refused_by_an_apply(saved: tuple[Scene, str]) -> None:
    scene, file = saved
    text = Path(file).read_text()
    Path(file).write_text(text.replace('"action": "trigger"', '"action": "done"', 1))
    said = scene.run("apply", "--env", "test", "--plan", file, exits=1)
    assert said.flat.startswith(f"error: {file} was edited after it was saved")
    assert scene.posts == []


@pytest.mark.long  # that a saved plan is applied as it is stays
def test_a_saved_plan_holds_if_a_parameter_has_become_sensitive(saved: tuple[Scene, str]) -> None:
    """What is sent is the same, and the file shows either the value or its digest."""
    scene, file = saved
    hidden = manifest("a", 1, sensitive=["SITE"])
    scene.push({"triggers/a.yaml": hidden})
    scene.run("apply", "--env", "test", "--plan", file)
    assert scene.outcomes("a") == ["triggered"]


def test_a_plan_of_several_environments_is_applied_to_each(saved: tuple[Scene, str]) -> None:
    scene, file = saved
    scene.run("plan", "--out", file)
    scene.run("apply", "--env", "prod", "--plan", file)
    scene.run("apply", "--env", "test", "--plan", file)
    assert len(scene.posts) == 2


def test_a_plan_that_cannot_be_written_is_told(saved: tuple[Scene, str]) -> None:
    scene, _ = saved
    nowhere = scene.folder / "none" / "plan.json"
    said = scene.run("plan", "--out", str(nowhere), exits=1)
    assert said.err.endswith(f"error: {nowhere} cannot be written: No such file or directory\n")


def test_a_branch_that_the_remote_lacks_is_told(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, git_section={"branch": "nowhere"})
    )
    for command in ("plan", "status", "apply"):
        said = scene.run(command, exits=1)
        assert said.err.startswith("error: origin has no branch nowhere\n")
        assert "name another one in reconciler.yaml (git.branch)" in said.err


def test_a_branch_that_a_pipeline_names_and_the_remote_lacks_is_told_with_its_variable(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in reconciler.yaml would change it."""
    scene = open_scene(runs("a"))
    monkeypatch.setenv("GITHUB_BASE_REF", "nowhere")
    for command in ("plan", "status", "apply", "doctor"):
        said = scene.run(command, exits=1)
        assert "origin has no branch nowhere" in said.flat
        assert "change the variable GITHUB_BASE_REF, which names it here" in said.flat
        assert "git.branch" not in said.flat


def test_a_pull_requests_detached_shallow_checkout_is_planned(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    git(scene.clone, "checkout", "--quiet", "-b", "feature")
    commit(scene.clone, {"triggers/b.yaml": manifest("b", 2)})
    git(scene.clone, "push", "--quiet", "origin", "feature:refs/pull/1/merge")
    checkout = scene.folder / "checkout"
    checkout.mkdir()
    git(checkout, "init", "--quiet")
    git(checkout, "remote", "add", "origin", scene.origin.as_uri())
    git(checkout, "fetch", "--quiet", "--depth=1", "origin", "refs/pull/1/merge")
    git(checkout, "checkout", "--quiet", "FETCH_HEAD")
    monkeypatch.chdir(checkout)
    assert _actions(scene) == {"a": "done", "b": "trigger"}


def _rows(scene: Scene, *arguments: str, exits: int = 0) -> dict[str, dict[str, Any]]:
    plan = scene.run("plan", "--format", "json", *arguments, exits=exits).json
    return {row["run"]: row for row in plan["runs"]}


def _actions(scene: Scene, *arguments: str) -> dict[str, str]:
    return {name: row["action"] for name, row in _rows(scene, *arguments).items()}


@pytest.mark.long  # offline, with the ledger beside the manifests, stays
def test_offline_a_ledger_branch_counts_as_it_was_last_fetched(open_scene: OpenScene) -> None:
    def apart(url: str) -> str:
        return configuration(url, git_section={"ledgerBranch": "records"})

    scene = open_scene(runs("a"), configured=apart)
    said = scene.run("plan", "--offline", "--format", "json")
    assert "nothing was started yet, or what was is not known here" in said.err
    scene.run("apply")
    (scene.clone / "triggers/a.yaml").write_text(manifest("a", 1, parameters={"SITE": "other"}))
    said = scene.run("plan", "--offline", "--format", "json", exits=1)
    assert said.json["summary"] == {"changed": 1}
    assert said.json["commit"] == scene.tip("records")
    assert "origin/records as last fetched" in said.err
    assert (
        scene.run("status", "--offline", "--format", "json").json["runs"][0]["state"] != "pending"
    )
    assert ": changed: a is recorded" in scene.run("validate", exits=1).out
