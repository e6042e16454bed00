from pathlib import Path

import pytest

from reconciler.manifest.document import read_documents
from tests.corpus.examples import CORPUS, examples, problems, report, runs, source

MANIFESTS, CONFIGURATIONS = examples("manifests/valid"), examples("config/valid")
INVALID = [*examples("manifests/invalid"), *examples("config/invalid")]


def short(path: Path) -> str:
    return path.relative_to(CORPUS).with_suffix("").as_posix()


@pytest.mark.parametrize("path", [*MANIFESTS, *CONFIGURATIONS], ids=short)
def test_a_valid_example_has_no_problem(path: Path) -> None:
    assert not report(path)


@pytest.mark.parametrize("path", MANIFESTS, ids=short)
def test_a_valid_manifest_declares_exactly_the_runs_that_are_expected(path: Path) -> None:
    assert runs(path) == path.with_suffix(".runs.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", INVALID, ids=short)
def test_an_invalid_example_is_reported_exactly_as_expected(path: Path) -> None:
    expected = path.with_suffix(".expected").read_text(encoding="utf-8")
    assert expected, "an invalid example needs at least one problem"
    assert report(path) == expected


@pytest.mark.parametrize("path", INVALID, ids=short)
def test_every_problem_is_one_printable_line_of_bearable_length(path: Path) -> None:
    for line in report(path).splitlines():
        assert line.isprintable()
        assert len(line) < 400


@pytest.mark.parametrize("path", INVALID, ids=short)
def test_every_place_lies_within_the_file(path: Path) -> None:
    lines = path.read_bytes().decode("utf-8", "replace").splitlines() or [""]
    for problem in problems(path):
        assert 1 <= problem.place.line <= len(lines) + 1
        line = lines[problem.place.line - 1] if problem.place.line <= len(lines) else ""
        assert 1 <= problem.place.column <= len(line) + 1


@pytest.mark.parametrize("path", [*MANIFESTS, *CONFIGURATIONS, *INVALID], ids=short)
def test_every_expectation_belongs_to_an_example_that_can_be_read_or_has_a_reason(
    path: Path,
) -> None:
    documents, unreadable = read_documents(source(path))
    assert documents or unreadable


def test_the_corpus_is_large_and_has_no_leftover_expectation() -> None:
    assert len(MANIFESTS) + len(CONFIGURATIONS) + len(INVALID) >= 60
    known = {path.with_suffix("") for path in (*MANIFESTS, *INVALID)}
    for expectation in (*CORPUS.rglob("*.expected"), *CORPUS.rglob("*.runs.json")):
        assert expectation.with_name(expectation.name.split(".")[0]) in known


def test_no_secret_that_was_written_into_a_configuration_is_repeated() -> None:
    path = CORPUS / "config/invalid/secrets-in-the-file.yaml"
    assert "8d0c4d9e" in path.read_text(encoding="utf-8")
    assert "8d0c4d9e" not in report(path)
    assert "s3cret" not in report(CORPUS / "config/invalid/gateway-urls.yaml")
