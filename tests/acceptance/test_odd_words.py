"""What a person hands to `resolve` and `recover`: damaged it is refused, and a doubt is told of."""

import json
from typing import Any

from reconciler.sandbox import Drop, Fault, Reply
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import EIGHT_MS, Scene, configuration, runs

_LOST = Fault(on="trigger", ending=Drop(effect=True))
_UNSEARCHABLE = Fault(on="search", times="always", ending=Drop())


def _short(url: str) -> str:
    return configuration(url, limits={"claimSeconds": 3}, timeoutSeconds=1)


def in_doubt(open_scene: OpenScene) -> Scene:
    scene = open_scene(runs("a"), _LOST, _UNSEARCHABLE, configured=_short)
    scene.run("apply", exits=4)
    return scene


_CHANGES: tuple[dict[str, Any], ...] = (
    {"at": "yesterday"},
    {"flowId": 2},
    {"triggerTime": 5},
    {"flowInstanceId": ""},
    {"flowInstanceId": "a\nb"},
)


def test_a_rescue_file_that_was_changed_by_hand_is_refused(open_scene: OpenScene) -> None:
    scene = in_doubt(open_scene)
    claim = scene.ledger()[0]
    event = {
        "event": "triggered",
        "v": 1,
        "at": claim["at"],
        "run": "a",
        "claim": claim["claim"],
        "digest": claim["runs"]["a"]["digest"],
        "flowId": 1,
        "triggerTime": EIGHT_MS,
        "flowInstanceId": "1-20240302080000",
    }
    file = scene.folder / "rescue.jsonl"
    for change in _CHANGES:
        file.write_text(json.dumps(event | change) + "\n")
        scene.run("recover", str(file), exits=1)
        assert scene.outcomes("a") == ["unknown"], change
    file.write_text(json.dumps(event) + "\n")
    scene.run("recover", str(file))
    assert scene.outcomes("a") == ["unknown", "triggered"]


def test_a_run_that_recover_leaves_in_doubt_is_named_and_decides_the_exit_code(
    open_scene: OpenScene,
) -> None:
    scene = in_doubt(open_scene)
    file = scene.folder / "rescue.jsonl"
    (unknown,) = (one for one in scene.ledger() if one["event"] == "unknown")
    file.write_text(json.dumps(unknown) + "\n")
    said = scene.run("recover", str(file), exits=4)
    assert said.out.startswith("1 event in ")
    assert "\n  a: in doubt: it may have been started" in said.out


def test_an_instance_id_that_is_no_text_is_refused(open_scene: OpenScene) -> None:
    scene = in_doubt(open_scene)
    for words in ("--triggered=", "--triggered=a b\n"):
        assert "is no instance id" in scene.run("resolve", "a", words, exits=1).flat
    for more in (["--triggered=\udcff"], ["--not-triggered", "--yes", "--reason=\udcff"]):
        scene.run("resolve", "a", *more, exits=2)
    assert scene.outcomes("a") == ["unknown"]


def test_an_id_of_the_service_is_said_in_a_form_that_no_terminal_stumbles_over(
    open_scene: OpenScene,
) -> None:
    """By apply, status, resolve and its refusal; the ledger has it as it is."""
    id_ = "1-\u05d0\u05d1" + "9" * 100
    body = json.dumps({"code": 0, "data": {"flowInstanceId": id_}})
    odd = Fault(on="trigger", ending=Reply(body=body, effect=True))
    scene = open_scene(runs("a"), odd)
    said = [scene.run("apply"), scene.run("status", "a"), scene.run("status")]
    assert scene.ledger()[-1]["flowInstanceId"] == id_
    endless = id_ * 50
    said.append(scene.run("resolve", endless, "--triggered", endless, exits=1))
    for one in said:
        text = one.out + one.err
        assert "1-\\u05d0\\u05d1999" in text
        assert "\u05d0" not in text
        assert "9" * 200 not in "".join(text.split())
