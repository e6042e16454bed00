"""The command as a whole: its options, its usage errors, its bugs."""

import errno
import json
import os
import pty
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.cli.main import COMMANDS
from reconciler.schema import SCHEMAS
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, configuration, manifest, runs
from tests.repositories import PROJECT
from tests.sampling import sampled


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "--version"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"reconciler, version {__version__} (tzdata {version('tzdata')})\n"


def test_the_command_line_of_httpx_is_not_loaded_with_it() -> None:
    code = (
        "import sys; from reconciler.__main__ import main; sys.argv[1:] = ['--version']\n"
        "try:\n    main()\nexcept SystemExit:\n    import reconciler.enos.client\n"
        "print([one for one in sys.modules if one in {'httpx', 'pygments.lexers'}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['httpx']"


_FOR_OTHER_COMMANDS = (
    "asyncio ssl httpx secrets importlib.resources html reconciler.plan reconciler.apply"
)
_FOR_OTHER_MANIFESTS = (
    "json unicodedata zoneinfo reconciler.manifest.json_text reconciler.manifest.blueprints "
    "reconciler.manifest.packing reconciler.repository.division reconciler.expansion.backfill "
    "reconciler.expansion.characters reconciler.webhooks"
)
_FOR_OTHER_FORMATS = "reconciler.render.reports reconciler.render.json_output"
_FOR_TROUBLES = (
    "shlex reconciler.git.causes reconciler.ledger.guarding reconciler.cli.differing "
    "reconciler.cli.refusing reconciler.cli.ledger_findings"
)
_FOR_THE_REMOTE_AND_THE_GATEWAY = (
    "dataclasses reconciler.enos.access reconciler.repository.credentials reconciler.git.remote "
    "reconciler.git.retrying reconciler.git.commits reconciler.git.push reconciler.git.traces"
)


# A hook of pre-commit pays for the start-up of `validate` at each commit.
@pytest.mark.parametrize(
    ("word", "late"),
    [
        ("validate", _FOR_OTHER_COMMANDS),
        ("validate", _FOR_OTHER_MANIFESTS),
        ("validate", _FOR_OTHER_FORMATS),
        ("validate", _FOR_TROUBLES),
        ("validate", _FOR_THE_REMOTE_AND_THE_GATEWAY),
        ("--help", "yaml zoneinfo msgspec json reconciler.model reconciler.schema reconciler.git"),
    ],
)
def test_a_command_loads_nothing_that_only_others_need(
    open_scene: OpenScene, word: str, late: str
) -> None:
    code = (
        f"import sys; from reconciler.cli.main import run; code = run([{word!r}])\n"
        f"print(code, sorted(sys.modules.keys() & {late.split()!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=open_scene(runs("a")).clone,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--unknown",),
        ("unknown",),
        ("plan", "--unknown"),
        ("plan", "--format", "xml"),
        ("apply", "--max-runs", "0"),
        ("apply", "--plan", "nowhere.json"),
        ("validate", "--repo", "nowhere"),
        ("recover",),
        ("resolve",),
        ("schema", "unknown"),
    ],
)
def test_wrong_usage_exits_with_2(open_scene: OpenScene, arguments: tuple[str, ...]) -> None:
    said = open_scene(runs("a")).run(*arguments, exits=2)
    assert said.out == ""
    assert "Error: " in said.err


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("statsu", "Error: No such command 'statsu'. Did you mean status?\n"),
        ("xyz", "Error: No such command 'xyz'.\n"),
        ("completion", "Error: Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish\n"),
    ],
)
def test_wrong_usage_is_told_in_one_line_with_what_was_perhaps_meant(
    open_scene: OpenScene, typed: str, told: str
) -> None:
    assert open_scene({}).run(typed, exits=2).err.endswith(told)


def test_without_a_command_the_usage_is_shown(open_scene: OpenScene) -> None:
    said = open_scene({}).run(exits=2)
    assert "Usage: reconciler " in said.err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_there_for_everything(open_scene: OpenScene, command: str) -> None:
    words = [command] if command else []
    assert "Usage: reconciler " in open_scene({}).run(*words, "--help").out


def _break(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("reconciler.cli.checking.validate_repository", broken)


def test_a_bug_exits_with_3_and_keeps_what_to_report_in_a_file(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(scene.folder / "cache"))
    _break(monkeypatch, RuntimeError("the flux\x1b capacitor of https://me:hunter2@host/"))
    said = scene.run("validate", "--strict", exits=3)
    assert said.out == ""
    (log,) = (scene.folder / "cache/reconciler").iterdir()
    (line,) = said.err.splitlines()
    assert line.startswith("error: RuntimeError: the flux\\x1b capacitor")
    assert line.endswith(f"this is a bug in reconciler, please report it with {log}")
    assert log.stat().st_mode & 0o077 == 0
    text = log.read_text()
    assert f"reconciler {__version__}, Python 3." in text
    assert "arguments: ['validate', '--strict']" in text
    assert "Traceback (most recent call last)" in text
    assert "hunter2" not in text + line


def test_a_bug_that_no_file_can_keep_is_printed(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reconciler.cli.main import run

    open_scene(runs("a"))
    monkeypatch.setattr("reconciler.cli.unexpected._folders", lambda: iter([Path("/proc/no")]))
    _break(monkeypatch, KeyError("x"))
    assert run(["validate"]) == 3
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert said.endswith("with the lines above, because no file can be written\n")


def test_a_stray_error_of_a_file_is_a_bug_and_none_of_the_output(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(scene.folder / "cache"))
    _break(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "/x/y"))
    said = scene.run("validate", exits=3)
    assert "PermissionError: [Errno 13] Permission denied: '/x/y'" in said.err
    assert "output" not in said.err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EIO])
def test_what_the_machine_has_run_out_of_is_said_as_it_is(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    scene = open_scene(runs("a"))
    _break(monkeypatch, OSError(number, os.strerror(number), "/x/y"))
    said = scene.run("validate", exits=1)
    assert said.err == f"error: {os.strerror(number)}: /x/y\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("arguments", [("schema", "config"), ("--help",), ("--version",)])
def test_an_output_that_takes_nothing_is_said_to(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=PROJECT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the output could not be written: No space left on device\n"
    )
    assert "Traceback" not in done.stderr


def test_a_current_folder_that_was_removed_is_no_bug(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    gone = scene.folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    named = ("--repo", str(scene.clone))
    try:
        assert "the current folder is gone" in scene.run("validate", exits=1).err
        assert (
            "the current folder is gone" in scene.run("report", "--out", "r", *named, exits=1).err
        )
        for command in ("validate", "plan", "apply", "status"):
            scene.run(command, *named)
    finally:
        os.chdir(scene.folder)


def test_a_system_that_is_not_posix_is_refused_kindly() -> None:
    code = "import os; os.name = 'nt'; from reconciler.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: reconciler runs on Linux, macOS and other POSIX systems")
    assert "Traceback" not in done.stderr


def test_common_options_may_stand_before_and_after_the_command(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, environments=("test", "prod"))
    )
    monkeypatch.chdir(scene.folder)
    options = ("--repo", str(scene.clone), "--env", "test", "--offline")
    usual = scene.run("plan", *options)
    assert scene.run(*options[:4], "plan", "--offline") == usual
    assert scene.run(*options[:2], "plan", *options[2:]) == usual
    assert scene.run("--env", "prod", "plan", *options) == usual  # the nearer one counts
    assert scene.run("-q", "plan", *options).err == ""
    assert scene.run("plan", "-q", *options).err == ""


def test_verbose_before_or_after_the_command_shows_more(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    usual, after, before = (
        scene.run(*words).out for words in (("plan",), ("plan", "-v"), ("-v", "plan"))
    )
    assert "done" in after
    assert len(after) > len(usual)
    assert before == after


@pytest.mark.parametrize("command", sampled(["plan", "status"], every=2))
def test_a_terminal_shows_colours_unless_they_are_turned_off(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in _on_a_terminal(scene, command)
    assert "\x1b[" not in _on_a_terminal(scene, "--no-color", command)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in _on_a_terminal(scene, command)


def _on_a_terminal(scene: Scene, *arguments: str) -> str:
    """What the command shows where its output is a terminal; it fits into the terminal's buffer."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=scene.clone,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_output_that_goes_to_no_terminal_is_plain(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    process = scene.start("plan")
    out, err = process.communicate(timeout=250)
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out


@pytest.mark.long  # tests/starting/test_first_steps.py has a sample
def test_a_reader_that_leaves_early_is_no_bug(open_scene: OpenScene) -> None:
    parameters = dict.fromkeys(f"{number:0100d}" for number in range(1000))
    empty = manifest("a", 1, parameters=parameters).replace(": null", ":")
    scene = open_scene({"triggers/a.yaml": empty})  # makes more output than a pipe holds
    process = scene.start("validate")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 1
    with process.stderr:
        assert process.stderr.read() == ""


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_prints_the_schema_that_the_repository_holds(
    open_scene: OpenScene, name: str
) -> None:
    said = open_scene({}).run("schema", name)
    assert said.json == json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text())


@pytest.mark.long
def test_the_demo_runs_the_whole_loop(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "demo"],
        cwd=PROJECT,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing to do." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_an_apply_whose_stderr_nobody_reads_reports_what_it_started(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "apply"],
            cwd=scene.clone,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=nobody,
            text=True,
            check=False,
        )
    assert done.returncode == 0
    assert f"a: {scene.instance_of(1).id}" in done.stdout
