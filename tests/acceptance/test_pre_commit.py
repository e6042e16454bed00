"""The hook that other repositories use, run by pre-commit itself, which installs this project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import manifest, runs
from tests.repositories import PROJECT, git

_NEEDED = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    ".pre-commit-hooks.yaml",
    "reconciler",
    "schemas",
)


def _project(folder: Path) -> Path:
    """A repository that holds this project as it is now."""
    for name in _NEEDED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")
    return folder


@pytest.mark.long  # pip installs the project and its dependencies
def test_the_hook_stops_a_commit_whose_manifests_have_a_problem(open_scene: OpenScene) -> None:
    scene = open_scene({**runs("a"), "notes.txt": "x\n"})
    project = _project(scene.folder / "project")
    configured = {
        "repos": [
            {
                "repo": str(project),
                "rev": git(project, "rev-parse", "HEAD"),
                "hooks": [{"id": "reconciler-validate"}],
            }
        ]
    }
    (scene.clone / ".pre-commit-config.yaml").write_text(yaml.safe_dump(configured))
    git(scene.clone, "add", "--all")
    assert _hooked(scene.clone, scene.folder)[0] == 0
    (scene.clone / "notes.txt").write_text("y\n")
    git(scene.clone, "commit", "--quiet", "--all", "--no-verify", "--message", "Add the hook")
    (scene.clone / "triggers" / "b.yaml").write_text(manifest("b", 0))
    git(scene.clone, "add", "--all")
    code, said = _hooked(scene.clone, scene.folder)
    assert code == 1
    assert "triggers/b.yaml:" in said
    assert "1 problem in 2 files" in said


@pytest.mark.parametrize("file", ["triggers/a.yml", "reconciler.yaml", "state/prod/ledger.jsonl"])
def test_the_hook_is_run_for_whatever_can_bring_a_problem(file: str) -> None:
    (hook,) = yaml.safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text())
    assert re.search(hook["files"], file)
    assert hook["pass_filenames"] is False  # one manifest alone says nothing of the others


def _hooked(clone: Path, folder: Path) -> tuple[int, str]:
    """What pre-commit says of what would be committed."""
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "run"],
        cwd=clone,
        env={**os.environ, "PRE_COMMIT_HOME": str(folder / "pre-commit")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
