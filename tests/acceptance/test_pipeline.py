"""The workflows that teams copy, and the action: their steps, run as a runner runs them.

On a bare remote, the sandbox, and a forge on loopback that takes our requests to the letter.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct

from reconciler.sandbox import Fault, Reply, SandboxOptions, environment
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import Said, Scene, check_harmless, configuration, manifest, runs
from tests.forge.fake import TOKEN, FakeGitHub, serving
from tests.pipelines.runner import Runner
from tests.repositories import PROJECT, commit, git

_CI = PROJECT / "docs" / "ci"
_WORKFLOWS = (_CI / "github.yml", _CI / "github-plain.yml")
_ENDS_AT_ONCE = SandboxOptions(run_seconds=0.05)
_PLANNED = "<!-- reconciler-plan prod -->"


def _prod(url: str) -> str:
    """One environment by the name that the workflows give."""
    text = configuration(url, environments=("prod",))
    return text.replace("triggers-prod", "triggers")


class _Jobs(Struct, frozen=True, kw_only=True):
    """A repository whose runners have no git identity of their own, and its forge."""

    scene: Scene
    workflow: Path
    forge: FakeGitHub

    def run(self, job: str, checkout: Path, **variables: str) -> Runner:
        """Run the job in the checkout; whatever comes of it, it says no secret."""
        runner = self.runner(checkout, job, variables)
        runner.job(self.workflow, job)
        said = Said(out=runner.out + runner.summary, err=runner.err)
        check_harmless(said, self.scene.sandbox)
        assert TOKEN not in said.out + said.err
        return runner

    def runner(self, checkout: Path, job: str, variables: Mapping[str, str]) -> Runner:
        """What runs a job there."""
        secrets = environment(self.scene.sandbox)
        nobody = self.scene.folder / "nobody"
        nobody.write_text('[protocol "file"]\n\tallow = always\n[user]\n\tuseConfigOnly = true\n')
        given = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.forge.url,
            "GITHUB_GRAPHQL_URL": f"{self.forge.url}/graphql",
            "GITHUB_SERVER_URL": "https://github.test",
            "GITHUB_REPOSITORY": "team/runs",
            "GITHUB_RUN_ID": "7",
            "GITHUB_REF": "refs/pull/7/merge" if job == "review" else "refs/heads/main",
            "GIT_CONFIG_GLOBAL": str(nobody),
        }
        return Runner(
            folder=self.scene.folder / f"runner-{checkout.name}",
            checkout=checkout,
            variables={**given, **variables},
            contexts={
                "github.token": TOKEN,
                "github.event_name": "pull_request" if job == "review" else "push",
                "github.run_attempt": "1",
                "matrix.environment": "prod",
                **{f"secrets.{name}": value for name, value in secrets.items()},
            },
        )

    @property
    def comments(self) -> list[str]:
        """The texts on the pull request."""
        return [one["body"] for one in self.forge.comments]


_EACH = [_WORKFLOWS[0], pytest.param(_WORKFLOWS[1], marks=pytest.mark.long)]  # some processes each


@pytest.fixture(params=_EACH, ids=["github", "github-plain"])
def jobs(request: pytest.FixtureRequest, open_scene: OpenScene) -> Iterator[_Jobs]:
    scene = open_scene(runs("a"), configured=_prod, options=_ENDS_AT_ONCE)
    with serving(FakeGitHub()) as forge:
        assert isinstance(forge, FakeGitHub)
        yield _Jobs(scene=scene, workflow=request.param, forge=forge)


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
    git(scene.clone, "checkout", "--quiet", "-B", "feature")
    commit(scene.clone, files)
    git(scene.clone, "push", "--quiet", "--force", "origin", "feature:refs/pull/1/merge")
    return "refs/pull/1/merge"


def test_a_pull_request_is_validated_and_planned_without_credentials(jobs: _Jobs) -> None:
    ref = _propose(jobs.scene, {"triggers/b.yaml": manifest("b", 2)})
    done = jobs.run("review", _checkout(jobs.scene, ref, "pull"))
    assert not done.failed, done.err
    assert "`a`" in done.summary
    assert "`b`" in done.summary
    assert done.summary in done.out
    assert jobs.comments == [done.summary]
    assert jobs.scene.sandbox.requests == []
    assert not any("ENOS" in name for _, given in done.environments for name in given)


@pytest.mark.long  # tests/render has the report
def test_an_invalid_manifest_fails_the_pull_request_with_an_annotation_and_a_comment(
    jobs: _Jobs,
) -> None:
    ref = _propose(jobs.scene, {"triggers/b.yaml": manifest("b", 0)})
    done = jobs.run("review", _checkout(jobs.scene, ref, "pull"))
    assert done.code == 1
    assert "::error file=triggers/b.yaml,line=" in done.out
    (comment,) = jobs.comments
    assert "triggers/b.yaml" in comment


@pytest.mark.long  # tests/forge has the comment
def test_a_plan_that_fails_fails_the_pull_request_and_leaves_no_older_plan_standing(
    jobs: _Jobs,
) -> None:
    ref = _propose(jobs.scene, {"triggers/b.yaml": manifest("b", 2)})
    jobs.run("review", _checkout(jobs.scene, ref, "first"))
    checkout = _checkout(jobs.scene, ref, "second")
    jobs.scene.origin.rename(jobs.scene.folder / "moved.git")
    done = jobs.run("review", checkout)
    assert "error: " in done.err
    assert done.code == 1
    (comment,) = jobs.comments
    assert comment.startswith(f"{_PLANNED}\n\n### `prod` cannot be planned")


@pytest.mark.long  # of GitLab the same is tried each time
def test_a_fork_whose_token_only_reads_is_reviewed_without_a_comment(jobs: _Jobs) -> None:
    jobs.forge.may_write = False
    ref = _propose(jobs.scene, {"triggers/b.yaml": manifest("b", 2)})
    done = jobs.run("review", _checkout(jobs.scene, ref, "pull"))
    assert not done.failed, done.err
    assert "`b`" in done.summary
    assert "note: no comment was written: POST /repos/team/runs/issues/7/comments" in done.err


@pytest.mark.long  # of GitLab the same is tried each time
def test_a_push_to_main_is_applied_and_the_next_one_starts_nothing_again(jobs: _Jobs) -> None:
    scene = jobs.scene
    done = jobs.run("apply", _checkout(scene, "main", "first"))
    assert not done.failed, done.err
    assert scene.posts == [1]
    claim, triggered, *_ = scene.ledger(path="state/prod/ledger.jsonl")
    assert claim["by"] == "https://github.test/team/runs/actions/runs/7"
    assert triggered["event"] == "triggered"
    author = git(scene.origin, "show", "--no-patch", "--format=%an", "main")
    assert author == "reconciler"
    assert "1 succeeded" in done.summary
    _check_artifacts_and_keys(done)
    done = jobs.run("apply", _checkout(scene, "main", "second"))
    assert not done.failed, done.err
    assert "Nothing to do." in done.out
    assert scene.posts == [1]


def _check_artifacts_and_keys(done: Runner) -> None:
    """The report is kept, and what could not be pushed would be; keys reach one step alone."""
    kept = {given["name"]: given["path"] for name, given in done.used if "upload" in name}
    assert (Path(kept["reconciler-report-prod"]) / "index.html").is_file()
    holders = {step: given for step, given in done.environments if "ENOS_SECRET_KEY" in given}
    assert list(holders) == ["Apply"]
    assert holders["Apply"]["RECONCILER_RESCUE_FOLDER"] == kept["reconciler-rescue-prod-1"]


@pytest.mark.long  # tests/forge has the issue, step by step
def test_on_a_schedule_what_needs_a_person_is_told_by_one_issue_until_all_is_well(
    jobs: _Jobs,
) -> None:
    scene = jobs.scene
    scene.sandbox.add_fault(Fault(on="trigger", ending=Reply(code=62104, msg="locked")))
    done = jobs.run("reconcile", _checkout(scene, "main", "first"))
    assert done.code == 1
    (issue,) = jobs.forge.issues
    assert issue["title"] == "reconciler: prod needs a person"
    assert "1 run needs a person: 1 rejected" in issue["body"]
    assert "`a`" in issue["body"]
    done = jobs.run("reconcile", _checkout(scene, "main", "second"))
    assert not done.failed, done.err
    assert [one["state"] for one in jobs.forge.issues] == ["closed"]


def test_an_apply_that_cannot_begin_is_told_by_the_issue_too(jobs: _Jobs) -> None:
    checkout = _checkout(jobs.scene, "main", "main")
    jobs.scene.origin.rename(jobs.scene.folder / "moved.git")
    assert jobs.run("reconcile", checkout).code == 1
    (issue,) = jobs.forge.issues
    assert "How it stands cannot be told:" in issue["body"]


@pytest.mark.parametrize("workflow", _WORKFLOWS, ids=lambda path: path.stem)
def test_a_cancelled_job_signals_the_apply_itself(workflow: Path) -> None:
    """A shell in between would end without it, and the apply would be killed in the middle."""
    document = yaml.safe_load(workflow.read_text())
    action = yaml.safe_load((PROJECT / "action.yml").read_text())
    found = [
        step for one in (document, action) for step in _steps(one) if step.get("name") == "Apply"
    ]
    assert found
    for step in found:
        assert step["run"].startswith("exec ")
        assert "|" not in step["run"]


def test_the_workflow_may_write_only_where_it_must() -> None:
    for path in _WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {}
        allowed = {name: job["permissions"] for name, job in workflow["jobs"].items()}
        assert allowed == {
            "review": {"contents": "read", "pull-requests": "write"},
            "apply": {"contents": "write"},
            "reconcile": {"contents": "write", "issues": "write"},
        }


def test_no_expression_becomes_the_text_of_a_shell() -> None:
    files = [*_WORKFLOWS, PROJECT / "action.yml"]
    steps = [step for path in files for step in _steps(yaml.safe_load(path.read_text()))]
    scripts = [step["run"] for step in steps if "run" in step]
    assert len(scripts) > len(files)
    assert [one for one in scripts if "${{" in one] == []


def _steps(document: Any) -> Iterator[dict[str, Any]]:
    places = document["jobs"].values() if "jobs" in document else [document["runs"]]
    for place in places:
        yield from place["steps"]


def test_every_action_is_pinned_by_its_digest_and_says_its_version() -> None:
    """A tag can be moved to other code, and a job that applies has keys."""
    workflows = [
        *_WORKFLOWS,
        PROJECT / "action.yml",
        *(PROJECT / ".github/workflows").glob("*.yml"),
    ]
    uses = [line for path in workflows for line in path.read_text().split("\n") if "uses: " in line]
    assert len(uses) > len(workflows)
    for line in uses:
        assert re.search(r"uses: (\./|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)", line), line
