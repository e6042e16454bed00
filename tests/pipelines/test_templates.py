"""What the templates make of a repository's settings."""

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.starting.templates import (
    PipelineKind,
    PipelineSettings,
    gitlab_component,
    pipeline,
)
from tests.pipelines.check import documents

_SETTINGS = PipelineSettings(
    install="enos-reconciler @ git+https://git.example.test/team/reconciler@v1",
    action="team/reconciler@0123456789012345678901234567890123456789",
    version="1.2.3",
    branch="release/it's",
    ledger_branch="reconciler-ledger",
    environments=("prod", "no"),
    root="data runs",
)


def _read(kind: PipelineKind, settings: PipelineSettings = _SETTINGS) -> Any:
    (document,) = documents(pipeline(kind, settings))
    return document


@pytest.mark.parametrize("kind", [PipelineKind.GITHUB, PipelineKind.GITHUB_PLAIN])
def test_a_github_workflow_is_about_the_branch_and_environments_whatever_their_names(
    kind: PipelineKind,
) -> None:
    workflow = _read(kind)
    on = workflow[True]  # YAML 1.1 takes `on` for a truth value
    assert on["pull_request"] == on["push"] == {"branches": ["release/it's"]}
    for job in ("apply", "reconcile"):
        assert workflow["jobs"][job]["strategy"]["matrix"]["environment"] == ["prod", "no"]
    assert "github.ref == 'refs/heads/release/it''s'" in workflow["jobs"]["reconcile"]["if"]


def test_without_an_action_the_workflow_is_the_plain_one() -> None:
    plain = replace(_SETTINGS, action="")
    assert pipeline(PipelineKind.GITHUB, plain) == pipeline(PipelineKind.GITHUB_PLAIN, plain)
    assert _read(PipelineKind.GITHUB, plain)["env"]["RECONCILER"] == _SETTINGS.install


def test_a_folder_of_its_own_is_where_every_step_works() -> None:
    plain = _read(PipelineKind.GITHUB_PLAIN)
    assert plain["defaults"]["run"]["working-directory"] == "data runs"
    used = _read(PipelineKind.GITHUB)
    ours = [job["steps"][1]["with"]["working-directory"] for job in used["jobs"].values()]
    assert ours == ["data runs"] * 3
    assert _read(PipelineKind.GITLAB)[".reconciler"]["variables"]["RECONCILER_ROOT"] == "data runs"


def test_at_the_top_no_folder_is_named() -> None:
    top = replace(_SETTINGS, root=".")
    assert "working-directory" not in pipeline(PipelineKind.GITHUB, top)
    assert "working-directory" not in pipeline(PipelineKind.GITHUB_PLAIN, top)


def test_a_gitlab_pipeline_applies_the_branch_to_each_environment() -> None:
    found = _read(PipelineKind.GITLAB)
    push = found[".reconciler-push"]
    assert push["parallel"]["matrix"] == [{"RECONCILER_ENVIRONMENT": ["prod", "no"]}]
    (rule,) = found["reconciler-apply"]["rules"]
    assert rule["if"] == '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "release/it\'s"'


def test_the_gitlab_component_leaves_everything_to_its_inputs() -> None:
    text = gitlab_component(install="here", version="1.2.3")
    inputs = documents(text)[0]["spec"]["inputs"]
    assert inputs["install"]["default"] == "here"
    for name in inputs:
        assert f"$[[ inputs.{name} ]]" in text


@pytest.mark.parametrize("kind", list(PipelineKind))
@pytest.mark.parametrize("ledger", ["", "reconciler-ledger"])
def test_the_workflow_says_which_branch_must_take_pushes(kind: PipelineKind, ledger: str) -> None:
    text = pipeline(kind, replace(_SETTINGS, ledger_branch=ledger))
    assert ("git.ledgerBranch" in text) == (not ledger)
    assert ("the only one that the reconciler pushes to" in text) == bool(ledger)
