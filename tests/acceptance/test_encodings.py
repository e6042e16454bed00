"""Output in any encoding, and arguments, names and variables that are not UTF-8."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import run
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Scene, configuration, manifest, runs
from tests.repositories import PROJECT, git
from tests.sampling import sampled

ENCODINGS = ("latin-1", "cp1252", "ascii", "utf-16", "gbk")
LONG = "wind-turbine-availability-recalculation-after-scada-outage"
_BACKFILL: dict[str, Any] = {
    "businessDates": {"from": "2024-03-01", "to": "2024-03-02", "every": "1d"},
    "stagger": "1m",
    "triggerTime": None,
    "parameters": None,
}


def backfill(name: str, **spec: Any) -> str:
    """A manifest of two runs for each value of its matrix."""
    text = manifest(name, 1, **(_BACKFILL | spec))
    return text.replace("kind: Trigger", "kind: Backfill")


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    """Runs whose names, labels and parameters are in Chinese, one of them with a problem."""
    return open_scene(
        {
            "triggers/风场.yaml": manifest("a", 1, {"场": "风场😀"}, parameters={"SITE": "风场😀"}),
            "triggers/b.yaml": backfill("bf", matrix={"SITE": ["风场"]}),
        }
    )


class Streams:
    """Both streams of a process in an encoding, as Python opens them: strict."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
        self._raw = {name: io.BytesIO() for name in ("stdout", "stderr")}
        for name, raw in self._raw.items():
            monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding=encoding))
        self._encoding = encoding

    def out(self) -> str:
        """What was written to stdout."""
        return self._raw["stdout"].getvalue().decode(self._encoding)

    def err(self) -> str:
        """What was written to stderr."""
        return self._raw["stderr"].getvalue().decode(self._encoding)


@pytest.mark.parametrize("encoding", sampled(ENCODINGS, every=9))
def test_an_apply_reports_what_it_started_in_any_encoding(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    streams = Streams(monkeypatch, encoding)
    assert run(["apply", "--verbose"]) == 0
    assert "3 triggered" in streams.out()
    assert "bf/" in streams.out()
    assert "triggered as" in streams.err()
    assert len(scene.posts) == 3


@pytest.mark.parametrize("encoding", sampled(ENCODINGS, every=9))
def test_every_report_is_written_in_any_encoding(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    (scene.clone / "triggers" / "错误.yaml").write_text("错误: 😀\n")
    for command, form, code in (
        ("validate", "text", 1),
        ("validate", "github", 1),
        ("plan", "text", 1),
        ("plan", "markdown", 1),
        ("status", "text", 0),
    ):
        streams = Streams(monkeypatch, encoding)
        assert run([command, "--format", form, "--verbose"]) == code
        assert streams.out()
        assert "Traceback" not in streams.err()
    streams = Streams(monkeypatch, encoding)
    run(["plan", "--format", "json"])
    assert "风场😀" in json.dumps(json.loads(streams.out()), ensure_ascii=False)
    assert streams.out().isascii()  # for whoever reads it takes it for UTF-8


@pytest.mark.long  # six processes; reports in any encoding stay
def test_the_c_locale_is_no_traceback(scene: Scene) -> None:
    given = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words, code in (
        (("apply",), 0),
        (("status", "--label", "场=风场😀"), 0),
        (("nonsense风",), 2),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *words],
            cwd=scene.clone,
            env={**os.environ, **given, "PYTHONPATH": str(PROJECT), "USER": "José"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert done.stdout.isascii()
        assert b"Traceback" not in done.stderr
        if "--label" in words:
            assert b"1 triggered" in done.stdout
    assert scene.ledger()[0]["by"].startswith("José@")


NOT_UTF8 = "Jos\udce9"


@pytest.mark.parametrize("variable", sampled(["BUILD_URL", "CI_JOB_URL", "LOGNAME"], every=3))
def test_a_variable_that_is_not_utf8_is_recorded_with_replacements(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, NOT_UTF8)
    scene.run("apply")
    assert "Jos\ufffd" in scene.ledger()[0]["by"]
    assert "Jos\ufffd" in scene.run("status", "a").out


@pytest.mark.parametrize(
    "variable", sampled(["GITHUB_BASE_REF", "HTTPS_PROXY", "COLUMNS", "TZ"], every=4)
)
def test_a_variable_that_is_not_utf8_is_no_traceback(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(variable, NOT_UTF8)
    for command in ("plan", "apply", "status"):
        scene.run(command, exits={0, 1})


def test_who_applies_is_no_longer_than_a_line(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_URL", "https://ci.test/" + "x" * 100_000)
    scene.run("apply")
    assert len(scene.ledger()[0]["by"]) == 500


@pytest.mark.parametrize(
    "address",
    sampled(
        [
            "https://ci:hun ter2@ci.test/job",
            "https://ci:hu'nter2@ci.test/job",
            "//ci:hunter2@ci.test/job",
            "ci:hunter2@ci.test/job",
            "https:/ci:hunter2@ci.test/job",
            "https://ci.test/job;token=hunter2",
            "https://ci.test/job?next=@hunter2",
            "https://ci:\udcff?hunter2@ci.test/job",
        ],
        every=9,
    ),
)
def test_no_form_of_an_address_gives_a_password_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("BUILD_URL", address)
    scene.run("apply")
    assert "ter2" not in scene.ledger()[0]["by"]


def in_doubt(scene: Scene) -> None:
    """A run that somebody must settle, for its claim ended long ago without an outcome."""
    claim = scene.ledger()[0]
    line = claim | {"claim": "f" * 32, "until": claim["at"], "runs": {"old": claim["runs"]["a"]}}
    git(scene.clone, "pull", "--quiet", "origin", "main")
    ledger = scene.clone / "state/test/ledger.jsonl"
    scene.push({str(ledger): ledger.read_text() + json.dumps(line) + "\n"})


@pytest.mark.long  # that of a variable stays
def test_a_committer_that_is_not_utf8_is_recorded_with_replacements(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.run("apply")
    in_doubt(scene)
    monkeypatch.setenv("GIT_COMMITTER_NAME", NOT_UTF8)
    scene.run("resolve", "old", "--not-triggered", "--yes", "--reason", "é")
    settled = scene.ledger()[-1]
    assert settled["by"].startswith("Jos\ufffd <")
    assert settled["reason"] == "é"


@pytest.mark.parametrize(
    "words",
    [
        ("resolve", NOT_UTF8, "--not-triggered"),
        ("resolve", "old", "--not-triggered", "--reason", NOT_UTF8),
        ("resolve", "old", "--triggered", NOT_UTF8),
        ("plan", "--env", NOT_UTF8),
        ("status", NOT_UTF8),
        ("status", "--label", f"a={NOT_UTF8}"),
    ],
)
def test_an_argument_that_is_not_utf8_is_refused_before_anything_is_asked(
    scene: Scene, words: tuple[str, ...]
) -> None:
    before = scene.tip()
    said = scene.run(*words, exits=2)
    assert "the text is not UTF-8" in said.err
    assert (scene.sandbox.requests, scene.tip()) == ([], before)


def test_a_folder_that_is_not_utf8_is_a_folder_like_any_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scene.folder)
    moved = scene.clone.rename(scene.folder / NOT_UTF8)
    for command in ("validate", "plan", "apply", "status"):
        scene.run(command, "--repo", str(moved))
    assert len(scene.posts) == 3
    for path in (scene.folder / f"{NOT_UTF8}-nowhere", Path(NOT_UTF8, "nowhere")):
        said = scene.run("plan", "--repo", str(path), exits=2)
        assert "Jos\ufffd" in said.err or "Jos\\udce9" in said.err


@pytest.mark.parametrize("columns", sampled([None, "200", "70", "-1", "many"], every=5))
def test_a_name_stays_whole_where_no_terminal_reads(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    sites = ["cn-inner-mongolia-windfarm-0001", "cn-inner-mongolia-windfarm-0002"]
    scene = open_scene({"triggers/b.yaml": backfill(LONG, matrix={"SITE": sites})})
    names = list(scene.states())
    assert len(names) == 4
    shown = [scene.run("plan", "--verbose"), scene.run("apply", "--verbose")]
    shown += [scene.run("status", "--verbose"), scene.run("status", names[0])]
    for said in shown:
        lines = f"{said.out}{said.err}".split("\n")
        there = [name for name in names if any(name in line for line in lines)]
        assert there == (names if said is not shown[-1] else names[:1])


def test_sentences_are_as_wide_as_columns_says(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(
        runs("a"), configured=lambda url: configuration(url, limits={"maxRunsPerApply": 1})
    )
    for name, flow in (("b", 2), ("c", 3)):
        (scene.clone / f"triggers/{name}.yaml").write_text(manifest(name, flow))
    scene.push({})
    words = "and the limit is 1. If that is meant, raise limits.maxRunsPerApply to 3"
    monkeypatch.setenv("COLUMNS", "80")
    assert words not in scene.run("plan", exits=1).out
    monkeypatch.setenv("COLUMNS", "200")
    assert words in scene.run("plan", exits=1).out
