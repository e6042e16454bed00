"""Sensitive parameters: the gateway gets the value, and nothing else shows it."""

import json

from reconciler.model import mask_value
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import configuration, manifest
from tests.acceptance.test_backfill import FILE, backfill
from tests.repositories import commit, git

VALUE, OTHER = "hunter2-of-the-database", "correct-horse"
NAMED = {"KEY_OF_DB": VALUE, "SITE": "cn-01"}


def test_no_output_shows_the_value_and_the_wire_has_it(open_scene: OpenScene) -> None:
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, parameters=NAMED, sensitive=["KEY_OF_DB"]),
            FILE: backfill(matrix=None, parameters={"db_password": VALUE}),
        }
    )
    saved = scene.clone / "plan.json"
    told = [
        scene.run("plan", "--no-base", "--format", form, "--verbose", "--out", str(saved))
        for form in ("text", "json", "markdown")
    ]
    assert mask_value(VALUE) in told[1].out
    assert f"db_password={mask_value(VALUE)}" in told[2].out
    told.append(scene.run("status", "--format", "json"))
    told.append(scene.run("apply", "--plan", str(saved), "--verbose"))
    told += [scene.run("status", *words, "--verbose") for words in ((), ("a",))]
    told.append(scene.run("status", "--format", "json"))
    assert all(VALUE not in f"{one.out}{one.err}" for one in told)
    assert VALUE not in saved.read_text()
    assert VALUE not in json.dumps(scene.ledger())
    assert all(VALUE in repr(one.parameters) for one in scene.instances)


def test_a_change_of_a_value_shows_that_it_is_another_only(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, parameters=NAMED)})
    git(scene.clone, "checkout", "--quiet", "-b", "work")
    now = manifest("a", 1, parameters=NAMED | {"KEY_OF_DB": OTHER}, sensitive=["KEY_OF_DB"])
    commit(scene.clone, {"triggers/a.yaml": now})
    for form in ("text", "json", "markdown"):
        said = scene.run("plan", "--format", form).flat
        assert VALUE not in said
        assert OTHER not in said
        assert mask_value(VALUE) in said
        assert mask_value(OTHER) in said


def test_the_patterns_of_the_configuration_count(open_scene: OpenScene) -> None:
    scene = open_scene(
        {"triggers/a.yaml": manifest("a", 1, parameters={"MY_SITE": VALUE, "PASSWORD": OTHER})},
        configured=lambda url: configuration(url, limits={"sensitiveParameters": ["*_site"]}),
    )
    said = scene.run("plan", "--format", "json").out
    assert VALUE not in said
    assert OTHER in said
