"""Real repositories for tests, cut off from the user's git and from this project's own clone."""

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from reconciler.repository import settings
from reconciler.repository.credentials import KEY_VARIABLES
from tests import plumbing

PROJECT = Path(__file__).resolve().parent.parent

Files = Mapping[str, str]
_SOME_FILES: Files = {
    "triggers/a.yaml": "a: 1\n",
    "state/prod/ledger.jsonl": "{}\n",
    "README.md": "hi\n",
}


# Of the pipeline that runs these tests, and of no pull request in them.
_PIPELINE = {*settings.BASES, settings.BASE_COMMIT, KEY_VARIABLES}


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[Sequence[str]]:
    """Give git a home of its own and forbid it the project's clone, until the test ends.

    Returns the list in which this process's calls of git are written down from now on, without the
    word `git`. The folder becomes the current one.
    """
    for name in [name for name in os.environ if name.startswith("GIT_") or name in _PIPELINE]:
        monkeypatch.delenv(name)
    settings = folder / "gitconfig"
    settings.write_text(
        "[user]\n\tname = Test\n\temail = test@example.test\n"
        '[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n[gc]\n\tauto = 0\n'
        # A process at each fetch, commit and push, for nothing.
        "[maintenance]\n\tauto = false\n[receive]\n\tautogc = false\n"
        "[core]\n\tfsync = none\n"  # no test cuts the power
    )
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "xdg"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.chdir(folder)
    return _watch(monkeypatch)


def _watch(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    calls: list[Sequence[str]] = []
    start: Any = subprocess.Popen.__init__

    def watched(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        words = [os.fsdecode(arg) for arg in ([args] if isinstance(args, str | bytes) else args)]
        if words[0] == "git":
            folder = Path(options.get("cwd") or ".").absolute()
            if _is_the_projects(folder):
                raise AssertionError(
                    f"a test ran {words} in the project's own repository, {folder}"
                )
            calls.append(words[1:])
        start(self, args, *rest, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", watched)
    return calls


@cache
def _is_the_projects(folder: Path) -> bool:
    return folder.resolve().is_relative_to(PROJECT)


def git(folder: Path, *args: str, stdin: str | None = None) -> str:
    """What git prints, without the newline at its end. For arranging a test and for looking."""
    if "GIT_CONFIG_NOSYSTEM" not in os.environ:
        raise AssertionError("call repositories.isolate first: this would use the user's own git")
    done = subprocess.run(
        ["git", *args], cwd=folder, input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {args} in {folder}: {done.stderr}"
    return done.stdout.removesuffix("\n")


def commit(clone: Path, files: Files, message: str = "Change files") -> str:
    """Write the files, commit all that changed, and return the commit."""
    for path, content in files.items():
        file = clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", message)
    return _tip(clone)


def _tip(clone: Path) -> str:
    """The commit that was just made, without a process where its branch can be read."""
    head = clone / ".git" / "HEAD"
    word, _, ref = head.read_text().strip().partition(" ") if head.is_file() else ("", "", "")
    branch = clone / ".git" / ref
    if word == "ref:" and branch.is_file():
        return branch.read_text().strip()
    return git(clone, "rev-parse", "HEAD")


def make_origin_and_clone(folder: Path, files: Files = _SOME_FILES) -> tuple[Path, Path]:
    """A bare origin whose `main` holds the files in one commit, and a clone of it.

    As if it were cloned, committed and pushed, without a process in place of a dozen.
    """
    origin, clone = folder / "origin.git", folder / "clone"
    empty_origin, empty_clone = _empty_repositories()
    shutil.copytree(empty_origin, origin, copy_function=shutil.copyfile)
    shutil.copytree(empty_clone, clone, copy_function=shutil.copyfile)
    inner = clone / ".git"
    settings = inner / "config"
    settings.write_text(settings.read_text().replace(empty_origin.as_uri(), origin.as_uri()))
    made = _first_commit(clone, files)
    objects = origin / "objects"
    shutil.copytree(inner / "objects", objects, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for ref in (origin / "refs/heads/main", inner / "refs/remotes/origin/main"):
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(f"{made}\n")
    # As `git clone` writes down what the remote said of its HEAD.
    (inner / "refs/remotes/origin/HEAD").write_text("ref: refs/remotes/origin/main\n")
    return origin, clone


def _first_commit(clone: Path, files: Files) -> str:
    """What `commit` makes in an empty clone. Git makes it where it may change what it is given."""
    for path, content in files.items():
        file = clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    is_plain = not any(Path(path).name.startswith(".git") for path in files)
    if not is_plain or any(name.startswith("GIT_COMMITTER_") for name in os.environ):
        return commit(clone, {})
    return plumbing.first_commit(clone, files)


@cache
def _empty_repositories() -> tuple[Path, Path]:
    """A bare origin without a commit, and a clone of it, for others to copy."""
    folder = Path(mkdtemp(prefix="reconciler-tests-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    origin, clone = folder / "origin.git", folder / "clone"
    git(folder, "init", "--quiet", "--bare", str(origin))
    make_clone(origin, clone)
    for unused in (*folder.rglob("hooks/*.sample"), *folder.rglob("description")):
        unused.unlink()
    return origin, clone


def make_clone(origin: Path, to: Path, *options: str) -> Path:
    """One more clone. By file:// for, by a path, git ignores what options such as --depth say."""
    git(origin.parent, "clone", "--quiet", *options, origin.as_uri(), str(to))
    return to


def write_hook(repository: Path, name: str, script: str) -> None:
    """Give a bare repository a hook, in sh."""
    hook = repository / "hooks" / name
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def say_ok_and_move_nothing(repository: Path) -> None:
    """Let it take every push to a branch, as a server does that makes merge requests of them."""
    git(repository, "config", "receive.procReceiveRefs", "refs/heads")
    program = Path(__file__).with_name("proc_receive.py")
    write_hook(repository, "proc-receive", f'exec "{sys.executable}" "{program}"')


def fingerprint(clone: Path) -> dict[str, str]:
    """A digest of every file of the working tree, of the index and of HEAD, by path."""
    inner = Path(git(clone, "rev-parse", "--absolute-git-dir"))
    files = [path for path in clone.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (*files, inner / "index", inner / "HEAD")
    }
