"""`init --check` says what a later version, or a later manifest, has left behind."""

from pathlib import Path

import pytest

from reconciler import __version__
from tests.repositories import git, isolate
from tests.starting.running import ALL, COMMIT, SOURCE, ran

_NEW = "f" * 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that has begun."""
    isolate(monkeypatch, tmp_path)
    folder = tmp_path / "runs"
    folder.mkdir()
    git(folder, "init", "--quiet")
    assert ran(folder, "init", *ALL, "--ci", "github").code == 0
    return folder


def _lines(folder: Path, *source: str) -> list[str]:
    done = ran(folder, "init", "--check", *(source or SOURCE))
    assert done.code == (0 if done.out == "nothing is outdated\n" else 1)
    return done.out.splitlines()


def test_a_schema_that_differs_is_said_with_the_command_that_renews_it(folder: Path) -> None:
    (folder / "schemas/trigger.schema.json").write_text("{}\n")
    (folder / "schemas/config.schema.json").unlink()
    renewed = "reconciler schema trigger >schemas/trigger.schema.json"
    assert sorted(_lines(folder)) == [
        "schemas/config.schema.json is not there: reconciler init",
        f"schemas/trigger.schema.json is not this version's: {renewed}",
    ]
    schema = ran(folder, "schema", "trigger").out
    (folder / "schemas/trigger.schema.json").write_text(schema)
    ran(folder, "init", *SOURCE)
    assert _lines(folder) == ["nothing is outdated"]


def test_another_commit_is_said_wherever_it_is_pinned(folder: Path) -> None:
    assert _lines(folder, "--source", f"https://github.com/acme/reconciler@{_NEW}") == [
        f"{path} installs {COMMIT}, and this is {_NEW}: put that in its place"
        for path in (".pre-commit-config.yaml", ".github/workflows/reconciler.yml")
    ]


def test_a_tag_of_this_version_is_as_good_as_its_commit(folder: Path) -> None:
    workflow = folder / ".github/workflows/reconciler.yml"
    workflow.write_text(workflow.read_text().replace(COMMIT, f"v{__version__}"))
    assert _lines(folder) == ["nothing is outdated"]


def test_whether_a_commit_is_that_of_a_tag_is_not_guessed(folder: Path) -> None:
    unpinned = ("--source", "https://github.com/acme/reconciler")
    assert _lines(folder, *unpinned) == ["nothing is outdated"]
    workflow = folder / ".github/workflows/reconciler.yml"
    workflow.write_text(workflow.read_text().replace(COMMIT, "v0.0.1"))
    (line,) = _lines(folder, *unpinned)
    assert line.startswith(".github/workflows/reconciler.yml installs v0.0.1, and this is v")


def test_what_others_are_pinned_at_is_none_of_its_business(folder: Path) -> None:
    workflow = folder / ".github/workflows/other.yml"
    workflow.write_text("jobs: {a: {steps: [\n  {uses: actions/checkout@v1}]}}\n- uses: b/c@v1\n")
    assert _lines(folder) == ["nothing is outdated"]


def test_what_pip_is_given_is_read_in_a_plain_pipeline(folder: Path) -> None:
    workflow = folder / ".github/workflows/reconciler.yml"
    old = "ssh://git@git.example.test/acme/reconciler@v1.0"
    workflow.write_text(f'env:\n  RECONCILER: "enos-reconciler @ git+{old}"\n')
    source = ("--source", f"ssh://git@git.example.test/acme/reconciler@{_NEW}")
    assert f"{_lines(folder, *source)[0]}" == (
        f".github/workflows/reconciler.yml installs v1.0, and this is {_NEW}: put that in its place"
    )


def test_a_name_that_stands_for_another_is_said(folder: Path) -> None:
    workflow = folder / ".github/workflows/reconciler.yml"
    workflow.write_text("# YOUR-ORGANISATION\n")
    (line,) = _lines(folder)
    assert line.startswith(".github/workflows/reconciler.yml still names YOUR-ORGANISATION")


def test_each_document_needs_the_line_that_names_its_schema(folder: Path) -> None:
    example = folder / "triggers/example-run.yaml"
    text = example.read_text()
    bare = text.partition("\n")[2]
    example.write_text(f"{text}---\n{bare}---\n{text}---\n# nothing\n")
    (line,) = _lines(folder)
    assert line.startswith("triggers/example-run.yaml: a document without the line")


def test_where_nothing_has_begun_it_says_how(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = ran(tmp_path / "empty", "init", "--check")
    assert done.code == 1
    assert "Begin with `reconciler init`." in done.err
