"""What was started is known for good, wherever it is declared next."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from reconciler.schema import validate
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, configuration, manifest, runs
from tests.repositories import commit, git, make_clone
from tests.sampling import sampled

COMMANDS = ("validate", "plan", "apply")


def configured(**changes: Any) -> Callable[[str], str]:
    """A configuration with changes by environment; None for one that does not stand there."""

    def write(url: str) -> str:
        content = yaml.safe_load(configuration(url))
        test = content["environments"].pop("test")
        for name, change in changes.items():
            if name == "retired":
                content["retired"] = change
                continue
            gateway = test["gateway"] | change.pop("gateway", {})
            content["environments"][name] = test | change | {"gateway": gateway}
        return yaml.safe_dump(content, sort_keys=False)

    return write


def refused(scene: Scene, words: str, *options: str) -> None:
    """Each command refuses with these words, and nothing is started."""
    before = len(scene.instances)
    for command in COMMANDS:
        said = scene.run(command, *(options if command == "apply" else ()), exits=1)
        assert words in said.flat, said.flat
    assert len(scene.instances) == before


@pytest.fixture
def applied(open_scene: OpenScene) -> Scene:
    """A run that the environment `test` has started."""
    scene = open_scene(runs("a"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    return scene


def test_an_environment_renamed_without_its_ledger_starts_nothing(applied: Scene) -> None:
    renamed = configured(prod={"state": "state/prod"})
    applied.push({"reconciler.yaml": renamed(applied.url)})
    refused(applied, "orphaned: state/test holds a ledger that no environment names")


def test_a_ledger_that_moved_along_goes_on(applied: Scene) -> None:
    git(applied.clone, "mv", "state/test", "state/prod")
    renamed = configured(prod={"state": "state/prod"})
    applied.push({"reconciler.yaml": renamed(applied.url), **runs("a", "b")})
    applied.run("validate")
    applied.run("apply")
    assert [one.flow_id for one in applied.instances] == [1, 2]


def test_a_retired_ledger_is_still_read(applied: Scene) -> None:
    renamed = configured(prod={"state": "state/prod"}, retired=["state/test"])
    applied.push({"reconciler.yaml": renamed(applied.url)})
    refused(applied, "a is the same run as a, which is recorded in state/test")
    git(applied.clone, "rm", "--quiet", "triggers/a.yaml")
    applied.push({"triggers/b.yaml": manifest("b", 2)})
    applied.run("validate")
    applied.run("apply")
    assert [one.flow_id for one in applied.instances] == [1, 2]


def test_runs_that_only_a_retired_ledger_records_are_counted_as_no_longer_declared(
    applied: Scene,
) -> None:
    git(applied.clone, "rm", "--quiet", "triggers/a.yaml")
    renamed = configured(prod={"state": "state/prod"}, retired=["state/test"])
    applied.push({"reconciler.yaml": renamed(applied.url), **runs("z")})
    plan = applied.run("plan", "--format", "json").json
    assert (plan["summary"], plan["retired"]) == ({"trigger": 1}, 1)
    assert not validate("plan", plan)
    said = applied.run("plan").flat
    assert "1 to trigger, 1 no longer declared in retired ledgers" in said
    assert "retired ledgers" in applied.run("plan", "--format", "markdown").out


@pytest.mark.long  # the simulation of estates lives it
def test_a_retired_ledger_with_a_run_in_doubt_stops_all_until_an_environment_has_settled_it(
    applied: Scene,
) -> None:
    claim = json.loads((applied.clone / "state/test/ledger.jsonl").read_text().splitlines()[0])
    claim |= {"claim": "f" * 32, "until": claim["at"]}
    claim["runs"] = {"lost": claim["runs"]["a"] | {"digest": "d" * 64, "flowId": 7}}
    old = {"state": "state/old", "manifests": "triggers-old"}
    retired = configured(test={}, retired=["state/old"])(applied.url)
    files = {"reconciler.yaml": retired, **runs("a", "b")}
    applied.push({**files, "state/old/ledger.jsonl": json.dumps(claim) + "\n"})
    refused(applied, "unsettled: state/old is retired and holds 1 run in doubt (lost)")
    applied.push({"reconciler.yaml": configured(test={}, old=old)(applied.url)})
    applied.run("apply", "--env", "old")
    git(applied.clone, "pull", "--quiet", "origin", "main")
    applied.push({"reconciler.yaml": retired})
    applied.run("validate")
    applied.run("apply")
    assert [one.flow_id for one in applied.instances] == [1, 2]


def test_a_run_that_another_environment_of_the_organisation_records_is_a_duplicate(
    applied: Scene,
) -> None:
    split = configured(test={}, prod={"manifests": "triggers-prod", "state": "state/prod"})
    copied = {"triggers-prod/b.yaml": manifest("b", 1, parameters={"SITE": "a"})}
    applied.push({"reconciler.yaml": split(applied.url), **copied})
    refused(applied, "b is the same run as a, which is recorded in state/test", "--env", "prod")
    meant = manifest("b", 1, parameters={"SITE": "a"}, duplicateOf="a")
    applied.push({"triggers-prod/b.yaml": meant})
    applied.run("validate")
    applied.run("apply", "--env", "prod")
    assert len(applied.instances) == 2


def test_a_run_that_two_environments_declare_is_a_duplicate_before_either_starts_it(
    open_scene: OpenScene,
) -> None:
    split = configured(test={}, prod={"manifests": "triggers-prod", "state": "state/prod"})
    files = {"triggers/a.yaml": manifest("a", 1), "triggers-prod/a.yaml": manifest("a", 1)}
    scene = open_scene(files, configured=split)
    for name in ("test", "prod"):
        refused(scene, "a is the same run as a, which is declared in environment", "--env", name)


TWICE = {"triggers/a.yaml": manifest("a", 1), "triggers-prod/a.yaml": manifest("a", 1)}


def two_gateways(test: dict[str, Any], prod: dict[str, Any], host: str = "127.0.0.1") -> Any:
    """Environments `test` and `prod` with those gateways, the second reached by that host."""

    def write(url: str) -> str:
        there = prod | {"url": url.replace("127.0.0.1", host)}
        home = {"manifests": "triggers-prod", "state": "state/prod"}
        return configured(test={"gateway": test}, prod=home | {"gateway": there})(url)

    return write


@pytest.mark.parametrize(
    "split",
    sampled(
        [
            two_gateways({}, {"orgId": "o2"}),
            two_gateways({"service": "here"}, {"service": "elsewhere"}, host="localhost"),
        ],
        every=2,
    ),
    ids=["organisation", "names"],
)
def test_another_service_has_runs_of_its_own(
    open_scene: OpenScene, split: Callable[[str], str]
) -> None:
    scene = open_scene(TWICE, configured=split)
    scene.run("validate")
    for name in ("test", "prod", "test", "prod"):
        scene.run("apply", "--env", name)
    assert len(scene.instances) == 2


@pytest.mark.parametrize(
    "split",
    sampled(
        [
            two_gateways({}, {"service": "elsewhere"}, host="localhost"),
            two_gateways({"service": "here"}, {}, host="localhost"),
            two_gateways({"service": "here"}, {"service": "elsewhere"}),
        ],
        every=3,
    ),
    ids=["named", "not named", "one address"],
)
def test_a_name_that_only_one_has_or_that_means_the_same_address_makes_no_other_service(
    open_scene: OpenScene, split: Callable[[str], str]
) -> None:
    scene = open_scene(TWICE, configured=split)
    scene.run("validate", exits=1)
    for name in ("test", "prod"):
        refused(scene, "a is the same run as a, which is declared in environment", "--env", name)


@pytest.mark.parametrize("folder", ["triggers/dev", "triggers", "state/test"])
def test_folders_that_overlap_are_refused(open_scene: OpenScene, folder: str) -> None:
    nested = configured(test={}, dev={"manifests": folder, "state": "state/dev"})
    scene = open_scene({"triggers/dev/a.yaml": manifest("a", 1)}, configured=nested)
    for command in COMMANDS:
        said = scene.run(command, exits=1)
        assert "exclusive: environments.dev.manifests: lies in, around or at the" in said.flat
    assert scene.instances == []


@pytest.mark.long  # the simulation of estates lives it
def test_an_organisation_that_changes_together_with_its_folder_orphans_the_ledger(
    applied: Scene,
) -> None:
    moved = {"gateway": {"orgId": "o2"}, "state": "state/new"}
    applied.push({"reconciler.yaml": configured(test=dict(moved))(applied.url)})
    refused(applied, "orphaned: state/test holds a ledger that no environment names")
    meant = configured(test=dict(moved), retired=["state/test"])
    applied.push({"reconciler.yaml": meant(applied.url)})
    applied.run("validate")
    applied.run("apply")
    assert len(applied.instances) == 2


def test_a_run_that_moves_to_another_environment_is_a_duplicate_there(applied: Scene) -> None:
    split = configured(test={}, prod={"manifests": "triggers-prod", "state": "state/prod"})
    git(applied.clone, "rm", "--quiet", "triggers/a.yaml")
    moved = {"triggers-prod/a.yaml": manifest("a", 1)}
    applied.push({"reconciler.yaml": split(applied.url), **moved})
    refused(applied, "a is the same run as a, which is recorded in state/test", "--env", "prod")


@pytest.mark.long  # the simulation of estates lives it
def test_a_declared_duplicate_that_moves_to_another_environment_starts_nothing_there(
    applied: Scene,
) -> None:
    copy = manifest("z", 1, parameters={"SITE": "a"}, duplicateOf="a")
    applied.push({"triggers/z.yaml": copy})
    applied.run("apply")
    git(applied.clone, "pull", "--quiet", "origin", "main")
    split = configured(test={}, prod={"manifests": "triggers-prod", "state": "state/prod"})
    git(applied.clone, "rm", "--quiet", "triggers/z.yaml")
    applied.push({"reconciler.yaml": split(applied.url), "triggers-prod/z.yaml": copy})
    refused(applied, "z is the same run as z, which is recorded in state/test", "--env", "prod")


@pytest.mark.long  # the simulation of estates lives it
def test_the_name_of_an_environment_alone_means_nothing(applied: Scene) -> None:
    applied.push({"reconciler.yaml": configured(prod={})(applied.url), **runs("a", "b")})
    applied.run("validate")
    applied.run("apply")
    assert [one.flow_id for one in applied.instances] == [1, 2]


@pytest.mark.long  # the simulation of estates lives it
def test_a_gateway_that_gets_a_name_goes_on_with_what_it_has_started(applied: Scene) -> None:
    for name in ("frankfurt", "berlin"):
        named = configured(test={"gateway": {"service": name}})
        applied.push({"reconciler.yaml": named(applied.url), **runs("a", "b")})
        applied.run("validate")
        applied.run("apply")
        git(applied.clone, "pull", "--quiet", "origin", "main")
    assert [one.flow_id for one in applied.instances] == [1, 2]


@pytest.mark.long  # the simulation of estates lives it
def test_what_was_started_before_the_gateway_had_a_name_counts_where_the_ledger_is_retired(
    applied: Scene,
) -> None:
    named = {"gateway": {"service": "frankfurt"}, "state": "state/new"}
    applied.push({"reconciler.yaml": configured(test=named, retired=["state/test"])(applied.url)})
    refused(applied, "a is the same run as a, which is recorded in state/test")


@pytest.mark.long  # tests/test_lost_ledger.py has the rule
def test_a_ledger_deleted_while_its_gateway_gets_a_name_is_noticed(applied: Scene) -> None:
    named = configured(prod={"gateway": {"service": "frankfurt"}, "state": "state/frankfurt"})
    git(applied.clone, "rm", "-r", "--quiet", "state")
    applied.push({"reconciler.yaml": named(applied.url)})
    said = applied.run("apply", exits=1)
    assert "no folder continues the one of test on main" in said.flat
    assert len(applied.instances) == 1


@pytest.mark.long  # the simulation of estates lives it
def test_a_name_at_another_address_is_another_service_than_the_ledgers(applied: Scene) -> None:
    url = applied.url.replace("127.0.0.1", "localhost")
    moved = configured(test={"gateway": {"service": "frankfurt", "url": url}})
    applied.push({"reconciler.yaml": moved(applied.url)})
    refused(applied, "rehomed: environment test is of frankfurt, and its ledger in state/test")


@pytest.mark.long  # that without a name, above, stays
def test_an_organisation_that_changes_under_a_service_of_one_name_is_refused(
    open_scene: OpenScene,
) -> None:
    def named(organisation: str) -> Callable[[str], str]:
        return configured(test={"gateway": {"service": "m", "orgId": organisation}})

    scene = open_scene(runs("a"), configured=named("o1"))
    scene.run("apply")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    scene.push({"reconciler.yaml": named("o2")(scene.url)})
    refused(scene, "rehomed: environment test is of m (o2 at http")


def test_an_organisation_that_changes_under_a_ledger_is_refused(applied: Scene) -> None:
    moved = configured(test={"gateway": {"orgId": "o2"}})
    applied.push({"reconciler.yaml": moved(applied.url)})
    refused(applied, "rehomed: environment test is of o2, and its ledger in state/test records")


@pytest.mark.long  # tests/test_lost_ledger.py has the rule
def test_a_ledger_that_was_deleted_with_its_environment_is_noticed_in_a_new_shallow_clone(
    applied: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(applied.clone, "rm", "-r", "--quiet", "state")
    renamed = configured(prod={"state": "state/prod"})
    applied.push({"reconciler.yaml": renamed(applied.url)})
    shallow = make_clone(applied.origin, applied.folder / "shallow", "--depth=1")
    monkeypatch.chdir(shallow)
    said = applied.run("apply", exits=1)
    assert "no folder continues the one of test on main (origin keeps)" in said.flat
    assert len(applied.instances) == 1


@pytest.mark.long  # the simulation of estates lives it
def test_a_branch_of_its_own_for_each_organisation_may_use_one_name(applied: Scene) -> None:
    other = configured(test={"gateway": {"orgId": "o2"}})
    text = other(applied.url).replace("version: 1\n", "version: 1\ngit: {branch: second}\n")
    git(applied.clone, "checkout", "--quiet", "-b", "second", "HEAD~2")
    commit(applied.clone, {"reconciler.yaml": text})
    git(applied.clone, "push", "--quiet", "origin", "second")
    applied.run("apply")
    assert len(applied.instances) == 2
    applied.run("apply")
    git(applied.clone, "checkout", "--quiet", "main")
    applied.run("apply")
    assert len(applied.instances) == 2


@pytest.mark.long  # the simulation of estates lives it
def test_a_branch_that_goes_back_starts_nothing_that_another_branch_records(
    applied: Scene,
) -> None:
    git(applied.clone, "push", "--quiet", "origin", "HEAD~2:refs/heads/older")
    git(applied.origin, "symbolic-ref", "HEAD", "refs/heads/older")
    fresh = make_clone(applied.origin, applied.folder / "fresh")
    said = applied.run("apply", "--repo", str(fresh), exits=1)
    assert "which is recorded in test on main" in said.flat
    assert len(applied.instances) == 1
