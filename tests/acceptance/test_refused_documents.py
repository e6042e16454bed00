"""Whatever a command refuses, a script that asked for a document gets one, with the reason."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from reconciler.ledger.guarding import CODE
from reconciler.sandbox import Fault
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import LEDGER, Said, Scene, configuration, manifest, runs
from tests.acceptance.test_ledger_edited import applied
from tests.repositories import commit, git, make_clone
from tests.sampling import sampled

Breaks = Callable[[Scene], Sequence[str]]  # gives options

_UNDO = "Undo it: `git checkout origin/main -- state/test`"
_LINES = {
    "conflict": (b"<<<<<<< HEAD\n", "a merge conflict stands in the ledger", CODE),
    "garbage": (b"garbage\n", "not a ledger event", CODE),
    "newer": (b'{"v":99,"event":"claim"}\n', "written in format 99", "ledger-unreadable"),
}


def _found(said: Said, form: str) -> list[tuple[str, int, str, str]]:
    """File, line, code and message of all problems in a report."""
    match form:
        case "json":
            found = said.json["problems"]
            return [(one["file"], one["line"], one["code"], one["message"]) for one in found]
        case "gitlab":
            return [
                (
                    one["location"]["path"],
                    one["location"]["lines"]["begin"],
                    one["check_name"],
                    one["description"],
                )
                for one in said.json
            ]
        case "sarif":
            return [_of_sarif(one) for one in said.json["runs"][0]["results"]]
        case _:
            lines = (
                [one.text or "" for one in ET.fromstring(said.out).iter("failure")]  # noqa: S314 - our own
                if form == "junit"
                else [line for line in said.out.splitlines() if line.count(":") > 3]
            )
            parts = [line.split(": ", 2) for line in lines if not line.startswith("::")]
            return [
                (place.split(":")[0], int(place.split(":")[1]), code, message)
                for place, code, message in parts
            ]


def _of_sarif(one: Any) -> tuple[str, int, str, str]:
    place = one["locations"][0]["physicalLocation"]
    file, line = place["artifactLocation"]["uri"], place["region"]["startLine"]
    return file, line, one["ruleId"], one["message"]["text"]


@pytest.mark.parametrize(
    "form", sampled(["text", "json", "github", "gitlab", "sarif", "junit"], every=3)
)
def test_a_ledger_that_cannot_be_read_is_a_problem_in_every_report(
    open_scene: OpenScene, form: str
) -> None:
    scene = applied(open_scene)
    git(scene.clone, "fetch", "--quiet")
    ledger, bad = scene.clone / LEDGER, scene.clone / "triggers" / "bad.yaml"
    first, *others = ledger.read_bytes().splitlines(keepends=True)
    for line, what, code in _LINES.values():
        bad.unlink(missing_ok=True)
        ledger.write_bytes(first + line + b"".join(others))
        said = scene.run("validate", "--format", form, exits=1)
        ((file, number, given, message),) = _found(said, form)
        assert (file, number, given) == (LEDGER, 2, code)
        assert message.startswith(what)
        assert (_UNDO in message) is (code == CODE)
        assert said.err == ""
        bad.write_text("a: [\n")
        found = _found(scene.run("validate", "--format", form, exits=1), form)
        assert [one[0] for one in found] == [LEDGER, "triggers/bad.yaml"]
        bad.unlink()
        only = scene.run("validate", "triggers/a.yaml", "--format", form, exits=1)
        assert [one[0] for one in _found(only, form)] == [LEDGER]


def test_a_base_says_how_the_ledger_was_edited_and_the_manifests_problems_stay(
    open_scene: OpenScene,
) -> None:
    scene = applied(open_scene)
    git(scene.clone, "fetch", "--quiet")
    ledger = scene.clone / LEDGER
    ledger.write_bytes(ledger.read_bytes() + b"garbage\n")
    (scene.clone / "triggers" / "bad.yaml").write_text("a: [\n")
    report = scene.run("validate", "--base", "origin/main", "--format", "json", exits=1).json
    assert [(one["file"], one["code"]) for one in report["problems"]] == [
        (LEDGER, CODE),
        ("triggers/bad.yaml", "yaml-syntax"),
    ]


def test_a_ledger_that_is_a_link_is_a_problem_too(open_scene: OpenScene) -> None:
    scene = applied(open_scene)
    (scene.clone / LEDGER).rename(scene.clone / "moved.jsonl")
    (scene.clone / LEDGER).symlink_to("../../moved.jsonl")
    (problem,) = scene.run("validate", "--format", "json", exits=1).json["problems"]
    assert (problem["file"], problem["code"]) == (LEDGER, "link")


def _no_configuration(scene: Scene) -> Sequence[str]:
    (scene.clone / "reconciler.yaml").unlink()
    return []


def _bad_configuration(scene: Scene) -> Sequence[str]:
    (scene.clone / "reconciler.yaml").write_text("version: 1\nenvironments: {}\n")
    return []


def _unknown_environment(_: Scene) -> Sequence[str]:
    return ["--env", "nope"]


def _invalid_manifest(scene: Scene) -> Sequence[str]:
    scene.push({"triggers/bad.yaml": "a: [\n"})
    return []


def _too_many(_: Scene) -> Sequence[str]:
    return ["--max-runs", "1"]


_NO_RUN = ("resolve", "a", "--not-triggered", "--reason", "x", "--yes")
_IMPORT = ("import", "--flow", "1", "--from", "2024-01-01", "--to", "2024-02-01")


@pytest.mark.parametrize(
    ("command", "breaks", "environment", "code"),
    sampled(
        [
            *(
                (command, breaks, environment, code)
                for command in (("apply",), ("status",), _NO_RUN, _IMPORT)
                for breaks, environment, code in (
                    (_no_configuration, "", "not-done"),
                    (_bad_configuration, "", "empty"),
                    (_unknown_environment, "nope", "not-done"),
                )
            ),
            (("apply",), _invalid_manifest, "test", "yaml-syntax"),
            (("apply",), _too_many, "test", "too-many-to-start"),
            (("status", "nowhere"), lambda _: [], "test", "not-done"),
            (_NO_RUN, lambda _: [], "test", "not-done"),
        ],
        every=4,
    ),
)
def test_a_command_that_refuses_prints_a_document(
    open_scene: OpenScene, command: Sequence[str], breaks: Breaks, environment: str, code: str
) -> None:
    scene = open_scene(runs("a", "b"))
    options = breaks(scene)
    plain = scene.run(*command, *options, exits=1)
    said = scene.run(*command, "--format", "json", *options, exits=1)
    document = said.json
    assert (document["version"], document["environment"]) == (1, environment)
    (refusal, *_) = document["refusals"]
    assert refusal["code"] in {code, "range"} if code == "empty" else refusal["code"] == code
    assert bool(document["problems"]) is (code in {"empty", "yaml-syntax"})
    assert said.err == plain.err != ""
    assert plain.out == ""
    assert scene.posts == []


def test_each_environment_has_its_refusal(open_scene: OpenScene) -> None:
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, environments=("test", "prod"))
    )
    document = scene.run("status", "nowhere", "--format", "json", exits=1).json
    assert [one["environment"] for one in document["environments"]] == ["test", "prod"]
    several = scene.run("apply", "--format", "json", exits=1).json
    assert (several["environment"], several["triggered"]) == ("", [])


@pytest.mark.parametrize("form", ["json", "github", "gitlab", "sarif", "junit"])
def test_a_validation_that_cannot_begin_is_a_report_with_one_problem(
    open_scene: OpenScene, form: str
) -> None:
    scene = open_scene(runs("a"))
    plain = scene.run("validate", "--env", "nope", exits=1)
    assert plain.out == ""
    said = scene.run("validate", "--env", "nope", "--format", form, exits=1)
    assert [one[:3] for one in _found(said, form)] == [("reconciler.yaml", 1, "not-done")]
    assert said.err == plain.err
    _no_configuration(scene)
    said = scene.run("validate", "--format", form, exits=1)
    ((_, _, code, message),) = _found(said, form)
    assert code == "not-done"
    assert "no reconciler.yaml here or above" in message


@pytest.mark.parametrize("is_recorded", sampled([False, True], every=2))
def test_an_apply_that_stops_half_way_says_what_it_had_started(
    open_scene: OpenScene, is_recorded: bool
) -> None:
    """What is on the branch, and what could only be kept in a rescue file."""
    scene: Scene

    def interfere() -> None:
        if is_recorded:
            other = make_clone(scene.origin, scene.folder / "other")
            commit(other, {"triggers/bad.yaml": "a: [\n"})
            git(other, "push", "--quiet", "origin", "HEAD:main")
        else:
            scene.origin.rename(scene.folder / "gone")

    fault = Fault(on="trigger", call_after=interfere, times=1)
    scene = open_scene({**runs("a"), "triggers/c.yaml": manifest("c", 3, dependsOn=["a"])}, fault)
    arguments = ("apply", "--format", "json", *(["--wait"] if is_recorded else []))
    said = scene.run(*arguments, exits=1)
    document = json.loads(said.out)
    assert [(one["run"], one["flowId"]) for one in document["triggered"]] == [("a", 1)]
    assert document["triggered"][0]["flowInstanceId"] == scene.instance_of(1).id
    assert document["refusals"][0]["message"].split(":")[0] in said.flat
