"""docs/tutorial.md tells the truth: from an empty folder to a run that is started and reported."""

from pathlib import Path

import pytest

from tests.documented import Typed
from tests.repositories import git, isolate
from tests.starting.running import files
from tests.tutorial.page import tutorial
from tests.tutorial.update import gone

EXPECTED = [step.printed for step in tutorial() if isinstance(step, Typed)]


@pytest.mark.long  # dozens of processes; tests/starting has each of its commands
@pytest.mark.parametrize(
    ("host", "pipeline"),
    [("github.com", ".github/workflows/reconciler.yml"), ("gitlab.com", ".gitlab-ci.yml")],
)
def test_on_either_forge_it_ends_with_one_run_started_and_a_branch_that_took_no_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, pipeline: str
) -> None:
    isolate(monkeypatch, tmp_path)
    reader = gone(host, tmp_path, monkeypatch)
    first = next(place for place, told in enumerate(EXPECTED) if told.startswith("wrote "))
    told, expected = list(reader.printed), list(EXPECTED)
    if host != "github.com":  # whose files and next steps the page does not show
        del told[first], expected[first]
    assert told == expected, "python -m tests.tutorial.update"
    (instance,) = reader.instances
    assert instance.flow_id == 3377
    assert (reader.here / pipeline).exists()
    assert "wind-outage-2024-03-01" in files(reader.here.parent)["report/index.html"]
    subjects = git(reader.origin, "log", "--format=%s", "main").splitlines()
    assert subjects[:2] == ["Reprocess the 1st of March", "Start runs with the reconciler"]
    assert git(reader.origin, "ls-tree", "-r", "--name-only", "reconciler-ledger", "state")
