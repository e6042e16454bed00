"""`import`: what was started by hand is adopted where it can be told, and else written down."""

import pytest

from reconciler.model import EpochMs
from reconciler.sandbox import SandboxOptions, Stranger
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import EIGHT_MS, Scene, manifest, runs
from tests.acceptance.test_adopting import by_hand
from tests.repositories import git

_RANGE = ("--from", "2024-03-02", "--to", "2024-03-03")


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    """Three runs; of two of them somebody has started an instance, of the third two."""
    scene = open_scene(runs("a", "b", "c"), options=SandboxOptions(run_seconds=1e6))
    for flow, site in ((1, "a"), (2, "b"), (3, "c"), (3, "c")):
        by_hand(scene, flow, site)
    by_hand(scene, 1, "unknown", EIGHT_MS + 3_600_000)
    return scene


def _flows(*flows: int) -> list[str]:
    return [word for flow in flows for word in ("--flow", str(flow))]


def test_without_a_yes_it_shows_what_it_would_do_and_does_nothing(scene: Scene) -> None:
    tip = scene.tip()
    said = scene.run("import", *_flows(1, 2, 3), *_RANGE)
    assert "2 runs would be adopted: say --yes" in said.out
    assert "leave  c: several instances fit: " in said.out
    assert scene.tip() == tip


def test_runs_that_just_one_instance_fits_are_adopted_in_one_commit(scene: Scene) -> None:
    before = int(git(scene.origin, "rev-list", "--count", "main"))
    said = scene.run("import", *_flows(1, 2, 3), *_RANGE, "--yes")
    assert "2 runs adopted" in said.out
    assert int(git(scene.origin, "rev-list", "--count", "main")) == before + 1
    assert scene.states() == {"a": "triggered", "b": "triggered", "c": "pending"}
    assert {one["reason"] for one in scene.ledger()} == {"imported"}
    scene.run("apply")
    assert scene.posts == [3]
    again = scene.run("import", *_flows(1, 2), *_RANGE, "--yes")
    assert "adopt" not in again.out


def test_the_word_that_stands_for_a_reason_is_none(scene: Scene) -> None:
    tip = scene.tip()
    said = scene.run("import", *_flows(1, 2), *_RANGE, "--yes", "--reason", "TEXT", exits=1)
    assert said.err.startswith("error: --reason TEXT is the command as it was printed\n")
    assert scene.tip() == tip


def test_the_rest_is_written_as_valid_suspended_manifests_and_overwrites_nothing(
    scene: Scene,
) -> None:
    folder = scene.clone / "triggers/imported"
    for _ in range(2):
        said = scene.run("import", *_flows(1, 2), *_RANGE, "--write", str(folder))
        (file,) = folder.iterdir()
        assert file.name == "flow-1-20240302t090000.yaml"
    assert "is there already and was left as it is" in said.flat
    head, *_ = file.read_text().splitlines()
    assert head == "# yaml-language-server: $schema=../../schemas/trigger.schema.json"
    assert "suspend: true" in file.read_text()
    scene.push({})
    scene.run("validate", "--strict")
    scene.run("import", *_flows(1, 2), *_RANGE, "--yes")
    assert scene.states()["flow-1-20240302t090000"] == "triggered"


@pytest.mark.parametrize(
    ("flow", "warned"),
    [(1, "(DB_PASSWORD, KEY_OF_DB)"), (2, "(DB_PASSWORD)")],  # what a manifest says is of its flow
)
def test_a_written_manifest_with_a_sensitive_value_is_warned_of(
    open_scene: OpenScene, flow: int, warned: str
) -> None:
    declared = manifest("a", 1, parameters={"KEY_OF_DB": "x"}, sensitive=["KEY_OF_DB"])
    scene = open_scene({"triggers/a.yaml": declared} | runs("b"))
    parameters = (("DB_PASSWORD", "hunter2"), ("KEY_OF_DB", "hunter3"), ("SITE", "cn-01"))
    at = EpochMs(EIGHT_MS + 3_600_000)
    scene.sandbox.add_stranger(
        Stranger(flow_id=flow, trigger_time=at, owner="u1", parameters=parameters)
    )
    words = ("import", *_flows(flow), *_RANGE)
    assert "warning" not in scene.run(*words).err
    said = scene.run(*words, "--quiet", "--write", str(scene.clone / "triggers/imported"))
    assert f"warning: 1 written file has the values of sensitive parameters {warned}" in said.flat
    assert "hunter" not in said.flat


def test_what_cannot_stand_beside_a_declared_run_is_not_written(scene: Scene) -> None:
    by_hand(scene, 2, "other")
    said = scene.run("import", *_flows(2), *_RANGE, "--write", str(scene.clone / "w"))
    assert "no manifest: b has its flow and minute, and other parameters" in said.flat
    assert not (scene.clone / "w").exists()


def test_what_may_be_a_runs_value_cut_or_otherwise_written_is_left_to_a_person(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(
        {
            "triggers/ten.yaml": manifest("ten", 1, parameters={"SITE": "cn-10"}, suspend=True),
            "triggers/two.yaml": manifest("two", 2, parameters={"SITE": "b"}, suspend=True),
        }
    )
    by_hand(scene, 1, "cn-1")
    by_hand(scene, 2, "")
    said = scene.run("import", *_flows(1, 2), *_RANGE, "--yes")
    assert said.out.count("does not show just what the run carries") == 2
    assert scene.states() == {"ten": "pending", "two": "pending"}


def test_one_instance_that_two_runs_fit_is_left_to_a_person(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1),
            "triggers/again.yaml": manifest("again", 1, duplicateOf="a", parameters={"SITE": "a"}),
        }
    )
    by_hand(scene, 1, "a")
    said = scene.run("import", *_flows(1), *_RANGE, "--yes")
    assert "fits again as well" in said.flat
    assert scene.ledger() == []


@pytest.mark.parametrize(
    "words",
    [
        ("--from", "2024-03-03", "--to", "2024-03-02"),
        ("--from", "yesterday", "--to", "2024-03-02"),
        ("--from", "2024-02-30", "--to", "2024-03-02"),
    ],
)
def test_a_range_that_is_none_is_wrong_usage(open_scene: OpenScene, words: tuple[str, ...]) -> None:
    open_scene(runs("a")).run("import", *_flows(1), *words, exits=2)


def test_a_written_name_is_nobody_elses_and_a_time_that_no_manifest_may_have_is_left(
    open_scene: OpenScene,
) -> None:
    taken = "flow-5-20240302t080000"
    scene = open_scene({"triggers/x.yaml": manifest(taken, 9)})
    by_hand(scene, 5, "a")
    by_hand(scene, 6, "a", EIGHT_MS + 100 * 366 * 86_400_000)
    folder = scene.clone / "triggers/imported"
    ahead = ("--from", "2024-03-02", "--to", "2130-01-01")
    said = scene.run("import", *_flows(5, 6), *ahead, "--write", str(folder))
    assert [one.name for one in folder.iterdir()] == [f"{taken}-2.yaml"]
    assert "what it shows makes no valid manifest" in said.out


def test_an_instance_without_a_readable_time_is_not_written(scene: Scene) -> None:
    stranger = Stranger(flow_id=2, trigger_time=EpochMs(EIGHT_MS + 60_000), owner="u1")
    scene.sandbox.add_stranger(stranger)
    said = scene.run("import", *_flows(2), *_RANGE)
    assert "of no run here; --write DIR writes a manifest" in said.flat


def test_scripts_read_what_was_adopted_left_and_written(scene: Scene) -> None:
    asked = ("import", *_flows(1, 2), *_RANGE, "--format", "json")
    before = scene.run(*asked).json
    assert before["recorded"] is False
    assert [one["run"] for one in before["adopted"]]
    assert {one["file"] for one in before["rest"]} == {None}
    after = scene.run(*asked, "--yes", "--write", "triggers/imported").json
    assert after["recorded"] is True
    assert after["adopted"] == before["adopted"]
    (file,) = {one["file"] for one in after["rest"]}
    assert (scene.clone / file).is_file()
    assert {"version", "environment", "left"} < after.keys()


def test_no_manifest_is_written_through_a_link_or_into_a_ledgers_folder(scene: Scene) -> None:
    elsewhere = scene.folder / "elsewhere"
    elsewhere.mkdir()
    (scene.clone / "link").symlink_to(elsewhere)
    asked = ("import", *_flows(1, 2), *_RANGE, "--write")
    assert "link is a link" in scene.run(*asked, "link/imported", exits=1).err
    assert "holds a ledger" in scene.run(*asked, "state/test/imported", exits=1).err
    assert list(elsewhere.iterdir()) == []
    outside = scene.folder / "outside"
    outside.symlink_to(elsewhere)  # as /tmp may be one
    scene.run(*asked, str(outside / "imported"))
    assert [path.name for path in elsewhere.iterdir()] == ["imported"]
