"""`apply --wait` meets services that never say how an instance fares: it ends, and says so."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.apply import observer, wait
from reconciler.sandbox import Fault, Reply, SandboxOptions
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, Scene, configuration, manifest, runs
from tests.sampling import sampled

_REFUSED = Reply(code=62103, msg="no privilege")


@pytest.fixture(autouse=True)
def _few_quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two looks, and not twenty; and little time between them."""
    monkeypatch.setattr(observer, "UNCLEAR_LOOKS", 2)
    monkeypatch.setattr(wait, "FIRST_LOOK_SECONDS", 0.05)


def _refuse(scene: Scene) -> None:
    scene.sandbox.add_fault(Fault(on="instance", times="always", ending=_REFUSED))
    scene.sandbox.add_fault(Fault(on="search", times="always", ending=_REFUSED))


@pytest.mark.parametrize(
    ("odd", "spoil", "said"),
    sampled(
        [
            (
                {"status_shown": "undocumented"},
                None,
                "the service says 102, which is no known status",
            ),
            ({"status_shown": "blank"}, None, "the status of 1-20240302080000 cannot be read"),
            ({}, _refuse, "2 looks in a row could not tell how it fares"),
        ],
        every=3,
    ),
    ids=["a status of its own", "no status", "no answer"],
)
def test_a_wait_for_what_nobody_can_tell_ends_with_1_and_says_what_to_do(
    open_scene: OpenScene, odd: dict[str, Any], spoil: Callable[[Scene], None] | None, said: str
) -> None:
    files = {
        "triggers/a.yaml": manifest("a", 1),
        "triggers/b.yaml": manifest("b", 2, dependsOn=["a"]),
    }
    scene = open_scene(files, options=SandboxOptions(**odd))
    if spoil is not None:
        spoil(scene)
    told = scene.run("apply", "--wait", exits=1)
    assert said in told.flat
    assert "reconciler status a --refresh --env test" in told.flat
    assert scene.states() == {"a": "triggered", "b": "pending"}
    assert len(scene.instances) == 1


def test_a_wait_for_what_another_user_has_started_ends_with_1_and_says_so(
    open_scene: OpenScene,
) -> None:
    scene = open_scene(runs("a"), options=SandboxOptions(run_seconds=1e6))
    scene.run("apply")
    scene.push(
        {
            CONFIGURATION: configuration(scene.url, userId="u2"),
            "triggers/b.yaml": manifest("b", 2, dependsOn=["a"]),
        }
    )
    said = scene.run("apply", "--wait", "--timeout", "5s", exits=1)
    assert "put back gateway.userId: u1" in said.flat
    assert scene.posts == [1]
