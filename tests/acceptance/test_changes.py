"""What a pull request changes: `plan --base`, and what it says where nobody asks."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.manifest import read_file
from reconciler.model import Source
from reconciler.schema import validate
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import EIGHT_MS, Scene, configuration, manifest, runs
from tests.acceptance.test_backfill import FILE, backfill
from tests.repositories import commit, git, make_clone
from tests.sampling import sampled

MARCH = {"from": "2024-03-01", "to": "2024-03-31", "every": "1d"}


def days(last: str, **more: Any) -> str:
    """The backfill `march`, one run a day and site."""
    dates = MARCH | {"to": last}
    return backfill(businessDates=dates, **({"matrix": None} | more))


def branch(scene: Scene, files: Mapping[str, str]) -> None:
    """A pull request's branch with those files changed in one commit."""
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    commit(scene.clone, files)


def changes(scene: Scene, *options: str, exits: int = 0) -> dict[str, str]:
    """The kind of each change, by run."""
    plan = scene.run("plan", "--format", "json", *options, exits=exits).json
    return {one["run"]: one["change"] for one in plan["changes"]}


def test_json_has_the_fields_of_the_contract(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    tip = scene.tip()
    branch(scene, {"triggers/a.yaml": manifest("a", 1, suspend=True, dependsOn=["b"])})
    plan = scene.run("plan", "--format", "json").json
    assert plan["base"] == {"commit": tip, "notes": []}
    assert plan["configuration"] == plan["refusals"] == []
    (change,) = plan["changes"]
    fields = ("flowId", "triggerTime", "parameters", "suspend", "notAfter", "dependsOn")
    parameters = [{"key": "SITE", "value": "a"}]
    assert [change[name] for name in ("run", "change")] == ["a", "changed"]
    assert [change["before"][name] for name in fields] == [1, EIGHT_MS, parameters, False, None, []]
    assert [change["after"][name] for name in fields] == [
        1,
        EIGHT_MS,
        parameters,
        True,
        None,
        ["b"],
    ]


@pytest.mark.long  # tests/test_changes.py has the rule
def test_a_narrowed_backfill_says_what_will_never_start(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: days("2024-03-31")})
    branch(scene, {FILE: days("2024-03-03")})
    said = scene.run("plan")
    assert "This change removes 28 runs that will never start." in said.flat
    assert "march: 31 runs → 3: 28 will never start" in said.flat
    assert "march`" in scene.run("plan", "--format", "markdown").out
    assert "31 runs → 3: 28 will never start" in scene.run("plan", "--format", "markdown").out


def test_a_deleted_backfill_says_what_will_never_start(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: days("2024-03-31"), **runs("a")})
    (scene.clone / FILE).unlink()
    assert "march: 31 runs → 0: 31 will never start" in scene.run("plan").flat


def test_one_site_more_says_how_many_runs_that_makes(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: days("2024-03-31", matrix={"SITE": ["cn-01"]})})
    branch(scene, {FILE: days("2024-03-31", matrix={"SITE": ["cn-01", "cn-02"]})})
    assert "march: one SITE more (cn-02): 31 runs" in scene.run("plan").flat


@pytest.mark.long  # tests/test_changes.py has the rule
def test_a_raised_revision_says_that_it_runs_again_what_ran(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: days("2024-03-03")})
    scene.run("apply")
    branch(scene, {FILE: days("2024-03-03", revision=2)})
    said = scene.run("plan").flat
    assert "This change starts 3 runs again, on organisation o1, gateway 127.0.0.1:" in said
    assert "march: revision 2 of 3 runs that have run already (3 not ended)" in said
    assert set(changes(scene).values()) == {"rerun"}


@pytest.mark.long  # tests/acceptance/test_refusals.py has an apply that refuses
def test_a_recorded_run_that_is_edited_is_refused(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    branch(scene, {"triggers/a.yaml": manifest("a", 1, parameters={"SITE": "b"})})
    plan = scene.run("plan", "--format", "json", exits=1).json
    (change,) = plan["changes"]
    assert (change["run"], change["change"]) == ("a", "refused")
    assert change["before"]["parameters"] == [{"key": "SITE", "value": "a"}]
    assert change["after"]["parameters"] == [{"key": "SITE", "value": "b"}]
    assert [one["code"] for one in plan["refusals"]] == ["changed"]
    assert plan["edited"] == []


def site(value: str, **more: Any) -> dict[str, str]:
    return {"triggers/a.yaml": manifest("a", 1, parameters={"SITE": value}, **more)}


@pytest.mark.long  # tests/test_changes.py has the rule
def test_what_a_run_was_really_started_with_is_shown_where_the_base_does_not_declare_it(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(site("x"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    git(scene.clone, "rm", "--quiet", "triggers/a.yaml")
    scene.push(runs("b"))
    branch(scene, {"triggers/moved.yaml": site("y")["triggers/a.yaml"]})
    plan = scene.run("plan", "--format", "json", exits=1).json
    (change,) = plan["changes"]
    assert change["change"] == "refused"
    assert change["before"]["parameters"] == [{"key": "SITE", "value": "x"}]
    assert not validate("plan", plan)
    said = scene.run("plan", exits=1).flat
    assert "a: declared again: 1 run: 1 run edited that ran already (SITE x → y)" in said


@pytest.mark.long  # tests/test_changes.py has the rule
def test_what_is_wrong_on_the_branch_already_or_without_a_base_says_what_ran(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(site("x"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    scene.push(site("y"))
    branch(scene, runs("b"))
    plan = scene.run("plan", "--format", "json", exits=1).json
    assert [one["run"] for one in plan["changes"]] == ["b"]
    (edited,) = plan["edited"]
    sides = [edited[side]["parameters"][0]["value"] for side in ("before", "after")]
    assert sides == ["x", "y"]
    assert not validate("plan", plan)
    for form in ("text", "markdown"):
        said = scene.run("plan", "--no-base", "--format", form, exits=1).flat.replace("`", "")
        assert "What ran already and carries something else by now" in said
        assert "a: 1 run edited that ran already (SITE x → y)" in said


@pytest.mark.long  # tests/test_changes.py has the rule
def test_the_minute_that_a_stagger_gave_is_no_edit(open_scene: OpenScene) -> None:
    sites = {"SITE": ["cn-01", "cn-02"]}
    scene = open_scene({FILE: days("2024-03-01", matrix=sites, stagger="1m")})
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    sites = {"SITE": ["cn-00", *sites["SITE"]]}
    edited = {FILE: days("2024-03-01", matrix=sites, stagger="1m", parameters={"MODE": "new"})}
    branch(scene, edited)
    words = "2 runs edited that ran already (MODE full → new)"
    assert words in scene.run("plan", exits=1).flat
    assert words in scene.run("plan", "--no-base", exits=1).flat


def test_a_clone_that_does_not_have_the_commit_says_so(open_scene: OpenScene) -> None:
    scene = open_scene(site("x"))
    commit_of = scene.tip()
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    scene.push(site("y"))
    shallow = make_clone(scene.origin, scene.folder / "ci", "--depth=1")
    said = scene.run("plan", "--repo", str(shallow), exits=1).flat
    missing = f"in commit {commit_of[:12]}, which this clone does not have"
    assert f"its parameters are {missing}: fetch more of the history" in said
    plan = scene.run("plan", "--repo", str(shallow), "--format", "json", exits=1).json
    assert missing in plan["edited"][0]["unseen"]
    assert not validate("plan", plan)


def test_sensitive_values_of_what_ran_are_shown_by_a_digest(open_scene: OpenScene) -> None:
    scene = open_scene(site("x"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    scene.push(site("secret-new", sensitive=["SITE"]))
    for form in ("text", "markdown", "json"):
        said = scene.run("plan", "--no-base", "--format", form, exits=1)
        assert "secret-new" not in said.out
        assert "••••" in said.out
        assert '"x"' not in said.out
        assert "SITE x" not in said.flat


def test_a_changed_gateway_is_shown_before_everything_else(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    settings = configuration(scene.url, orgId="o2", limits={"maxRunsPerApply": 300})
    branch(scene, {"reconciler.yaml": settings})
    plan = scene.run("plan", "--format", "json").json
    assert plan["changes"] == []
    assert plan["configuration"] == [
        {"pointer": "/environments/test/gateway/orgId", "before": "o1", "after": "o2"},
        {"pointer": "/environments/test/limits/maxRunsPerApply", "before": 200, "after": 300},
    ]
    text = scene.run("plan").out
    assert text.index("gateway/orgId: o1 → o2") < text.index("This change starts nothing.")


def test_a_change_that_touches_nothing_starts_nothing(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    branch(scene, {"README.md": "hello\n"})
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    assert "This change starts nothing." in scene.run("plan").flat


def test_a_plan_of_the_branch_itself_has_no_base(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    assert "base" not in scene.run("plan", "--format", "json").json
    (scene.clone / "triggers/b.yaml").write_text(manifest("b", 2))
    assert changes(scene) == {"b": "added"}
    assert "base" not in scene.run("plan", "--format", "json", "--no-base").json
    assert "base" not in scene.run("plan", "--format", "json", "--offline").json


def test_what_others_merged_meanwhile_is_no_part_of_the_change(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    branch(scene, {"triggers/b.yaml": manifest("b", 2)})
    other = make_clone(scene.origin, scene.folder / "other")
    commit(other, {"triggers/c.yaml": manifest("c", 3)})
    git(other, "push", "--quiet", "origin", "main")
    assert changes(scene) == {"b": "added"}
    assert changes(scene, "--base", "HEAD") == {}


def test_a_base_is_anything_that_git_resolves(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.push({"triggers/b.yaml": manifest("b", 2)})
    git(scene.clone, "tag", "before", "HEAD~1")
    for revision in ("before", "HEAD~1", git(scene.clone, "rev-parse", "HEAD~1")[:10]):
        assert changes(scene, "--base", revision) == {"b": "added"}
    assert "neither this clone nor its remote" in scene.run("plan", "--base", "no", exits=1).err
    scene.run("plan", "--base", "HEAD", "--no-base", exits=2)


@pytest.mark.parametrize(
    "given",
    sampled(
        [{"GITHUB_BASE_REF": "main"}, {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}], every=2
    ),
)
def test_the_pipeline_of_a_pull_request_finds_its_base_in_a_shallow_clone(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    scene = open_scene(runs("a"))
    branch(scene, {"triggers/b.yaml": manifest("b", 2)})
    commit(scene.clone, {"triggers/c.yaml": manifest("c", 3)})
    git(scene.clone, "push", "--quiet", "origin", "work")
    shallow = make_clone(scene.origin, scene.folder / "ci", "--depth=1", "--branch=work")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert changes(scene, "--repo", str(shallow)) == {"b": "added", "c": "added"}


def test_the_commit_that_gitlab_names_is_fetched_if_need_be(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    parted = scene.tip()
    scene.push({"triggers/b.yaml": manifest("b", 2)})
    shallow = make_clone(scene.origin, scene.folder / "ci", "--depth=1")
    monkeypatch.setenv("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
    monkeypatch.setenv("CI_MERGE_REQUEST_DIFF_BASE_SHA", parted)
    assert changes(scene, "--repo", str(shallow)) == {"b": "added"}


def test_an_environment_that_the_base_does_not_have_is_added(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    more = configuration(scene.url, environments=("test", "prod"))
    branch(scene, {"reconciler.yaml": more, "triggers-prod/b.yaml": manifest("b", 2)})
    plan = scene.run("plan", "--env", "prod", "--format", "json").json
    assert [(one["run"], one["change"]) for one in plan["changes"]] == [("b", "added")]
    url = {one["pointer"]: one for one in plan["configuration"]}["/environments/prod/gateway/url"]
    assert (url["before"], url["after"]) == (None, scene.url)


@pytest.mark.parametrize("moves_its_ledger", sampled([False, True], every=2))
def test_a_renamed_environment_is_compared_with_itself(
    open_scene: OpenScene, *, moves_its_ledger: bool
) -> None:
    scene = open_scene(runs("a", "b"))
    scene.run("apply", "--max-runs", "2")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    scene.push(runs("a", "b", "c"))
    prod = configuration(scene.url, environments=("prod",)).replace("triggers-prod", "triggers")
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    if moves_its_ledger:
        git(scene.clone, "mv", "state/test", "state/prod")
    else:
        prod = prod.replace("state/prod", "state/test")
    commit(scene.clone, {"reconciler.yaml": prod})
    plan = scene.run("plan", "--format", "json").json
    assert plan["changes"] == []
    settings = {one["pointer"]: (one["before"], one["after"]) for one in plan["configuration"]}
    assert settings.pop("/environments") == ("test", "prod")
    assert settings == (
        {"/environments/prod/state": ("state/test", "state/prod")} if moves_its_ledger else {}
    )
    said = scene.run("plan")
    assert "/environments: test → prod" in said.out
    assert "This change starts nothing." in said.flat


def two(url: str) -> str:
    return configuration(url, environments=("test", "prod"))


PROD = {"triggers-prod/b.yaml": manifest("b", 2)}


@pytest.mark.long  # tests/test_reconfigured.py has the rule
def test_runs_that_wait_in_an_environment_that_is_taken_away_are_removed(
    open_scene: OpenScene,
) -> None:
    waiting = {"triggers-prod/c.yaml": manifest("c", 3, suspend=True)}
    scene = open_scene(runs("a") | PROD | waiting, configured=two)
    scene.run("apply", "--env", "prod")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    retired = "retired: [state/prod]\n"
    branch(scene, {"reconciler.yaml": configuration(scene.url) + retired})
    test, prod = scene.run("plan", "--format", "json").json["environments"]
    assert (test["environment"], test["changes"]) == ("test", [])
    assert (prod["environment"], prod["runs"], prod["gone"]) == ("prod", [], True)
    assert [(one["run"], one["change"]) for one in prod["changes"]] == [("c", "removed")]
    assert not validate("plan", scene.run("plan", "--format", "json").json)
    sentence = "This change takes the environment prod away, and with it 1 run that will never"
    assert sentence in scene.run("plan").flat
    assert "Plan for prod" not in scene.run("plan").out
    comment = scene.run("plan", "--format", "markdown").out
    assert sentence.replace("prod", "`prod`") in comment
    assert "### `prod` is taken away" in comment
    assert comment.startswith("<!-- reconciler-plan test -->")
    assert "prod" not in scene.run("plan", "--env", "test", "--format", "json").json["summary"]


def test_an_environment_that_is_taken_away_and_has_nothing_left_to_start_changes_nothing(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a") | PROD, configured=two)
    scene.run("apply", "--env", "prod")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    retired = "retired: [state/prod]\n"
    branch(scene, {"reconciler.yaml": configuration(scene.url) + retired})
    plan = scene.run("plan", "--format", "json").json
    assert (plan["environment"], plan["changes"]) == ("test", [])
    plan = scene.run("plan", "--format", "json", "--offline", "--base", "origin/main").json
    assert plan["environment"] == "test"


def test_a_base_that_cannot_be_read_is_said(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    right = (scene.clone / "reconciler.yaml").read_text()
    scene.push({"reconciler.yaml": "version: 7\n"})
    branch(scene, {"reconciler.yaml": right, "triggers/b.yaml": "kind: no\n"})
    commit(scene.clone, {"triggers/b.yaml": manifest("b", 2)})
    said = scene.run("plan", "--base", "main", "--format", "json")
    assert {one["run"] for one in said.json["changes"]} == {"a", "b"}
    assert "everything counts as added, for the base cannot be read" in said.err
    (note,) = said.json["base"]["notes"]
    assert f"note: {note}" in " ".join(said.err.split())
    comment = scene.run("plan", "--base", "main", "--format", "markdown").out
    assert "Note: everything counts as added, for the base cannot be read" in comment
    invalid = scene.run("plan", "--base", "HEAD~1", "--format", "json")
    assert {one["run"] for one in invalid.json["changes"]} == {"b"}
    assert "compared with as far as it can be read: triggers/b.yaml" in invalid.err


def test_files_that_both_sides_share_are_read_and_parsed_once(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a", "b", "c"))
    branch(scene, {"triggers/c.yaml": manifest("c", 3, suspend=True)})
    read: list[str] = []

    def counted(source: Source, *rest: Any) -> Any:
        read.append(source.path)
        return read_file(source, *rest)

    monkeypatch.setattr("reconciler.repository.together.read_file", counted)
    assert changes(scene) == {"c": "changed"}
    here = ["triggers/a.yaml", "triggers/b.yaml", "triggers/c.yaml"]
    assert read == [*here, "triggers/c.yaml"]  # the last one at the base


def test_what_a_sparse_checkout_leaves_out_is_not_taken_for_removed(open_scene: OpenScene) -> None:
    scene = open_scene(
        {"triggers/a/a.yaml": manifest("a", 1), "triggers/b/b.yaml": manifest("b", 2)}
    )
    git(scene.clone, "sparse-checkout", "set", "triggers/a")
    (scene.clone / "triggers/a/c.yaml").write_text(manifest("c", 3))
    assert changes(scene) == {"c": "added"}


def test_a_plan_with_a_base_is_as_the_schema_says(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    scene.run("apply")
    branch(
        scene,
        {
            "triggers/a.yaml": manifest("a", 1, revision=2),
            "triggers/c.yaml": manifest("c", 3),
            "reconciler.yaml": configuration(scene.url, limits={"maxRunsPerApply": 1}),
        },
    )
    plan = scene.run("plan", "--format", "json", exits=1).json
    assert plan["changes"]
    assert plan["configuration"]
    assert plan["refusals"]
    assert not validate("plan", plan)
    for field in ("before", "change"):
        assert validate("plan", plan | {"changes": [{**plan["changes"][0], field: 7}]})


def test_a_saved_plan_with_a_base_can_be_applied(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("plan", "--base", "HEAD", "--out", "plan.json")
    scene.run("apply", "--plan", "plan.json")
    assert scene.outcomes("a") == ["triggered"]


def test_a_file_that_the_change_breaks_leaves_its_runs_unjudged(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: days("2024-03-31"), **runs("a")})
    branch(scene, {FILE: "kind: [Backfill\n"})
    plan = scene.run("plan", "--format", "json", exits=1).json
    assert plan["changes"] == []
    assert plan["unjudged"] == [{"file": FILE, "runs": 31}]
    assert [one["file"] for one in plan["problems"]] == [FILE]
    assert not validate("plan", plan)
    git(scene.clone, "mv", FILE, "triggers/moved.yaml")
    plan = scene.run("plan", "--format", "json", exits=1).json
    assert plan["unjudged"] == [{"file": "triggers/moved.yaml", "runs": 31}]


@pytest.mark.long  # tests/test_changes.py has the rule
def test_a_renamed_backfill_is_told_as_that_before_it_ran_and_after(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: days("2024-03-03")})
    april = days("2024-03-03", formerly=["march"]).replace("name: march", "name: april")
    branch(scene, {"triggers/april.yaml": april})
    git(scene.clone, "rm", "--quiet", FILE)
    for _ in range(2):
        assert set(changes(scene).values()) == {"renamed"}
        said = scene.run("plan").flat
        assert "april: renamed from march: 3 runs, nothing starts again" in said
        scene.run("apply")  # of the branch, where they are called as before
    (first, *_) = scene.run("plan", "--format", "json").json["changes"]
    names = [first[side]["run"] for side in ("before", "after")]
    assert names == ["march/2024-03-01", "april/2024-03-01"]
    assert not validate("plan", scene.run("plan", "--format", "json").json)


def test_what_a_file_no_longer_declares_that_moved_is_removed(open_scene: OpenScene) -> None:
    scene = open_scene({FILE: days("2024-03-31")})
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    git(scene.clone, "mv", FILE, "triggers/spring.yaml")
    commit(scene.clone, {"triggers/spring.yaml": days("2024-03-03")})
    assert list(changes(scene).values()) == ["removed"] * 28
