from pathlib import Path

import pytest

from tests.corpus.examples import CORPUS, examples, report, runs

MANIFESTS, CONFIGURATIONS = examples("manifests/valid"), examples("config/valid")
INVALID = [*examples("manifests/invalid"), *examples("config/invalid")]


def short(path: Path) -> str:
    return path.relative_to(CORPUS).with_suffix("").as_posix()


def expected_lines(path: Path) -> list[str]:
    return path.with_suffix(".expected").read_text(encoding="utf-8").removesuffix("\n").split("\n")


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


# What is expected of the invalid ones, the test above holds against what is reported.


def test_every_problem_is_one_printable_line_of_bearable_length() -> None:
    for path in INVALID:
        for line in expected_lines(path):
            assert line.isprintable(), path
            assert len(line) < 400, path


def test_every_place_lies_within_the_file() -> None:
    for path in INVALID:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines() or [""]
        for problem in expected_lines(path):
            file, line, column, _ = problem.split(":", 3)
            assert file == path.name
            assert 1 <= int(line) <= len(lines) + 1, problem
            text = lines[int(line) - 1] if int(line) <= len(lines) else ""
            assert 1 <= int(column) <= len(text) + 1, problem


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
