"""`reconciler apply`: each declared run is started once, in order, and recorded."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import (
    AHEAD,
    AHEAD_MS,
    CONFIGURATION,
    EIGHT_MS,
    Scene,
    configuration,
    manifest,
    runs,
)
from tests.repositories import git
from tests.sampling import sampled

_DAY_MS = 86_400_000


def test_the_first_apply_starts_each_run_once_and_the_second_none(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b", "c"))
    said = scene.run("apply")
    assert "3 triggered" in said.out
    assert sorted(one.flow_id for one in scene.instances) == [1, 2, 3]
    for flow, name in enumerate("abc", start=1):
        assert f"  {name}: {scene.instance_of(flow).id}\n" in said.out
    tip = scene.tip()
    assert "Nothing to do." in scene.run("apply").out
    assert len(scene.posts) == 3
    assert scene.tip() == tip
    assert set(scene.states().values()) == {"triggered"}


def test_what_is_sent_is_what_the_manifest_says(open_scene: OpenScene) -> None:
    parameters = {"Z": "012", "A": "${cal_dt}", "empty": "", "text": "värde ✓"}
    scene = open_scene({"triggers/a.yaml": manifest("a", 3377, parameters=parameters)})
    scene.run("apply")
    (instance,) = scene.instances
    assert instance.flow_id == 3377
    assert instance.trigger_time == EIGHT_MS
    assert instance.parameters == tuple(parameters.items())


def test_the_ledgers_events_say_who_claimed_what_and_what_became_of_it(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    declared_at = scene.tip()
    scene.run("apply")
    claim, triggered = scene.ledger()
    assert claim["event"] == "claim"
    assert claim["commit"] == declared_at
    assert claim["runs"].keys() == {"a"}
    assert claim["at"] < claim["until"]
    assert "pid" in claim["by"]
    assert triggered["event"] == "triggered"
    assert triggered["claim"] == claim["claim"]
    assert triggered["digest"] == claim["runs"]["a"]["digest"]
    assert triggered["flowInstanceId"] == scene.instance_of(1).id
    assert {claim["v"], triggered["v"]} == {1}


def test_its_commits_touch_only_the_state_folder_and_carry_marker_and_trailer(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"))
    before = scene.tip()
    scene.run("apply")
    commits = git(scene.origin, "rev-list", f"{before}..main").split()
    nonce = scene.ledger()[0]["claim"]
    assert len(commits) == 2
    for commit in commits:
        touched = git(scene.origin, "show", "--name-only", "--format=", commit).split("\n")
        assert touched == ["state/test/ledger.jsonl"]
        message = git(scene.origin, "show", "--no-patch", "--format=%B", commit)
        assert "[skip ci]" in message.splitlines()[0]
        assert git(scene.origin, "show", "--no-patch", "--format=%an <%ae>", commit) == (
            "Test <test@example.test>"
        )
        trailers = "--format=%(trailers:key=Reconciler-Claim,valueonly)"
        assert git(scene.origin, "show", "--no-patch", trailers, commit).strip() == nonce


def test_manifests_that_are_not_pushed_are_not_started(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    (scene.clone / "triggers/b.yaml").write_text(manifest("b", 2))
    (scene.clone / "triggers/a.yaml").write_text(manifest("a", 9))
    scene.run("apply")
    assert scene.posts == [1]


@pytest.mark.long  # tests/test_plan.py has the rule
def test_a_suspended_run_waits_until_it_no_longer_is(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, suspend=True)})
    assert "suspended (1 run)" in scene.run("apply").out
    assert scene.ledger() == []
    scene.push({"triggers/a.yaml": manifest("a", 1)})
    scene.run("apply")
    assert scene.posts == [1]


def test_a_run_past_its_not_after_is_never_started(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, notAfter="2024-03-05T00:00:00+08:00"),
            "triggers/b.yaml": manifest("b", 2, notAfter=AHEAD),
        }
    )
    assert "missed: notAfter was 2024-03-05 00:00:00 (GMT+8) (1 run)" in scene.run("apply").flat
    assert scene.posts == [2]


def test_not_after_is_judged_by_the_gateways_clock(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, notAfter=AHEAD)})
    scene.clock.forward(100 * 365 * 86_400)
    said = scene.run("apply")
    assert "this machine's clock is" in said.err
    assert "missed" in said.out
    assert scene.posts == []


@pytest.mark.long  # tests/test_plan.py has the rule
def test_a_raised_revision_runs_the_same_manifest_again(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    scene.push({"triggers/a.yaml": manifest("a", 1, revision=2)})
    assert "a@2" in scene.run("apply").out
    assert scene.posts == [1, 1]
    assert scene.states() == {"a": "triggered", "a@2": "triggered"}


@pytest.mark.long  # tests/test_plan.py has the rule
def test_a_declared_duplicate_starts_after_its_original(open_scene: OpenScene) -> None:
    same = {"parameters": {"SITE": "x"}}
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("z-original", 1, **same),
            "triggers/b.yaml": manifest("again", 1, **same, duplicateOf="z-original"),
        }
    )
    scene.run("apply")
    assert scene.posts == [1, 1]
    started = [event["run"] for event in scene.ledger() if event["event"] == "triggered"]
    assert started == ["z-original", "again"]


def test_a_business_date_starts_on_the_next_day_in_the_gateways_zone(
    open_scene: OpenScene,
) -> None:
    late: dict[str, Any] = {"triggerTime": None, "businessDate": "2024-03-01"}
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, **late),
            "triggers/b.yaml": manifest("b", 2, **late, at="07:30"),
        }
    )
    scene.run("apply")
    assert scene.instance_of(1).trigger_time == EIGHT_MS - 8 * 3_600_000
    assert scene.instance_of(2).trigger_time == EIGHT_MS - 1_800_000


def test_a_future_trigger_time_is_sent_as_it_is(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, triggerTime=AHEAD_MS)})
    scene.run("apply")
    assert scene.instance_of(1).trigger_time == AHEAD_MS


def test_runs_of_one_flow_start_in_the_order_of_their_trigger_times(
    open_scene: OpenScene,
) -> None:
    # By name and by place in the file they stand the other way round.
    names = "hgfedcba"
    documents = [
        manifest(name, flow, triggerTime=EIGHT_MS + day * _DAY_MS)
        for day, name in enumerate(names)
        for flow in (1, 2)
        if (flow == 1) == (day % 2 == 0)
    ]
    scene = open_scene({"triggers/all.yaml": "---\n".join(reversed(documents))})
    scene.run("apply")
    assert len(scene.instances) == len(names)
    for flow in (1, 2):
        times = [one.trigger_time for one in scene.instances if one.flow_id == flow]
        assert all(first < second for first, second in pairwise(times))


def test_more_runs_than_the_limit_are_refused_unless_it_is_raised(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a", "b", "c"),
        configured=lambda url: configuration(url, limits={"maxRunsPerApply": 2}),
    )
    tip = scene.tip()
    refusal = "error: this apply would start 3 runs, and the limit is 2\n"
    assert scene.run("apply", exits=1).err.startswith(refusal)
    assert "the limit is 1" in scene.run("apply", "--max-runs", "1", exits=1).err
    assert (scene.posts, scene.tip()) == ([], tip)
    scene.run("apply", "--max-runs", "3")
    assert len(scene.posts) == 3


def test_batches_go_on_until_nothing_is_left(open_scene: OpenScene) -> None:
    limits = {"claimSeconds": 4, "concurrency": 1, "requestsPerSecond": 50}
    scene = open_scene(
        runs(*(f"run-{number}" for number in range(7))),
        configured=lambda url: configuration(url, limits=limits, timeoutSeconds=1),
    )
    scene.run("apply")
    assert sorted(one.flow_id for one in scene.instances) == list(range(1, 8))
    assert len([event for event in scene.ledger() if event["event"] == "claim"]) > 1


def test_json_says_what_was_started(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a") | {"triggers/b.yaml": manifest("b", 2, suspend=True)})
    said = scene.run("apply", "--format", "json")
    assert said.json["environment"] == "test"
    assert said.json["commit"] == scene.tip()
    (started,) = said.json["triggered"]
    assert (started["run"], started["flowInstanceId"]) == ("a", scene.instance_of(1).id)
    assert said.json["waiting"] == [{"run": "b", "reason": "suspended"}]
    assert said.json["rejected"] == said.json["notStarted"] == said.json["inDoubt"] == []


def test_a_correlation_parameter_is_sent_last_and_names_run_and_claim(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, correlationParameter="RUN")
    )
    scene.run("apply")
    nonce = scene.ledger()[0]["claim"]
    assert scene.instance_of(1).parameters == (("SITE", "a"), ("RUN", f"{nonce} a"))


def test_several_environments_must_be_told_apart(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a") | {"triggers-prod/a.yaml": manifest("a", 5)},
        configured=lambda url: configuration(url, environments=("test", "prod")),
    )
    said = scene.run("apply", exits=1)
    assert said.err == (
        "error: the configuration has several environments\n  Name one with --env: test, prod.\n"
    )
    unknown = scene.run("apply", "--env", "nowhere", exits=1)
    assert unknown.err.startswith("error: the configuration has no environment nowhere\n")
    scene.run("apply", "--env", "prod")
    assert scene.posts == [5]
    assert scene.ledger(path="state/prod/ledger.jsonl")[1]["flowId"] == 5
    assert scene.ledger() == []
    scene.run("apply", "--env", "test")
    assert scene.posts == [5, 1]


def test_a_ledger_branch_keeps_main_untouched(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a"),
        configured=lambda url: configuration(url, git_section={"ledgerBranch": "ledger"}),
    )
    main = scene.tip()
    assert scene.run("plan", "--format", "json").json["summary"] == {"trigger": 1}
    scene.run("apply")
    assert scene.tip() == main
    assert [event["event"] for event in scene.ledger("ledger")] == ["claim", "triggered"]
    assert git(scene.origin, "ls-tree", "-r", "--name-only", "ledger") == "state/test/ledger.jsonl"
    assert scene.run("plan", "--format", "json").json["summary"] == {"done": 1}
    scene.run("apply")
    assert scene.posts == [1]
    assert scene.states() == {"a": "triggered"}


def test_a_plain_apply_works_from_the_merged_configuration(open_scene: OpenScene) -> None:
    """The zone that counts is the branch's, not the one edited here."""
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1, triggerTime=None, businessDate="2024-03-01")}
    )
    path = scene.clone / CONFIGURATION
    path.write_text(path.read_text().replace("GMT+8", "GMT"))
    scene.run("apply")
    assert scene.instance_of(1).trigger_time == EIGHT_MS - 8 * 3_600_000


@pytest.mark.parametrize("quiet", sampled([["--quiet"], ["-q"]], every=2))
def test_quiet_leaves_only_results(open_scene: OpenScene, quiet: list[str]) -> None:
    scene = open_scene(runs("a"))
    said = scene.run("apply", *quiet)
    assert said.err == ""
    assert "1 triggered" in said.out


def test_progress_goes_to_stderr_and_verbose_names_each_run(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    said = scene.run("apply")
    assert "claimed 1 run until " in said.err
    assert "triggered 1 of 1" in said.err
    assert "recorded 1 event" in said.err
    scene.push({"triggers/b.yaml": manifest("b", 2)})
    assert f"b: triggered as {2}-" in scene.run("--verbose", "apply").err


def _with_git_dir(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in a hook of another repository."""
    other = scene.folder / "other"
    git(scene.folder, "init", "--quiet", str(other))
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, str(other / ".git"))
    return scene.clone


def _shallow(scene: Scene, _: pytest.MonkeyPatch) -> Path:
    git(scene.folder, "clone", "--quiet", "--depth=1", scene.origin.as_uri(), "shallow")
    return scene.folder / "shallow"


def _detached(scene: Scene, _: pytest.MonkeyPatch) -> Path:
    git(scene.clone, "checkout", "--quiet", "--detach")
    return scene.clone


def _worktree(scene: Scene, _: pytest.MonkeyPatch) -> Path:
    git(scene.clone, "worktree", "add", "--quiet", "-b", "side", "../worktree")
    return scene.folder / "worktree"


def _subfolder(scene: Scene, _: pytest.MonkeyPatch) -> Path:
    return scene.clone / "triggers"


def _single_branch_without_tags(scene: Scene, _: pytest.MonkeyPatch) -> Path:
    options = ("--single-branch", "--no-tags", "--filter=blob:none")
    git(scene.origin, "config", "uploadpack.allowFilter", "true")
    git(scene.folder, "clone", "--quiet", *options, scene.origin.as_uri(), "partial")
    return scene.folder / "partial"


@pytest.mark.parametrize(
    "arrange",
    sampled(
        [_with_git_dir, _shallow, _detached, _worktree, _subfolder, _single_branch_without_tags],
        every=6,
    ),
)
def test_any_kind_of_clone_applies_and_plans(
    open_scene: OpenScene,
    monkeypatch: pytest.MonkeyPatch,
    arrange: Callable[[Scene, pytest.MonkeyPatch], Path],
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.chdir(arrange(scene, monkeypatch))
    scene.run("validate")
    scene.run("plan", "--detailed-exitcode", exits=5)
    scene.run("apply")
    scene.run("plan", "--detailed-exitcode")
    scene.run("apply")
    assert scene.posts == [1]
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    assert [event["event"] for event in scene.ledger()] == ["claim", "triggered"]


def test_a_configuration_in_a_subfolder_of_a_monorepo_keeps_to_that_folder(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene({"triggers/outside.yaml": manifest("outside", 9)})
    inner = {
        f"teams/wind/{path}": content
        for path, content in ({CONFIGURATION: configuration(scene.url)} | runs("a")).items()
    }
    before = scene.push(inner)
    monkeypatch.chdir(scene.clone / "teams" / "wind")
    assert scene.run("validate").out == "1 file, 1 run: no problems\n"
    row = scene.run("plan", "--format", "json").json["runs"][0]
    assert row["file"] == "triggers/a.yaml"
    scene.run("apply")
    assert scene.posts == [1]
    touched = git(scene.origin, "diff", "--name-only", before, "main")
    assert touched == "teams/wind/state/test/ledger.jsonl"
    assert scene.states() == {"a": "triggered"}
    monkeypatch.chdir(scene.clone)
    assert scene.states() == {"outside": "pending"}
