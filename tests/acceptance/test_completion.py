"""Completion: what a real shell offers, from what lies in the working tree."""

import io
import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml

from reconciler.cli.anywhere import SHELLS
from reconciler.cli.completing import COMPLETE_VARIABLE
from reconciler.cli.main import run
from reconciler.explained import explanations
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import CONFIGURATION, Scene, configuration, manifest, runs
from tests.repositories import PROJECT
from tests.sampling import sampled

_DAYS = ("2024-03-01", "2024-03-02")
_FIRST = "wind-march/2024-03-01/SITE="
_MARCH = {
    "apiVersion": "reconciler/v1",
    "kind": "Backfill",
    "metadata": {"name": "wind-march"},
    "spec": {
        "flowId": 7,
        "businessDates": {"from": "2024-03-01", "to": "2024-03-02", "every": "1d"},
        "matrix": {"SITE": ["cn-01", "cn-02", "$(touch evil)", "a b"]},
        "stagger": "1m",
    },
}


def _two(url: str) -> str:
    return configuration(url, environments=("test", "other"))


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    files = runs("alpha") | {
        "triggers/m.yaml": yaml.safe_dump(_MARCH),
        "triggers-other/b.yaml": manifest("beta", 2),
    }
    return open_scene(files, configured=_two)


def _offered(folder: Path, *words: str) -> list[str]:
    """What bash is offered for the last word: in this process, as bash itself starts it below."""
    told = {
        "COMP_WORDS": "\n".join(("reconciler", *words)),
        "COMP_CWORD": str(len(words)),
        COMPLETE_VARIABLE: "bash_complete",
    }
    out, err = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGPROF)  # ends what takes too long
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in told.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        code = run(())
    signal.signal(signal.SIGPROF, before)
    assert (code, err.getvalue()) == (0, "")
    return [line.removeprefix("plain,") for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("stat",), ["status"]),
        (("status", "--detai"), ["--detailed-exitcode"]),
        (("status", "--state", "in"), ["in-doubt"]),
        (("status", ""), ["alpha", "beta", "wind-march"]),
        (("--env", "other", "status", ""), ["beta"]),
        (("status", "--env", "test", "alpha", "w"), ["wind-march"]),
        (("apply", "wind-march"), ["wind-march", *(f"wind-march/{day}" for day in _DAYS)]),
        (("resolve", "wind-march/2024-03-01/"), [f"{_FIRST}{site}" for site in ("cn-01", "cn-02")]),
        (("plan", "--env", ""), ["other", "test"]),
        (("explain", "yaml-a"), ["yaml-alias"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
    ],
)
def test_it_completes(scene: Scene, words: tuple[str, ...], offered: list[str]) -> None:
    assert _offered(scene.clone, *words) == offered


def test_what_only_the_ledger_knows_is_offered_as_well(open_scene: OpenScene) -> None:
    scene = open_scene(runs("alpha"))
    scene.run("apply")
    scene.remove("triggers/alpha.yaml")
    assert _offered(scene.clone, "status", "al") == ["alpha"]


def test_nothing_is_asked_of_remote_or_gateway(scene: Scene) -> None:
    scene.origin.rename(scene.folder / "gone.git")
    assert _offered(scene.clone, "status", "al") == ["alpha"]
    assert scene.sandbox.requests == []


@pytest.mark.parametrize(
    "text",
    sampled(["version: 7\n", "\t", "environments: *x\n", "environments: {test: 1}\n"], every=2),
)
@pytest.mark.parametrize("words", [("status", ""), ("plan", "--env", "")])
def test_a_broken_repository_completes_nothing_and_says_nothing(
    scene: Scene, text: str, words: tuple[str, ...]
) -> None:
    (scene.clone / CONFIGURATION).write_text(text)
    assert _offered(scene.clone, *words) == []


def test_an_environment_that_cannot_be_read_hides_no_other(scene: Scene) -> None:
    folder = scene.clone / "state/other"
    folder.mkdir(parents=True)
    (folder / "ledger.jsonl").write_text("nonsense\n")
    assert _offered(scene.clone, "status", "a") == ["alpha"]


def test_without_a_repository_commands_are_completed_all_the_same(scene: Scene) -> None:
    empty = scene.folder / "empty"
    empty.mkdir()
    assert _offered(empty, "status", "") == []
    assert _offered(empty, "expl") == ["explain"]


@pytest.mark.parametrize(
    "instruction", sampled(["", "bash", "tcsh_complete", "bash_complete", "x\ny_z"], every=5)
)
def test_an_odd_question_has_no_answer(scene: Scene, instruction: str) -> None:
    told = {COMPLETE_VARIABLE: instruction, "COMP_WORDS": "'", "COMP_CWORD": "x"}
    done = subprocess.run(
        [sys.executable, "-m", "reconciler"],
        cwd=scene.clone,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **told},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.fixture
def typed(scene: Scene) -> Path:
    """A folder for PATH in which `reconciler` is the one that is tested."""
    folder = scene.folder / "bin"
    folder.mkdir()
    program = folder / "reconciler"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{PROJECT}" exec "{sys.executable}" -m reconciler "$@"\n'
    )
    program.chmod(0o755)
    return folder


def _script(scene: Scene, shell: str) -> Path:
    file = scene.folder / f"completion.{shell}"
    file.write_text(scene.run("completion", shell).out)
    return file


def test_bash_completes_by_the_script(scene: Scene, typed: Path) -> None:
    script = _script(scene, "bash")
    words = (
        f'source "{script}"; complete -p reconciler >/dev/null || exit 9; '
        "COMP_WORDS=(reconciler status wind-march/2024-03-01/); COMP_CWORD=2; "
        '_reconciler_completion reconciler; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", words],
        cwd=scene.clone,
        env={**os.environ, "PATH": f"{typed}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    names = [f"{_FIRST}{site}" for site in ("cn-01", "cn-02")]
    assert (done.stdout.split(), done.stderr) == (names, "")


@pytest.mark.long  # `.ci/run` installs the shells that are not everywhere
def test_fish_completes_by_the_script(scene: Scene, typed: Path) -> None:
    script = _script(scene, "fish")
    done = subprocess.run(
        [
            "fish",
            "--no-config",
            "-c",
            f'source "{script}"; complete -C "reconciler explain yaml-a"',
        ],
        cwd=scene.clone,
        env={**os.environ, "PATH": f"{typed}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["yaml-alias"]


@pytest.mark.long
def test_zsh_completes_by_the_script_at_the_press_of_a_key(scene: Scene, typed: Path) -> None:
    script = _script(scene, "zsh")
    start = f'PS1=; autoload -U compinit && compinit -u -D; source "{script}"\n'
    leader, follower = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-f", "-i"],
        cwd=scene.clone,
        env={**os.environ, "PATH": f"{typed}:{os.environ['PATH']}", "TERM": "dumb"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ) as shell:
        os.close(follower)
        said: list[bytes] = []
        reader = threading.Thread(target=_read, args=(leader, said))
        reader.start()
        os.write(leader, f"{start}reconciler explain yaml-al\t\nexit\n".encode())
        assert shell.wait(60) == 0
        reader.join(60)
    os.close(leader)
    assert b"yaml-alias is a problem" in b"".join(said)


def _read(leader: int, said: list[bytes]) -> None:
    """Until the other end is closed, which Linux tells by an error."""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            return
        if not piece:
            return
        said.append(piece)


def test_each_shell_has_a_script(scene: Scene) -> None:
    for shell in SHELLS:
        said = scene.run("completion", shell).out
        assert COMPLETE_VARIABLE in said
        assert f"{shell}_complete" in said
    scene.run("completion", "tcsh", exits=2)


def test_every_code_can_be_completed(scene: Scene) -> None:
    offered = _offered(scene.clone, "explain", "")
    assert set(offered) == set(explanations())


def test_the_start_up_of_other_commands_loads_nothing_of_it(scene: Scene) -> None:
    words = (
        "import sys; from reconciler.cli.main import run; run(['--help']); "
        "late = ('completing', 'examining', 'reconciler.explained', 'tomllib', 'httpx'); "
        "print([one for one in sys.modules if one.endswith(late)], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", words],
        cwd=scene.clone,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "[]\n"
