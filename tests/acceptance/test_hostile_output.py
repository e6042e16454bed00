"""Hostile names in every field that can hold text: all that leaves the program is inert."""

import json
import re
import shlex
import unicodedata
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.main import COMMANDS, run
from reconciler.cli.options import ProblemFormat
from reconciler.render.safe import is_harmful
from reconciler.sandbox import Fault, Reply
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import LEDGER, Said, Scene, configuration, manifest, runs
from tests.environments import Clock
from tests.page.reading import PageParts, scripts_of
from tests.repositories import git, write_hook
from tests.sampling import sampled

FORGED = "FORGED line"
HOSTILE = (
    f"evil\n{FORGED}\r\x1b[31m\x1b[2J\x9b2J\u202e\u200b\u2028\u3164\ufe0f\U000e0041\n"
    "::error::forged\n \u3000::set-output name=a::b\n##[error]forged ##vso[task.setvariable]x"
)
LINE = HOSTILE.replace("\n", " ")  # where a line feed is certainly refused
_MEANT = re.compile(r"::(error|warning) (file|title)=")
_FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

Run = Callable[..., Said]


def _faults_of(text: str, form: str = "text", *, quotes_git: bool = False) -> Iterator[str]:
    """What a terminal, a reader, or the log of a pipeline would obey or fall for."""
    for character in sorted(set(text) - {"\n"}):
        if unicodedata.category(character) in _FORBIDDEN or character in "\u3164\ufe0f":
            yield f"U+{ord(character):04X}"
    if re.search(r"##(vso)?\[", text):
        yield "##["
    for line in text.split("\n"):
        meant = form == "github" and _MEANT.match(line)
        if line.strip().startswith("::") and not meant:
            yield f"a command: {line!r}"
        if (line if quotes_git else line.strip()).startswith(FORGED):
            yield "a forged line"


def check(said: Said, form: str = "text", *, quotes_git: bool = False) -> Said:
    """Both streams are inert, and a document for programs is one.

    `quotes_git`: what git, or a server through it, says in lines, may stand indented below.
    """
    assert list(_faults_of(said.out, form)) == [], said.out
    faults = _faults_of(said.err, "github", quotes_git=quotes_git)  # an apply annotates there
    assert list(faults) == [], said.err
    if form in {"json", "sarif"} and said.out:
        json.loads(said.out)
    return said


@pytest.fixture(autouse=True)
def on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv(
        "COLUMNS", "10000"
    )  # what begins a line is never there because it was wrapped


@pytest.fixture
def _everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hostile text in the environment variables that may be shown or recorded."""
    for name in ("BUILD_URL", "CI_JOB_URL", "USER", "LOGNAME", "TZ", "RECONCILER_KEY_VARIABLES"):
        monkeypatch.setenv(name, HOSTILE)


FORMS = {
    "validate": tuple(one.value for one in ProblemFormat),
    "plan": ("text", "json", "markdown"),
    "apply": ("text", "json", "markdown"),
    "status": ("text", "json", "markdown"),
}


def tour(scene: Scene, exits: Collection[int], *options: str) -> str:
    """Run every command that reports, in every format; gives all that they said."""
    told = []
    for command, forms in FORMS.items():
        for form in forms:
            arguments = (command, "--format", form, *options)
            said = check(scene.run(*arguments, "--verbose", exits=exits), form)
            told.append(f"{said.out}{said.err}")
    for form in ("text", "markdown"):
        check(scene.run("status", "--grid", "--format", form, *options, exits=exits), form)
    page = scene.folder / "report" / "index.html"
    check(scene.run("report", "--out", str(page.parent), *options, "--verbose", exits=exits))
    if page.exists():
        _check_page(page.read_text("utf-8"))
    return "".join(told)


def _check_page(text: str) -> None:
    """It shows names as they are, but for what nobody would see; and no name became an element."""
    assert [one for one in sorted(set(text) - {"\n"}) if is_harmful(one)] == []
    assert scripts_of(text) == 2
    assert PageParts(text).data["version"] == 1


def test_hostile_manifests_are_reported_inert(open_scene: OpenScene) -> None:
    name = f"triggers/{HOSTILE.replace('/', '')[:60]}"
    broken = {"apiVersion": HOSTILE, "kind": HOSTILE, "metadata": {"name": HOSTILE, HOSTILE: 1}}
    scene = open_scene(
        {
            f"{name}1.yaml": manifest("a", 1),
            f"{name}2.yaml": yaml.safe_dump(broken, allow_unicode=True),
            f"{name}3.yaml": manifest(HOSTILE, 2, labels={HOSTILE: HOSTILE}),
            f"{name}4.yaml": f"{{'{HOSTILE}",
            f"{name}5.YAML": "",
            "triggers/dup.yaml": manifest("dup", 4, duplicateOf=HOSTILE, dependsOn=[HOSTILE]),
            "triggers/zone.yaml": manifest("zone", 5, triggerTime=HOSTILE),
        }
    )
    told = tour(scene, {0, 1})
    assert "evil" in told
    check(scene.run("validate", "--strict", exits=1))
    check(scene.run("validate", f"{name}2.yaml", exits=1))


@pytest.mark.long  # tests/test_saying.py: all goes one way out
@pytest.mark.usefixtures("_everywhere")
def test_hostile_text_of_sound_manifests_is_shown_inert(open_scene: OpenScene) -> None:
    parameters = {"SITE": HOSTILE, "WHY": LINE}
    scene = open_scene(
        {
            "triggers/a.yaml": manifest("a", 1, parameters=parameters),
            f"triggers/{LINE.replace('/', '')[:60]}.yaml": manifest("b", 2),
        }
    )
    told = tour(scene, {0, 1})
    assert "evil" in told
    for words in (("a",), ("--label", f"{LINE}={HOSTILE}")):
        check(scene.run("status", *words, exits={0, 1}))


@pytest.mark.long  # tests/test_saying.py: all goes one way out
def test_a_hostile_configuration_is_reported_inert(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    changes: list[dict[str, Any]] = [
        {"git": {"remote": HOSTILE}},
        {"git": {"branch": HOSTILE}},
        {"git": {"branch": "nowhere\u202e\u200b"}},
        {"environments": {HOSTILE: {}}},
        {HOSTILE: HOSTILE},
    ]
    for change in changes:
        content = yaml.safe_load(configuration(scene.url)) | change
        scene.push({"reconciler.yaml": yaml.safe_dump(content, allow_unicode=True)})
        tour(scene, {0, 1})


@pytest.mark.long  # tests/test_saying.py: all goes one way out; manifests have a quick tour
def test_hostile_ledger_entries_are_shown_inert(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    scene.run("apply")
    at = "2024-03-01T00:00:00Z"
    claimed = {"digest": "0" * 64, "triggerTime": 1_709_337_600_000, "flowId": 3}
    claim = {"v": 1, "event": "claim", "at": at, "claim": HOSTILE, "by": HOSTILE, "until": at}
    lines: list[dict[str, Any]] = [
        claim | {"commit": HOSTILE, "runs": {f"{n}{HOSTILE}": claimed for n in range(5)}}
    ]
    common = {"v": 1, "at": at, "claim": HOSTILE}
    kinds: list[dict[str, Any]] = [
        {"event": "rejected", "code": HOSTILE, "message": HOSTILE},
        {"event": "unknown", "seen": {HOSTILE: HOSTILE}},
        {"event": "resolved", "by": HOSTILE, "reason": HOSTILE, "triggered": HOSTILE},
        {"event": "unknown", "seen": HOSTILE},
        {"event": "observed", "status": HOSTILE},
    ]
    lines += [common | kind | {"run": f"{n}{HOSTILE}"} for n, kind in enumerate(kinds)]
    git(scene.clone, "pull", "--quiet", "origin", "main")
    before = (scene.clone / LEDGER).read_text()
    scene.push({LEDGER: before + "".join(json.dumps(line) + "\n" for line in lines)})
    told = tour(scene, {0, 1, 4})
    assert "evil" in told
    for number in range(5):
        check(scene.run("status", f"{number}evil", "--verbose", exits={0, 1, 4}))
    check(scene.run("resolve", f"1{HOSTILE}", "--not-triggered", "--yes", exits={0, 1}))
    scene.push({LEDGER: before + HOSTILE + "\n"})
    tour(scene, {1})


@pytest.mark.parametrize(
    "ending",
    sampled(
        [
            Reply(code=62103, msg=HOSTILE),
            Reply(status=500, msg=HOSTILE, body=HOSTILE),
        ],
        every=2,
    ),
    ids=["refused", "broken"],
)
def test_what_a_hostile_gateway_says_is_shown_inert(
    open_scene: OpenScene, clock: Clock, ending: Any
) -> None:
    scene = open_scene(runs("a"), Fault(on="trigger", call_after=clock.forward, ending=ending))
    for words in (("apply",), ("plan",), ("status",), ("status", "a"), ("doctor",)):
        check(scene.run(*words, "--verbose", exits={0, 1, 4}))
    assert scene.posts  # it was asked, and answered with that


def test_what_a_hostile_remote_says_is_shown_inert(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    write_hook(scene.origin, "pre-receive", f"printf %s {shlex.quote(HOSTILE)} >&2; exit 1")
    said = check(scene.run("apply", "--verbose", exits=1), quotes_git=True)
    assert "evil" in said.err
    assert scene.posts == []


def test_hostile_arguments_are_quoted_inert(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    for command in COMMANDS:
        for words in ((HOSTILE,), (f"--{HOSTILE}",), ("--repo", HOSTILE), ("--format", HOSTILE)):
            check(scene.run(command, *words, exits={1, 2}))
    more: list[tuple[str, ...]] = [
        (HOSTILE,),
        (f"--{HOSTILE}",),
        ("plan", "--env", HOSTILE),
        ("apply", "--plan", HOSTILE),
        ("apply", "--wait", "--timeout", HOSTILE),
        ("status", "--label", HOSTILE),
        ("plan", "--out", f"{HOSTILE}/x"),
        ("report", "--out", f"reconciler.yaml/{HOSTILE}"),
        ("sandbox", "--timezone", HOSTILE),
        ("resolve", HOSTILE, "--triggered", HOSTILE, "--reason", HOSTILE),
    ]
    for arguments in more:
        check(scene.run(*arguments, exits={0, 1, 2}))


@pytest.mark.parametrize(
    "variable",
    sampled(
        ["GITHUB_BASE_REF", "CHANGE_TARGET", "GIT_COMMITTER_NAME", "HTTPS_PROXY", "COLUMNS"],
        every=5,
    ),
)
def test_hostile_variables_are_shown_inert(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    scene = open_scene(runs("a"))
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(variable, HOSTILE)
    for words in (("plan", "--online"), ("status",), ("apply",), ("status", "a"), ("doctor",)):
        check(scene.run(*words, "--verbose", exits={0, 1}))


@pytest.mark.long  # tests/test_saying.py: all goes one way out
def test_a_hostile_folder_is_named_inert(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = open_scene(runs("a"))
    moved = scene.folder / HOSTILE.replace("/", "")
    scene.clone.rename(moved)
    monkeypatch.chdir(moved)
    tour(scene, {0, 1})
    (moved / "reconciler.yaml").unlink()
    for command in FORMS:
        check(scene.run(command, exits=1))
    check(scene.run("recover", "nothing.jsonl", exits=2))


def test_the_traceback_of_a_bug_is_inert(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], open_scene: OpenScene
) -> None:
    open_scene(runs("a"))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr("reconciler.cli.checking.validate_repository", broken)
    assert run(["validate"]) == 3
    captured = capsys.readouterr()
    assert "evil" in captured.err
    check(Said(out=captured.out, err=captured.err.replace(f"\n{FORGED}", "")))  # lines are meant


def test_names_that_are_not_utf8_stay_text(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a"))
    broken = Path(scene.clone, "triggers", "wind\udcff.yaml")
    broken.write_text("nonsense: 1\n")
    git(scene.clone, "add", "--all")
    scene.push({})
    told = tour(scene, {0, 1})
    assert "wind" in told
