"""The workflow that teams copy: its shell steps, run as a runner runs them, on a bare remote."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.sandbox import environment
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Said, Scene, check_harmless, configuration, manifest, runs
from tests.repositories import PROJECT, commit, git

_WORKFLOW = PROJECT / "docs" / "ci" / "github.yml"


def _prod(url: str) -> str:
    """One environment by the name that the workflow gives."""
    text = configuration(url, environments=("prod",))
    return text.replace("triggers-prod", "triggers")


@pytest.fixture
def scene(open_scene: OpenScene) -> Scene:
    """A repository whose runner has no git identity, but the command on its PATH."""
    scene = open_scene(runs("a"), configured=_prod)
    (scene.folder / "bin").mkdir()
    command = scene.folder / "bin" / "reconciler"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    command.chmod(0o755)
    return scene


def _steps(job: str) -> list[dict[str, Any]]:
    """The job's shell steps; the command is installed already."""
    steps = yaml.safe_load(_WORKFLOW.read_text())["jobs"][job]["steps"]
    found = [step for step in steps if "run" in step and step["name"] != "Install"]
    assert found
    return found


def _shell(step: dict[str, Any]) -> list[str]:
    """As GitHub documents `steps[*].shell`: only a bash that is named gets pipefail."""
    options = (
        ["--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
    )
    return ["bash", *options, "-c", step["run"]]


def _run_steps(scene: Scene, job: str, checkout: Path) -> tuple[int, Said, str]:
    """Run the steps until one fails; gives the exit code, all output, and the job's summary."""
    summary = scene.folder / f"summary-{checkout.name}"
    summary.touch()
    secrets = environment(scene.sandbox)
    out, err = "", ""
    for step in _steps(job):
        wanted = {name for name in step.get("env", {}) if name in secrets}
        variables = {name: value for name, value in os.environ.items() if name not in secrets} | {
            name: secrets[name] for name in wanted
        }
        nobody = scene.folder / "nobody"
        nobody.write_text('[protocol "file"]\n\tallow = always\n[user]\n\tuseConfigOnly = true\n')
        done = subprocess.run(
            _shell(step),
            cwd=checkout,
            env=variables
            | {
                "PATH": f"{scene.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(PROJECT),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_SERVER_URL": "https://github.test",
                "GITHUB_REPOSITORY": "team/runs",
                "GITHUB_RUN_ID": "7",
                "GIT_CONFIG_GLOBAL": str(nobody),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        out, err = out + done.stdout, err + done.stderr
        if done.returncode != 0:
            break
    said = Said(out=out, err=err)
    check_harmless(said, scene.sandbox)
    return done.returncode, said, summary.read_text()


def _checkout(scene: Scene, ref: str, name: str) -> Path:
    """As actions/checkout leaves it: one commit deep, on `main` or on a detached head."""
    folder = scene.folder / name
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", scene.origin.as_uri())
    if ref == "main":
        spec = "+refs/heads/main:refs/remotes/origin/main"
        git(folder, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", spec)
        git(folder, "checkout", "--quiet", "--force", "-B", "main", "refs/remotes/origin/main")
    else:
        spec = f"+{ref}:refs/remotes/pull/1/merge"
        git(folder, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", spec)
        git(folder, "checkout", "--quiet", "--force", "refs/remotes/pull/1/merge")
    return folder


def _propose(scene: Scene, files: dict[str, str]) -> str:
    git(scene.clone, "checkout", "--quiet", "-b", "feature")
    commit(scene.clone, files)
    git(scene.clone, "push", "--quiet", "origin", "feature:refs/pull/1/merge")
    return "refs/pull/1/merge"


def test_a_pull_request_is_validated_and_planned_without_credentials(scene: Scene) -> None:
    ref = _propose(scene, {"triggers/b.yaml": manifest("b", 2)})
    code, said, summary = _run_steps(scene, "review", _checkout(scene, ref, "pull"))
    assert code == 0, said
    assert "`a`" in summary
    assert "`b`" in summary
    assert summary in said.out
    assert scene.sandbox.requests == []


def test_an_invalid_manifest_fails_the_pull_request_with_an_annotation(scene: Scene) -> None:
    ref = _propose(scene, {"triggers/b.yaml": manifest("b", 0)})
    code, said, _ = _run_steps(scene, "review", _checkout(scene, ref, "pull"))
    assert code == 1
    assert "::error file=triggers/b.yaml,line=" in said.out


def test_a_plan_that_fails_fails_the_pull_request(scene: Scene) -> None:
    ref = _propose(scene, {"triggers/b.yaml": manifest("b", 2)})
    checkout = _checkout(scene, ref, "pull")
    scene.origin.rename(scene.folder / "moved.git")
    code, said, _ = _run_steps(scene, "review", checkout)
    assert "error: " in said.err
    assert code == 1


def test_a_push_to_main_is_applied_and_the_next_one_starts_nothing_again(scene: Scene) -> None:
    code, said, _ = _run_steps(scene, "apply", _checkout(scene, "main", "first"))
    assert code == 0, said
    assert scene.posts == [1]
    claim, triggered = scene.ledger(path="state/prod/ledger.jsonl")
    assert claim["by"] == "https://github.test/team/runs/actions/runs/7"
    assert triggered["event"] == "triggered"
    author = git(scene.origin, "show", "--no-patch", "--format=%an", "main")
    assert author == "reconciler"
    code, said, _ = _run_steps(scene, "apply", _checkout(scene, "main", "second"))
    assert code == 0, said
    assert "Nothing to do." in said.out
    assert scene.posts == [1]


def test_the_workflow_may_write_only_where_it_applies() -> None:
    workflow = yaml.safe_load(_WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["review"]
    assert workflow["jobs"]["apply"]["permissions"] == {"contents": "write"}
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert "secrets." not in step.get("run", "")  # it would end up in a command line


def test_every_action_is_pinned_by_its_digest_and_says_its_version() -> None:
    """A tag can be moved to other code, and a job that applies has keys."""
    workflows = [_WORKFLOW, *(PROJECT / ".github" / "workflows").glob("*.yml")]
    uses = [line for path in workflows for line in path.read_text().split("\n") if "uses: " in line]
    assert len(uses) > len(workflows)
    for line in uses:
        assert re.search(r"uses: (\./|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)", line), line
