"""GitLab's pipeline and component: their scripts, run as a runner runs them.

On a bare remote, the sandbox, and a forge on loopback that takes our requests to the letter.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from reconciler.sandbox import Fault, Reply, SandboxOptions
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Said, Scene, check_harmless, configuration, manifest, runs
from tests.forge.fake import TOKEN, FakeGitLab, serving
from tests.pipelines.check import documents, scripts
from tests.repositories import PROJECT, commit, git

_PIPELINE = PROJECT / "docs" / "ci" / "gitlab.yml"
_INSTALL = 'python -I -m pip install --quiet "$RECONCILER"'


def _jobs() -> dict[str, Any]:
    """The jobs with what they extend; a job's own fields win."""
    jobs: dict[str, Any]
    (jobs,) = documents(_PIPELINE.read_text())

    def whole(name: str) -> dict[str, Any]:
        own = jobs[name]
        return {**(whole(own["extends"]) if "extends" in own else {}), **own}

    return {name: whole(name) for name in jobs}


def _lines(job: dict[str, Any], jobs: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for line in (*job["before_script"], *job["script"]):
        found += jobs[line[0]][line[1]] if isinstance(line, tuple) else [line]
    assert _INSTALL in found
    return [line for line in found if line != _INSTALL]


class _Project(Struct, frozen=True, kw_only=True):
    """A repository on GitLab, whose remote is a folder here."""

    scene: Scene
    forge: FakeGitLab

    def run(self, name: str, checkout: Path, **variables: str) -> tuple[int, Said]:
        """Run the job in the checkout; whatever comes of it, it says no secret."""
        scene, jobs = self.scene, _jobs()
        script = "set -eo pipefail\n" + "\n".join(_lines(jobs[name], jobs))
        command = scene.folder / "bin" / "reconciler"
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
        command.chmod(0o755)
        nobody = scene.folder / "nobody"
        nobody.write_text('[protocol "file"]\n\tallow = always\n[user]\n\tuseConfigOnly = true\n')
        known = {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.forge.url,
            "CI_PROJECT_ID": "12",
            "CI_PROJECT_DIR": str(checkout),
            "CI_PROJECT_URL": scene.origin.as_uri().removesuffix(".git"),
            "CI_SERVER_HOST": "gitlab.test",
            "CI_JOB_URL": "https://gitlab.test/team/runs/-/jobs/7",
            "RECONCILER_ENVIRONMENT": "prod",
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "GIT_CONFIG_GLOBAL": str(nobody),
        }
        own = {}
        for key, value in jobs[name]["variables"].items():
            own[key] = value.replace("$CI_PROJECT_DIR", str(checkout)).replace(
                "$CI_SERVER_HOST", "h"
            )
        keys = {} if "apply" in name or "reconcile" in name else {"ENOS_SECRET_KEY": ""}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=checkout,
            env={**os.environ, **known, **own, **keys, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        said = Said(out=done.stdout, err=done.stderr)
        check_harmless(said, scene.sandbox)
        assert TOKEN not in said.out + said.err
        return done.returncode, said


def _prod(url: str) -> str:
    text = configuration(url, environments=("prod",))
    return text.replace("triggers-prod", "triggers")


@pytest.fixture
def project(open_scene: OpenScene) -> Iterator[_Project]:
    options = SandboxOptions(run_seconds=0.05)
    scene = open_scene(runs("a"), configured=_prod, options=options)
    with serving(FakeGitLab()) as forge:
        assert isinstance(forge, FakeGitLab)
        yield _Project(scene=scene, forge=forge)


def _checkout(scene: Scene, ref: str, name: str) -> Path:
    """As GitLab's runner leaves it: a detached head, the token in the remote's address."""
    folder = scene.folder / name
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", scene.origin.as_uri())
    git(folder, "fetch", "--quiet", "--depth=20", "origin", f"+{ref}:refs/pipelines/1")
    git(folder, "checkout", "--quiet", "--force", "--detach", "refs/pipelines/1")
    return folder


@pytest.mark.long  # a push stays, and a review on GitHub
def test_a_merge_request_is_reviewed_with_reports_and_a_note(project: _Project) -> None:
    scene = project.scene
    git(scene.clone, "checkout", "--quiet", "-b", "feature")
    commit(scene.clone, {"triggers/b.yaml": manifest("b", 0)})
    git(scene.clone, "push", "--quiet", "origin", "feature:refs/merge-requests/7/head")
    checkout = _checkout(scene, "refs/merge-requests/7/head", "merge")
    variables = {
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "RECONCILER_NOTE_TOKEN": TOKEN,
    }
    code, said = project.run("reconciler-review", checkout, **variables)
    assert code == 1
    assert "triggers/b.yaml:" in said.out
    (quality,) = json.loads((checkout / "gl-code-quality-report.json").read_text())
    assert quality["location"]["path"] == "triggers/b.yaml"
    assert "<failure " in (checkout / "reconciler-junit.xml").read_text()
    (note,) = project.forge.comments
    assert note["body"] == (checkout / "reconciler-plan.md").read_text()


@pytest.mark.long  # that with a token, above, stays
def test_a_merge_request_without_a_token_for_notes_is_reviewed_all_the_same(
    project: _Project,
) -> None:
    checkout = _checkout(project.scene, "refs/heads/main", "merge")
    code, said = project.run("reconciler-review", checkout, CI_MERGE_REQUEST_IID="7")
    assert code == 0
    assert "note: no comment was written: GITLAB_TOKEN is not set" in said.err


def test_a_push_is_applied_and_reported(project: _Project) -> None:
    checkout = _checkout(project.scene, "refs/heads/main", "main")
    code, said = project.run("reconciler-apply", checkout, RECONCILER_TOKEN=TOKEN)
    assert code == 0, said
    assert project.scene.posts == [1]
    assert (checkout / "reconciler-report" / "index.html").is_file()


@pytest.mark.long  # tests/forge has the issue, step by step
def test_a_schedule_tells_what_needs_a_person_by_an_issue(project: _Project) -> None:
    refused = Fault(on="trigger", ending=Reply(code=62104, msg="locked"))
    project.scene.sandbox.add_fault(refused)
    checkout = _checkout(project.scene, "refs/heads/main", "main")
    code, _ = project.run("reconciler-reconcile", checkout, RECONCILER_TOKEN=TOKEN)
    assert code == 1
    (issue,) = project.forge.issues
    assert "1 run needs a person: 1 rejected" in issue["description"]


def test_the_token_pushes_though_the_runner_has_credentials_of_its_own(
    project: _Project, tmp_path: Path
) -> None:
    jobs = _jobs()
    script = jobs["reconciler-apply"]["before_script"][1]
    checkout = _checkout(project.scene, "refs/heads/main", "main")
    of_the_runner = "!printf 'username=gitlab-ci-token\\npassword=job\\n'"
    git(checkout, "config", "credential.helper", of_the_runner)
    git(checkout, "remote", "set-url", "origin", "https://gitlab-ci-token:job@gitlab.test/r.git")
    asked = f"{script}\nprintf 'protocol=https\\nhost=gitlab.test\\n' | git credential fill"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", asked],
        cwd=checkout,
        env={
            **os.environ,
            "RECONCILER_TOKEN": TOKEN,
            "CI_PROJECT_URL": "https://gitlab.test/team/runs",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"username=reconciler\npassword={TOKEN}\n" in done.stdout
    assert git(checkout, "remote", "get-url", "origin") == "https://gitlab.test/team/runs.git"
    assert TOKEN not in (checkout / ".git" / "config").read_text()


def test_no_input_of_the_component_becomes_the_text_of_a_shell() -> None:
    text = (PROJECT / "templates" / "reconciler.yml").read_text()
    found = list(scripts(documents(text)[1]))
    assert len(found) > 1
    assert [one for one in found if "$[[" in one] == []
