"""Signals: what is under way ends, nothing more starts, all of it is recorded."""

import os
import re
import signal
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path

import pytest

from reconciler.cli import applying
from reconciler.cli.signals import heed, restore_signals
from reconciler.sandbox import Fault, SandboxOptions
from reconciler.times import parse_instant
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import (
    Gate,
    Said,
    Scene,
    check_harmless,
    configuration,
    kill_at,
    manifest,
    runs,
)
from tests.acceptance.test_notify import notified
from tests.notify.receiver import Answer, receiving
from tests.repositories import PROJECT
from tests.sampling import sampled

_SAID = "interrupted: starting nothing more, recording what is known\n"
_NAMES = ("a", "b", "c")


def _one_at_a_time(url: str) -> str:
    return configuration(url, limits={"concurrency": 1})


def _read_until(process: "subprocess.Popen[str]", wanted: str) -> None:
    """The words are said once the signal was taken in."""
    assert process.stderr is not None
    for line in process.stderr:
        if line == wanted:
            return
    raise AssertionError(f"it never said {wanted!r}")


def _end(process: "subprocess.Popen[str]", scene: Scene) -> Said:
    out, err = process.communicate(timeout=250)
    said = Said(out=out, err=err)
    assert process.returncode == 130, said
    check_harmless(said, scene.sandbox)
    return said


@pytest.mark.parametrize("number", sampled([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], every=3))
def test_a_signal_lets_the_request_end_and_records_what_is_known(
    open_scene: OpenScene, number: signal.Signals
) -> None:
    gate = Gate()
    scene = open_scene(
        runs(*_NAMES), Fault(on="trigger", call_before=gate), configured=_one_at_a_time
    )
    process = scene.start("apply")
    assert gate.reached.wait(60)
    os.kill(process.pid, number)
    _read_until(process, _SAID)
    gate.open()
    said = _end(process, scene)
    assert "Interrupted: what is known was recorded" in said.out
    assert scene.posts == [1]
    assert scene.states() == {"a": "triggered", "b": "pending", "c": "pending"}
    scene.run("apply")
    assert scene.posts == [1, 2, 3]
    assert scene.states() == dict.fromkeys(_NAMES, "triggered")


def test_a_second_signal_breaks_the_request_off_and_the_next_apply_finds_its_instance(
    open_scene: OpenScene,
) -> None:
    gate = Gate()
    scene = open_scene(
        runs(*_NAMES), Fault(on="trigger", call_before=gate), configured=_one_at_a_time
    )
    process = scene.start("apply")
    assert gate.reached.wait(60)
    os.kill(process.pid, signal.SIGINT)
    _read_until(process, _SAID)
    os.kill(process.pid, signal.SIGINT)
    _end(process, scene)
    assert scene.states() == {"a": "in-doubt", "b": "pending", "c": "pending"}
    seen = [event["seen"] for event in scene.ledger() if event["event"] == "unknown"]
    assert seen == ["broken off before an answer came"]  # and not the request's own timeout
    gate.open()
    scene.run("apply")
    assert scene.outcomes("a") == ["unknown", "triggered"]
    assert sorted(one.flow_id for one in scene.instances) == [1, 2, 3]


@pytest.mark.long  # tests/kills has a sample
def test_a_kill_records_nothing_and_once_its_claim_expired_the_next_apply_completes(
    open_scene: OpenScene,
) -> None:
    gate = Gate()
    scene = open_scene(
        runs(*_NAMES), Fault(on="trigger", call_before=gate), configured=_one_at_a_time
    )
    process = scene.start("apply")
    assert gate.reached.wait(60)
    process.kill()
    process.communicate(timeout=250)
    gate.open()
    assert [event["event"] for event in scene.ledger()] == ["claim"]
    scene.clock.forward()
    scene.run("apply")
    assert scene.states() == dict.fromkeys(_NAMES, "triggered")
    assert sorted(one.flow_id for one in scene.instances) == [1, 2, 3]


@pytest.mark.parametrize("hours_back", [0, 24])
def test_an_interrupted_wait_ends_at_once(open_scene: OpenScene, hours_back: int) -> None:
    """The claim of a dead apply lasts two minutes more, also if the gateway's clock is set back."""
    gate = Gate()
    scene = open_scene(runs("a"), Fault(on="trigger", call_before=gate))
    kill_at(scene, gate)
    scene.clock.forward(-3600 * hours_back)
    process = scene.start("apply")
    assert process.stderr is not None
    told = iter(process.stderr.readline, "")
    (line,) = islice((one for one in told if one.startswith("waiting until ")), 1)
    said = re.fullmatch("waiting until (.*): 1 run claimed by another apply\n", line)
    assert said is not None
    until, claimed = parse_instant(said[1]), parse_instant(scene.ledger()[0]["until"])
    assert abs(claimed - until - 3_600_000 * hours_back) < 90_000
    os.kill(process.pid, signal.SIGINT)
    _end(process, scene)
    assert scene.states() == {"a": "claimed"}


def test_an_interrupt_of_another_command_exits_with_130(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reconciler.cli.planning.make_plans", interrupted)
    assert scene.run("plan", exits=130).err.strip() == "interrupted"


_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
_NOTHING_MORE = "interrupted: doing nothing more but to report\n"


def _git_that_hangs(folder: Path) -> tuple[str, Path]:
    """A PATH where git says in a pipe, once it is opened, that it runs, and then never ends."""
    reached, never = folder / "reached", folder / "never"
    os.mkfifo(reached)
    os.mkfifo(never)
    git = folder / "bin/git"
    git.parent.mkdir()
    git.write_text(f"#!/bin/sh\necho > {reached}\nexec cat {never}\n")
    git.chmod(0o755)
    return f"{git.parent}{os.pathsep}{os.environ['PATH']}", reached


@pytest.mark.parametrize("number", sampled(_SIGNALS, every=3))
@pytest.mark.parametrize("command", sampled(["apply", "plan", "status"], every=3))
def test_a_signal_before_anything_was_done_ends_any_command_with_130(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, command: str, number: signal.Signals
) -> None:
    scene = open_scene(runs("a"))
    path, reached = _git_that_hangs(scene.folder)
    monkeypatch.setenv("PATH", path)
    process = scene.start(command)
    reached.read_text()
    os.kill(process.pid, number)
    said = _end(process, scene)
    assert (said.out, said.err.strip()) == ("", "interrupted")


def test_a_signal_that_the_caller_ignores_stays_ignored(open_scene: OpenScene) -> None:
    """As `nohup` has it; the protocol alone takes a hang-up for an interrupt."""
    with restore_signals():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        heed()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        open_scene(runs("a")).run("apply")
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("number", sampled(_SIGNALS, every=3))
def test_a_signal_while_webhooks_are_told_leaves_the_report_whole(
    open_scene: OpenScene, number: signal.Signals
) -> None:
    with receiving(Answer(hangs=True)) as receiver:
        told = threading.Event()
        receiver.on_request = told.set
        hook = {"url": receiver.url, "events": ["started"]}
        scene = open_scene(runs("a"), configured=notified(hook))
        process = scene.start("apply")
        assert told.wait(60)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=250)
        receiver.over.set()
    assert process.returncode == 0, err
    assert "1 triggered" in out
    assert err.endswith(f"warning: notify was not told: KeyboardInterrupt\n{_NOTHING_MORE}")


@pytest.mark.parametrize(
    "step", sampled(["keep_trace", "_bring_forward", "_find_unpushed", "apply_text"], every=4)
)
@pytest.mark.parametrize("number", _SIGNALS)
def test_a_signal_after_the_last_record_leaves_the_report_whole(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, step: str, number: signal.Signals
) -> None:
    scene = open_scene(runs("a"))
    place = f"reconciler.cli.applying.{step}"
    usual = getattr(applying, step)

    def met(*given: object, **named: object) -> object:
        os.kill(os.getpid(), number)
        return usual(*given, **named)

    monkeypatch.setattr(place, met)
    with restore_signals():
        heed()
        said = scene.run("apply")
    assert "1 triggered" in said.out
    assert scene.outcomes("a") == ["triggered"]
    assert (_NOTHING_MORE in said.err) == (step in {"keep_trace", "_bring_forward"})


def test_a_second_signal_ends_a_report_that_nobody_reads(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))

    def stuck(*_: object, **__: object) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second signal was not heeded")

    monkeypatch.setattr("reconciler.cli.applying.apply_text", stuck)
    assert scene.run("apply", exits=130).err.endswith("interrupted\n")
    assert scene.outcomes("a") == ["triggered"]


@pytest.mark.long  # tests/apply/test_slow_looks.py has the rule
def test_an_interrupt_while_a_shared_minute_is_looked_at_leaves_its_run_unclaimed(
    open_scene: OpenScene,
) -> None:
    """Claimed at once, what stood there in the same second could not be told from its own start."""
    scene = open_scene(runs("a"), options=SandboxOptions(run_seconds=1))
    scene.run("apply")
    scene.clock.forward(20)
    scene.run("apply")
    assert scene.states() == {"a": "succeeded"}
    gate = Gate()
    scene.push({"triggers/b.yaml": manifest("b", 1, parameters={"SITE": "a"}, duplicateOf="a")})
    scene.sandbox.add_fault(Fault(on="search", call_before=gate))
    process = scene.start("apply")
    assert gate.reached.wait(60)
    os.kill(process.pid, signal.SIGINT)
    _read_until(process, _SAID)
    gate.open()
    _end(process, scene)
    assert scene.states() == {"a": "succeeded", "b": "pending"}
    assert not [one for one in scene.ledger() if "b" in one.get("runs", {})]


@pytest.mark.parametrize(
    "module", sampled(["reconciler.cli.main", "click", "reconciler.cli.validate"], every=3)
)
@pytest.mark.parametrize("number", _SIGNALS)
def test_a_signal_while_the_program_is_loaded_ends_it_with_130(
    open_scene: OpenScene, module: str, number: signal.Signals
) -> None:
    """Somebody changes their mind at once: no traceback answers them."""
    meet = f"if name == {module!r}: os.kill(os.getpid(), {int(number)})"
    said = _end(_start_meeting(meet), open_scene({}))
    assert (said.out, said.err.strip()) == ("", "interrupted")


@pytest.mark.parametrize(
    "meet",
    [
        pytest.param(
            "weakref.finalize(type('Brief', (), {})(), os.kill, os.getpid(), NUMBER)",
            id="a callback of a weak reference",
        ),
        pytest.param(
            "type('Class', (), {'field': type('Field', (), {'__set_name__': "
            "lambda *_: os.kill(os.getpid(), NUMBER)})()})",
            id="a class in the making",
        ),
    ],
)
@pytest.mark.parametrize("number", _SIGNALS)
def test_a_signal_where_python_drops_or_wraps_it_still_ends_the_command(
    open_scene: OpenScene, meet: str, number: signal.Signals
) -> None:
    """Python 3.11 wraps it where a class is made."""
    meet = f"if name == 'reconciler.cli.validate': {meet.replace('NUMBER', str(int(number)))}"
    said = _end(_start_meeting(meet), open_scene({}))
    assert (said.out, said.err.strip()) == ("", "interrupted")


def _start_meeting(meet: str) -> "subprocess.Popen[str]":
    """Start `validate`; the statement is run as each module is looked for whose `name` it sees."""
    script = (
        "import os, sys, weakref, reconciler.__main__\n"
        "class Meeting:\n"
        "    def find_spec(self, name, *_):\n"
        f"        {meet}\n"
        "sys.meta_path.insert(0, Meeting())\n"
        "sys.argv[1:] = ['validate']\n"
        "reconciler.__main__.main()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("code", [130, 141])
def test_a_demo_of_which_a_command_is_broken_off_ends_like_it_and_leaves_nothing(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int
) -> None:
    scene = open_scene({})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr("reconciler.cli.demonstration.run", lambda _: code)
    assert scene.run("demo", exits=code).err == ""
    assert list(temporary.iterdir()) == []
