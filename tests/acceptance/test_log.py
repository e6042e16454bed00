"""`--log-format json`: every line on stderr is an object, whatever happens."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from reconciler.apply import wait
from reconciler.apply.ports import Appended, Snapshot
from reconciler.cli.journal import Journal
from reconciler.cli.main import run
from reconciler.cli.measuring import KINDS, Measures
from reconciler.cli.options import wants_json_log
from reconciler.cli.saying import wrap_streams
from reconciler.ledger import Event
from reconciler.repository.store import GitStore
from reconciler.sandbox import NEVER, Drop, Fault, FlowOptions, SandboxOptions, Status
from reconciler.schema import load_schema, validate
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import AHEAD, Said, Scene, manifest, runs
from tests.repositories import PROJECT, commit, git, make_clone
from tests.sampling import sampled

_JSON = ("--log-format", "json")


def lines(said: Said) -> list[dict[str, Any]]:
    """Each line on stderr, which conforms to its schema."""
    found = [json.loads(line) for line in said.err.splitlines()]
    for one in found:
        assert validate("log", one) == (), one
    assert found[-1]["event"] == "finished"
    return found


def by_event(found: Sequence[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [one for one in found if one.get("event") == event]


def make_busy(scene: Scene, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let somebody else push first, so many times."""
    other, left = make_clone(scene.origin, scene.folder / "other"), [times]
    append = GitStore.append

    async def busy(
        self: GitStore, base: Snapshot, events: Sequence[Event], message: str
    ) -> Appended:
        if left[0]:
            left[0] -= 1
            commit(other, {"README.md": f"{left}\n"})
            git(other, "push", "--quiet")
        return await append(self, base, events, message)

    monkeypatch.setattr(GitStore, "append", busy)


@pytest.mark.long  # each line of it is tried by itself
def test_a_whole_apply_with_failures_doubt_and_a_busy_branch(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(
        {
            **runs("a", "b", "c"),
            "triggers/d.yaml": manifest("d", 4, triggerTime=AHEAD),
        },
        Fault(on="trigger", flow_id=4, list_after=NEVER, ending=Drop(effect=True)),
        options=SandboxOptions(
            run_seconds=10, flows={2: FlowOptions(tasks=0), 3: FlowOptions(ends=Status.FAIL)}
        ),
    )
    make_busy(scene, monkeypatch, 2)
    said = scene.run("apply", "--format", "json", *_JSON, exits=4)
    found = lines(said)
    assert said.json["environment"] == "test"
    (apply_id,) = {one["apply"] for one in found}
    (claimed,) = by_event(found, "claimed")
    assert claimed["count"] == 4
    settled = {one["run"]: one for one in found if "run" in one}
    assert {run: (one["event"], one["level"]) for run, one in settled.items()} == {
        "a": ("triggered", "info"),
        "b": ("rejected", "warning"),
        "c": ("triggered", "info"),
        "d": ("unknown", "warning"),
    }
    assert {one["claim"] for one in settled.values()} == {claimed["claim"]}
    assert settled["a"]["flowInstanceId"] == scene.instance_of(1).id
    assert any("the branch is busy" in one["message"] for one in by_event(found, "noted"))
    last = found[-1]
    assert last["exitCode"] == 4
    assert set(last["timings"]) == {*KINDS, "total"}
    assert last["timings"]["total"] >= max(last["timings"][kind] for kind in ("claim", "starts"))
    assert last["timings"]["starts"] > 0
    assert last["requests"]["Update And Trigger Flow"] == len(scene.posts)
    assert sum(last["requests"].values()) == len(scene.sandbox.requests)
    scene.clock.forward(200)
    again = lines(scene.run("apply", *_JSON, exits=4))
    assert again[0]["apply"] != apply_id
    assert [one["level"] for one in by_event(again, "observed") if one["run"] == "c"] == ["warning"]


def test_a_look_that_sees_nothing_new_is_no_line(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "FIRST_LOOK_SECONDS", 0.02)
    scene = open_scene(runs("a"), options=SandboxOptions(run_seconds=0.6))
    looks = by_event(lines(scene.run("apply", "--wait", *_JSON)), "watching")
    assert len([one for one in scene.sandbox.requests if one.operation == "search"]) > len(looks)
    assert [one["count"] for one in looks] == [0]


def test_stdout_is_what_it_is_without(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    for command in (("validate",), ("plan",), ("status",), ("report", "--out", "page")):
        with_log, without = scene.run(*command, *_JSON), scene.run(*command)
        assert with_log.out == without.out
        lines(with_log)


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (("apply", "--env", "other"), 1, "has no environment other", "It has: test."),
        (("apply", "--nonsense"), 2, "No such option", "reconciler apply --help"),
        (("--nonsense", "apply"), 2, "No such option", "reconciler --help"),
        (("apply", "--timeout", "1h"), 2, "--timeout goes with --wait", "apply --help"),
        (("apply", "--plan", "nowhere"), 2, "does not exist", "apply --help"),
    ],
)
def test_an_error_is_an_object_with_its_hint(
    open_scene: OpenScene, words: tuple[str, ...], code: int, message: str, hint: str
) -> None:
    scene = open_scene(runs("a"))
    *before, error, last = lines(scene.run(*words, *_JSON, exits=code))
    assert before == []
    assert error["level"] == "error"
    assert message in error["message"]
    assert hint in error["hint"]
    assert last["exitCode"] == code


def test_problems_of_manifests_are_objects(open_scene: OpenScene) -> None:
    scene = open_scene({"triggers/a.yaml": "a: 1\n", "triggers/b.yaml": "b: 1\n"})
    found = lines(scene.run("apply", *_JSON, exits=1))
    errors = [one["message"] for one in found if one["level"] == "error"]
    assert any(one.startswith("triggers/a.yaml:1:1: ") for one in errors)
    assert any(one.startswith("triggers/b.yaml:1:1: ") for one in errors)


def test_a_bug_is_an_object_too(open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = open_scene(runs("a"))

    async def fail(*_: Any) -> None:
        raise ZeroDivisionError("hm")

    monkeypatch.setattr(GitStore, "fetch", fail)
    for keeps in (True, False):
        if not keeps:  # then the traceback is said
            monkeypatch.setattr("reconciler.cli.unexpected._keep", lambda _: None)
        scene.capture.readouterr()
        assert run(["apply", *_JSON]) == 3
        found = lines(Said(out="", err=scene.capture.readouterr().err))
        assert "ZeroDivisionError: hm: this is a bug" in found[-2]["message"]
        assert (len(found) > 5) is not keeps


def test_annotations_of_github_are_none_of_it(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    scene = open_scene(runs("a"), options=SandboxOptions(flows={1: FlowOptions(tasks=0)}))
    found = lines(scene.run("apply", *_JSON, exits=1))
    assert not any("::error" in one["message"] for one in found)
    assert "::error" in scene.run("apply", exits=1).err


def test_quiet_leaves_errors_and_the_last_line(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    (last,) = lines(scene.run("apply", "--quiet", *_JSON))
    assert last["exitCode"] == 0


@pytest.mark.parametrize("encoding", sampled(["ascii", "utf-16", "latin-1", "utf-8"], every=4))
def test_in_any_encoding_each_line_is_an_object(open_scene: OpenScene, encoding: str) -> None:
    scene = open_scene({"triggers/a.yaml": manifest("a", 1, {"場": "風"}) + "風: 1\n"})
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "apply", "--env", "風##[x]", *_JSON],
        cwd=scene.clone,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    text = done.stderr.decode(encoding)
    found = [json.loads(line) for line in text.splitlines()]
    assert "風##[x]" in found[0]["message"]
    assert "##[" not in text  # which the log of a pipeline would obey


def test_what_a_library_writes_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    with wrap_streams(as_json=True):
        sys.stderr.write("half ")
        sys.stderr.flush()
        sys.stderr.write("a line\n\nand \x1b[2Jmore\n")
        sys.stderr.write("without its end")
        assert not sys.stderr.isatty()
    messages = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert messages == ["half a line", "and \\x1b[2Jmore", "without its end"]


def test_a_message_has_the_level_that_it_begins_with() -> None:
    written: list[dict[str, Any]] = []
    journal = Journal(lambda line: written.append(json.loads(line)))
    for text in ("error: a", "warning: b", "note: c", "d\n  e"):
        journal.say(text)
    assert [(one["level"], one["message"]) for one in written] == [
        ("error", "a"),
        ("warning", "b"),
        ("info", "c"),
        ("info", "d\ne"),
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("apply --log-format json", True),
        ("--log-format=json apply", True),
        ("--log-format json apply --log-format text", False),
        ("apply --log-format", False),
        ("apply -- --log-format json", False),
        ("apply json", False),
        ("", False),
    ],
)
def test_the_log_is_asked_for_anywhere_on_the_line(words: str, *, expected: bool) -> None:
    assert wants_json_log(words.split()) is expected


def test_what_happens_side_by_side_counts_once() -> None:
    now = [0.0]
    measures = Measures(lambda: now[0])
    with measures.of("starts"):
        now[0] = 1.0
        with measures.of("starts"):
            now[0] = 3.0
        now[0] = 4.0
    now[0] = 10.0
    with measures.of("starts"):
        now[0] = 10.5
    assert measures.list_figures()["timings"]["starts"] == 4.5
    assert measures.list_figures()["timings"]["total"] == 10.5


def test_no_step_of_an_apply_is_without_its_word() -> None:
    words = set(load_schema("log")["properties"]["event"]["enum"])
    source = (PROJECT / "reconciler/ledger/events.py").read_text()
    kinds = source.partition("Event = ")[2].partition("\n")[0].split(" | ")
    assert {kind.lower() for kind in kinds} - {"claim"} <= words
