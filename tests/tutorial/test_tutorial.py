"""docs/tutorial.md tells the truth: from an empty folder to a run that is started and reported."""

from pathlib import Path

import pytest

from tests.repositories import git, isolate
from tests.starting.running import files
from tests.tutorial.page import Typed, tutorial
from tests.tutorial.update import forget_keys
from tests.tutorial.walking import Reader

STEPS = tutorial()


def gone(host: str, folder: Path, patch: pytest.MonkeyPatch) -> Reader:
    isolate(patch, folder)
    forget_keys(patch)
    reader = Reader(folder=folder / "walk", host=host)
    reader.folder.mkdir()
    reader.go(STEPS)
    return reader


def test_its_commands_print_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = gone("github.com", tmp_path, monkeypatch)
    expected = [step.printed for step in STEPS if isinstance(step, Typed)]
    assert reader.printed == expected, "python -m tests.tutorial.update"


@pytest.mark.parametrize(
    ("host", "pipeline"),
    [("github.com", ".github/workflows/reconciler.yml"), ("gitlab.com", ".gitlab-ci.yml")],
)
def test_on_either_forge_it_ends_with_one_run_started_and_a_branch_that_took_no_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, pipeline: str
) -> None:
    reader = gone(host, tmp_path, monkeypatch)
    (instance,) = reader.instances
    assert instance.flow_id == 3377
    assert (reader.here / pipeline).exists()
    assert "wind-outage-2024-03-01" in files(reader.here)["public/index.html"]
    subjects = git(reader.origin, "log", "--format=%s", "main").splitlines()
    assert subjects[:2] == ["Reprocess the 1st of March", "Start runs with the reconciler"]
    assert git(reader.origin, "ls-tree", "-r", "--name-only", "reconciler-ledger", "state")
