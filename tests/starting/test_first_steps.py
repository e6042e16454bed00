"""What a person reads on the first day, before anything is pushed: what is so, and what helps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repositories import git, isolate
from tests.sampling import sampled
from tests.starting.running import ALL, SOURCE, ran

_NEW = ("new", "trigger", "--name", "wind", "--flow-id", "3377", "--business-date", "2024-03-01")
_KEYS = ("ENOS_ACCESS_KEY", "ENOS_SECRET_KEY")
_IMPORT = ("import", "--flow", "3377", "--from", "2024-03-01", "--to", "2024-03-02")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that has begun, and has neither a remote nor a commit."""
    isolate(monkeypatch, tmp_path)
    for key in _KEYS:
        monkeypatch.delenv(key, raising=False)
    begun = tmp_path / "runs"
    begun.mkdir()
    git(begun, "init", "--quiet", "--initial-branch", "main")
    assert ran(begun, "init", *ALL, "--ci", "none").code == 0
    return begun


def _give_remote(folder: Path) -> None:
    git(folder.parent, "init", "--quiet", "--bare", "--initial-branch", "main", "origin.git")
    git(folder, "remote", "add", "origin", str(folder.parent / "origin.git"))


def _push(folder: Path, *paths: str) -> None:
    git(folder, "add", *paths)
    git(folder, "commit", "--quiet", "--message", "Begin")
    git(folder, "push", "--quiet", "origin", "main")


@pytest.mark.parametrize("command", ["validate", "plan", "status", "doctor", "apply"])
def test_where_nothing_has_begun_init_is_named_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    isolate(monkeypatch, tmp_path)
    done = ran(tmp_path, command)
    assert done.code == 1
    said = " ".join((done.out + done.err).split())
    assert "no reconciler.yaml here or above" in said
    assert said.index("Begin one with `reconciler init`") < said.index("--repo")
    assert "`reconciler init`" in ran(tmp_path, "explain", "configuration").out


@pytest.mark.parametrize("pushed", sampled(["no remote", "nothing", "something else"], every=3))
def test_a_flow_that_cannot_be_looked_up_yet_is_no_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pushed: str
) -> None:
    for key in _KEYS:
        monkeypatch.setenv(key, "k")
    if pushed != "no remote":
        _give_remote(folder)
    if pushed == "something else":
        _push(folder, "schemas")
    done = ran(folder, *_NEW)
    assert done.code == 0
    assert "flow 3377 was not looked up, and nothing is wrong" in done.err
    assert "Once reconciler.yaml is pushed and merged" in done.err


def test_without_a_remote_nobody_is_told_of_a_branch_that_it_has(folder: Path) -> None:
    for command in (("plan",), ("plan", "--offline"), ("status",)):
        said = ran(folder, *command).err
        assert "this clone has no remote origin yet" in said
        assert "git remote add origin URL" in said
        assert "reconciler-ledger" not in said


def test_a_ledger_branch_that_was_never_fetched_may_not_be_there(folder: Path) -> None:
    _give_remote(folder)
    said = ran(folder, "plan", "--offline").err
    assert "offline: this clone has fetched no origin/reconciler-ledger: nothing was st" in said


@pytest.mark.parametrize("remote", [True, False])
def test_doctor_knows_nothing_of_a_ledger_before_the_first_push(folder: Path, remote: bool) -> None:
    if remote:
        _give_remote(folder)
    told = " ".join(ran(folder, "doctor").out.split())
    assert "skipped ledger the shared branch could not be read; 0 runs recorded here" in told
    assert "ok ledger 0 runs recorded; " in " ".join(ran(folder, "doctor", "--offline").out.split())


@pytest.mark.parametrize(
    "command", sampled([("apply",), _IMPORT, ("plan", "--online")], every=3, whole=True)
)
def test_whatever_needs_keys_says_how_to_give_them(folder: Path, command: tuple[str, ...]) -> None:
    _give_remote(folder)
    _push(folder, ".")
    (folder / "triggers/example-run.yaml").unlink()
    ran(folder, *_NEW)
    _push(folder, ".")
    done = ran(folder, *command)
    assert done.code == 1
    assert "export ENOS_ACCESS_KEY=… ENOS_SECRET_KEY=…" in done.err


_WORDS = {  # a whole line of each command that takes --env and works on environments
    ("validate",): "all",
    ("plan", "--offline"): "all",
    ("status", "--offline"): "all",
    ("doctor", "--offline"): "all",
    ("report", "--offline", "--out", "page"): "all",
    ("notify", "test"): "all",
    ("issue",): "all",
    ("apply",): "the only one",
    (*_NEW, "--offline"): "the only one",
    ("new", "backfill", "--name", "b", "--flow-id", "1", "--from", "2024-03-01"): "the only one",
    ("resolve", "run", "--not-triggered"): "the only one",
    _IMPORT: "the only one",
    ("recover", "reconciler.yaml"): "the only one",
}


@pytest.mark.parametrize(("line", "default"), sampled(_WORDS.items(), every=4))
def test_the_help_of_env_says_what_the_command_does_without_it(
    folder: Path, line: tuple[str, ...], default: str
) -> None:
    words = [word for word in line[:2] if word.isalpha() and word != "run"]
    assert f"[default: {default}]" in " ".join(ran(folder, *words, "--help").out.split())
    text = (folder / "reconciler.yaml").read_text()
    head, _, body = text.partition("  prod:\n")
    other = body.replace("state/prod", "state/dev").replace("triggers", "runs")
    (folder / "reconciler.yaml").write_text(f"{text}  dev:\n{other}")
    assert head
    refused = "has several environments" in ran(folder, *line).err
    assert refused == (default == "the only one")


def test_init_says_what_it_calls_the_environment(folder: Path) -> None:
    told = " ".join(ran(folder, "init", "--help").out.split())
    assert "What to call the environment. [default: prod]" in told


_NEITHER = "'foo' is neither a date, such as 2024-03-02, nor a date and time with an offset"
_MONTH = ("new", "backfill", "--name", "b", "--flow-id", "1", "--from", "foo", "--to", "2024-03-02")


@pytest.mark.parametrize(
    ("line", "said"),
    sampled(
        [
            ((*_IMPORT[:4], "foo", *_IMPORT[5:]), _NEITHER),
            ((*_IMPORT[:6], "foo"), _NEITHER),
            (_MONTH, _NEITHER),
            (("new", "trigger", "--flow-id", "x"), "'x' is not a whole number of 1 or more"),
            (("new", "trigger", "--flow-id", "0"), "'0' is not a whole number of 1 or more"),
            (("sandbox", "--port", "70000"), "'70000' is not a whole number from 0 to 65535"),
            (("sandbox", "--latency", "-1"), "'-1' is not a number of seconds, 0 or more"),
            (("sandbox", "--latency", "nan"), "'nan' is not a number of seconds, 0 or more"),
            (("sandbox", "--latency", "1e999"), "'1e999' is not a number of seconds, 0 or more"),
            (("status", "--where", "="), "'=' is not KEY=VALUE"),
            (("status", "--label", "=x"), "'=x' is not KEY=VALUE"),
        ],
        every=4,
    ),
)
def test_a_word_that_an_option_does_not_take_is_told_all_that_it_takes(
    folder: Path, line: tuple[str, ...], said: str
) -> None:
    _give_remote(folder)
    _push(folder, ".")
    done = ran(folder, *line)
    assert done.code in {1, 2}
    assert said in done.err


def test_on_a_terminal_a_word_that_is_no_time_is_told_what_is_one(folder: Path) -> None:
    typed = "foo\n2024-03-01\n\n\n"
    done = ran(folder, "new", "trigger", "--name", "a", "--flow-id", "1", typed=typed)
    assert _NEITHER in done.out + done.err


@pytest.mark.parametrize(
    "line",
    sampled(
        [
            ("--help",),
            ("--version",),
            ("validate",),
            ("plan", "--format", "json"),
            ("status", "--verbose"),
            ("doctor", "--offline"),
            ("schema", "trigger"),
            ("explain",),
            ("init", *SOURCE),
            ("status", "--help"),
            ("validate", "--log-format", "json"),
        ],
        every=6,
        whole=True,
    ),
)
def test_a_reader_that_has_left_is_one_code_and_not_a_word(
    folder: Path, line: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "reconciler", *line]
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert "Error" not in done.stderr
    assert "error" not in done.stderr
