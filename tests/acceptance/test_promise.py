"""What is green in the pull request is what happens after the merge: `plan`, then `apply`."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.sandbox import FlowOptions, SandboxOptions, Status
from reconciler.schema import validate
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, configuration, manifest
from tests.acceptance.test_backfill import backfill
from tests.repositories import commit, git
from tests.sampling import sampled

DATES = {"from": "2024-03-01", "to": "2024-03-03", "every": "1d"}
MATCH = [{"name": "march", "match": ["businessDate", "SITE"]}]
LIFE_SECONDS = 600.0  # so that what an apply starts frees nothing before the apply has ended
LASTING = SandboxOptions(
    run_seconds=LIFE_SECONDS,
    flows={9: FlowOptions(ends=Status.FAIL, run_seconds=LIFE_SECONDS)},
)

Files = dict[str, str | None]


def march(name: str = "march", **spec: Any) -> str:
    return backfill(name, **({"businessDates": DATES} | spec))


def follow(**spec: Any) -> str:
    return backfill("follow", **({"businessDates": DATES, "flowId": 8, "dependsOn": MATCH} | spec))


BASE = {
    "triggers/a.yaml": manifest("a", 1),
    "triggers/b.yaml": manifest("b", 2, suspend=True),
    "triggers/f.yaml": manifest("f", 9),
    "triggers/w.yaml": manifest("w", 3, dependsOn=["f"]),
    "triggers/march.yaml": march(),
    "triggers/follow.yaml": follow(),
}
MARCH, FOLLOW = "triggers/march.yaml", "triggers/follow.yaml"


def half(name: str, first: str, last: str, **spec: Any) -> str:
    return march(name, businessDates={"from": first, "to": last, "every": "1d"}, **spec)


CHANGES: dict[str, Files] = {
    "moved to another file": {MARCH: None, "triggers/sub/m.yaml": march()},
    "split in two, told": {
        MARCH: half("march", "2024-03-02", "2024-03-03"),
        "triggers/m2.yaml": half("march-early", "2024-03-01", "2024-03-01", formerly=["march"]),
    },
    "a site more": {MARCH: march(matrix={"SITE": ["cn-01", "cn-02", "cn-03"]})},
    "narrowed": {MARCH: half("march", "2024-03-01", "2024-03-01"), FOLLOW: None},
    "a revision": {MARCH: march(revision=2)},
    "depends": {"triggers/b.yaml": manifest("b", 2, dependsOn=["march"])},
    "no longer suspended": {"triggers/b.yaml": manifest("b", 2)},
    "not after": {MARCH: march(notAfter="2024-03-02T00:00:00+08:00")},
    "a retry": {"triggers/f.yaml": manifest("f", 9, retry={"max": 1})},
    "a dependency deleted": {"triggers/f.yaml": None},
    "a dependency given up": {"triggers/w.yaml": manifest("w", 3)},
    "another stagger": {MARCH: march(stagger="2m")},
    "a parameter": {MARCH: march(parameters={"MODE": "part"})},
    "renamed with its followers": {
        MARCH: None,
        "triggers/m.yaml": march("spring", formerly=["march"]),
        FOLLOW: follow(dependsOn=[{**MATCH[0], "name": "spring"}]),
    },
    "renamed a waiting one, untold": {
        "triggers/w.yaml": None,
        "triggers/v.yaml": manifest("v", 3, parameters={"SITE": "w"}, dependsOn=["f"]),
    },
    "one at once": {MARCH: march(maxActive=1)},
    "broken": {MARCH: "kind: [\n"},
    "a collision": {"triggers/c.yaml": manifest("c", 1, parameters={"X": "y"})},
}


def settings(**more: Any) -> Callable[[str], str]:
    return lambda url: configuration(url, **more)


CONFIGURATIONS: dict[str, Callable[[str], str]] = {
    "a low limit": settings(limits={"maxRunsPerApply": 3}),
    "a zone": settings(timezone="GMT+9"),
    "another user": settings(userId="u2"),
    "named otherwise": lambda url: configuration(url).replace("  test:", "  prod:"),
}


def arranged(open_scene: OpenScene) -> Scene:
    scene = open_scene(BASE, options=LASTING)
    scene.run("apply", "a", "f", "march/2024-03-01")
    scene.clock.forward(2 * LIFE_SECONDS)
    scene.run("status", "--refresh")
    git(scene.clone, "pull", "--quiet", "origin", "main")
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    return scene


def check(scene: Scene) -> None:
    before = len(scene.instances)
    plan = scene.run("plan", "--format", "json", exits=(0, 1)).json
    assert not validate("plan", plan)
    red = bool(plan["refusals"])
    git(scene.clone, "push", "--quiet", "origin", "HEAD:main")
    scene.run("apply", exits=1 if red else 0)
    started = [(one.flow_id, one.trigger_time) for one in scene.instances[before:]]
    wanted = [run for run in plan["runs"] if run["action"] == "trigger" and not red]
    assert sorted(started) == sorted((run["flowId"], run["triggerTime"]) for run in wanted)


@pytest.mark.parametrize("what", sampled(CHANGES, every=18))
def test_an_apply_does_what_the_pull_request_showed(open_scene: OpenScene, what: str) -> None:
    scene = arranged(open_scene)
    for path, text in CHANGES[what].items():
        file = scene.clone / path
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    git(scene.clone, "add", "--all")
    git(scene.clone, "commit", "--allow-empty", "--quiet", "--message", what)
    check(scene)


@pytest.mark.parametrize("what", sampled(CONFIGURATIONS, every=9))
def test_so_it_does_with_another_configuration(open_scene: OpenScene, what: str) -> None:
    scene = arranged(open_scene)
    commit(scene.clone, {"reconciler.yaml": CONFIGURATIONS[what](scene.url)})
    check(scene)
