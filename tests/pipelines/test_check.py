"""What `make check` finds in pipelines that are wrong, each with the tool that is for it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pipelines.check import (
    schema_problems,
    shell_problems,
    unsafe_places,
    workflow_problems,
)
from tests.pipelines.samples import samples
from tests.repositories import PROJECT

_PLAIN = PROJECT / "docs" / "ci" / "github-plain.yml"
_GITLAB = PROJECT / "docs" / "ci" / "gitlab.yml"


def _changed(folder: Path, original: Path, old: str, new: str) -> list[Path]:
    text = samples()[original]
    assert old in text
    file = folder / ".github" / "workflows" / original.name
    file.parent.mkdir(parents=True)
    file.write_text(text.replace(old, new))
    return [file]


def _said(found: Sequence[str], word: str) -> None:
    assert len(found) == 1
    assert word in found[0]


def test_an_expression_in_the_text_of_a_shell_is_found(tmp_path: Path) -> None:
    old, new = 'run: python -I -m pip install "$RECONCILER"', "run: echo ${{ github.head_ref }}"
    _said(list(unsafe_places(_changed(tmp_path, _PLAIN, old, new))), "template-injection")


def test_a_job_that_gives_a_fork_the_secrets_is_found(tmp_path: Path) -> None:
    files = _changed(tmp_path, _PLAIN, "\n  pull_request:", "\n  pull_request_target:")
    _said(list(unsafe_places(files)), "dangerous-triggers")


def test_an_action_that_is_not_pinned_is_found(tmp_path: Path) -> None:
    files = _changed(tmp_path, PROJECT / "docs/ci/github.yml", f"reconciler@{'0' * 40}", "r@v1")
    _said(list(unsafe_places(files)), "unpinned-uses")


@pytest.mark.long  # nine seconds, of which node takes eight to compile it
def test_a_name_that_no_context_has_is_found(tmp_path: Path) -> None:
    files = _changed(tmp_path, _PLAIN, "matrix.environment }}", "matrix.stage }}")
    _said(list(workflow_problems(files)), "stage")


def test_a_field_that_gitlab_does_not_know_is_found(tmp_path: Path) -> None:
    files = _changed(tmp_path, _GITLAB, "interruptible: true", "interuptible: true")
    _said(list(schema_problems("gitlab-ci", files)), "interuptible")


def test_shell_that_takes_a_value_apart_is_found(tmp_path: Path) -> None:
    (file,) = _changed(
        tmp_path, _GITLAB, '--env "$RECONCILER_ENVIRONMENT" --wait', "--env $E --wait"
    )
    _said(list(shell_problems(file)), "SC2086")
