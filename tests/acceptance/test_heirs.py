"""Two manifests that go on with one run: nothing starts, and one problem says why."""

from collections.abc import Sequence
from typing import Any

import pytest

from reconciler import schedule
from reconciler.ledger import Ledger
from reconciler.model import Run
from reconciler.sandbox import Fault
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, manifest, runs
from tests.repositories import commit, git, make_clone
from tests.sampling import sampled


@pytest.mark.parametrize("revision", sampled([None, 2], every=2))
def test_two_manifests_that_were_one_start_nothing(
    open_scene: OpenScene, revision: int | None
) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    scene.remove("triggers/a.yaml")
    heir: dict[str, Any] = {"formerly": "a", "revision": revision}
    scene.push(
        {
            "triggers/b.yaml": manifest("b", 1, **heir),
            "triggers/c.yaml": manifest("c", 2, triggerTime="2024-03-02T09:00:00+08:00", **heir),
        }
    )
    for command in ("validate", "plan", "apply"):
        said = scene.run(command, exits=1)
        text = " ".join((said.out + said.err).split())
        assert text.count("would both go on with a, which is recorded") == 2
        assert "changed:" not in text
    assert scene.posts == [1]
    assert len(scene.ledger()) == 2


def test_an_apply_claims_no_batch_in_which_one_id_stands_twice(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever let it come so far: no rule has seen it."""

    def all_one(found: Sequence[Run], _: Ledger) -> tuple[Run, ...]:
        return tuple(run.but(name="a") for run in found)

    scene = open_scene(runs("a", "b"))
    monkeypatch.setattr(schedule, "with_recorded_names", all_one)
    assert "2 declared runs are called a" in scene.run("apply", exits=1).err
    assert (scene.posts, scene.ledger()) == ([], [])


def test_problems_that_land_while_runs_are_started_are_told_with_their_number(
    open_scene: OpenScene,
) -> None:
    scene: Scene

    def push() -> None:
        writer = make_clone(scene.origin, scene.folder / "writer")
        commit(writer, {"triggers/bad.yaml": manifest("bad", 0)})
        git(writer, "push", "--quiet", "origin", "main")

    scene = open_scene(runs("a", "b"), Fault(on="trigger", flow_id=2, call_before=push))
    said = scene.run("apply", exits=1)
    assert "error: nothing more was started after 2 runs: the branch's manifests" in said.err
    assert set(scene.posts) == {1, 2}
    assert len(scene.posts) == 2
    assert scene.outcomes("a") == scene.outcomes("b") == ["triggered"]
