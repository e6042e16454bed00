"""Ceilings hold before the memory is spent: counts of what was made, never times."""

import tracemalloc
from datetime import UTC
from pathlib import Path

import pytest

from reconciler.configuration import InvalidConfigurationError, parse_configuration
from reconciler.expansion.bounds import MOST_CHARACTERS, MOST_CHARACTERS_TOGETHER
from reconciler.manifest import read_file, yaml
from reconciler.model import Problem, Source
from reconciler.repository.worktree import MOST_BYTES, read_one, read_worktree
from tests.sampling import sampled

_TRIGGER = (
    "apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {name: a}\n"
    "spec:\n  flowId: 1\n  triggerTime: 1\n  parameters:\n"
)
_BACKFILL = (
    "apiVersion: reconciler/v1\nkind: Backfill\nmetadata: {name: a}\nspec:\n  flowId: 1\n"
    "  businessDates: {from: 2000-01-01, to: 2020-12-31, every: 1d}\n"
)


def _problems(text: str) -> list[str]:
    result = read_file(Source(path="a.yaml", content=text.encode()), UTC)
    assert result.runs == ()
    return [f"{one.code} {one.message}" for one in result.problems]


def test_a_file_of_too_many_documents_ends_where_they_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(yaml, "MOST_DOCUMENTS", 10)
    assert len(_problems("---\na: 1\n" * 10)) == 30
    problems = _problems("---\na: 1\n" * 11)
    assert problems[-1] == "yaml-size more than 10 documents in one file: divide it"


def test_a_file_of_too_many_values_ends_where_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "MOST_EVENTS_TOGETHER", 1_000)
    document = "a: [" + "1," * 150 + "]\n---\n"
    assert not any(one.startswith("yaml-size") for one in _problems(document * 6))
    problems = _problems(document * 8)
    assert problems[-1] == "yaml-size the file holds more than 1000 values: divide it"


def test_the_parameters_of_one_run_hold_no_more_than_any_gateway_takes() -> None:
    fits = _TRIGGER + f"    A: {'x' * (MOST_CHARACTERS - 1)}\n"
    assert len(read_file(Source(path="a.yaml", content=fits.encode()), UTC).runs) == 1
    (problem,) = _problems(_TRIGGER + f"    A: {'x' * MOST_CHARACTERS}\n")
    assert f"a run hold {MOST_CHARACTERS + 1} characters, more than {MOST_CHARACTERS}" in problem


@pytest.mark.parametrize("field", sampled(["parameters: {A: %s}", "matrix: {A: [%s]}"], every=2))
def test_text_that_every_run_repeats_is_counted_before_the_runs_are_made(field: str) -> None:
    runs = 7_671  # days of 21 years
    size = MOST_CHARACTERS_TOGETHER // runs + 1 if "param" in field else 128
    text = _BACKFILL + f"  {field}\n" % ("x" * size)
    if "matrix" in field:
        assert len(read_file(Source(path="a.yaml", content=text.encode()), UTC).runs) == runs
        return
    tracemalloc.start()
    (problem,) = _problems(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"the parameters of all {runs} runs hold" in problem
    assert peak < MOST_CHARACTERS_TOGETHER / 4


def test_a_configuration_that_is_too_large_is_told_what_may_become_of_it(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_bytes(b"# more than that\n")
    found = read_one(tmp_path, "reconciler.yaml", 10)
    assert isinstance(found, Problem)
    assert found.message == (
        "is larger than 10 bytes: give some of its environments a folder with a configuration of "
        "their own"
    )


def test_a_file_larger_than_anybody_means_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    with (tmp_path / "t" / "a.yaml").open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # a sparse file: it takes no room
    sources, problems = read_worktree(tmp_path, "t", lambda _: True)
    assert sources == []
    assert [(one.place.file, one.code) for one in problems] == [("t/a.yaml", "too-large")]


def test_reading_ends_where_all_files_together_are_too_large(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for number in range(40):
        (tmp_path / "t" / f"{number}.yaml").write_bytes(b"x" * 100)
    sources, problems = read_worktree(tmp_path, "t", lambda _: True, most_together=3_200)
    assert [(one.place.file, one.code) for one in problems] == [("t", "too-large")]
    assert len(sources) == 32


def test_folders_may_nest_deeper_than_functions_can(tmp_path: Path) -> None:
    inner = "/".join(["t", *"d" * 600])
    for end in range(len(inner) // 2 + 1):
        (tmp_path / inner[: 2 * end + 1]).mkdir()
    (tmp_path / inner / "a.yaml").write_text("")
    sources, problems = read_worktree(tmp_path, "t", lambda path: path.endswith(".yaml"))
    assert problems == []
    assert [one.path for one in sources] == [f"{inner}/a.yaml"]


@pytest.mark.parametrize("field", ["manifests: t", "state: s"])
def test_a_folder_of_endless_parts_is_refused_before_its_parts_are_compared(field: str) -> None:
    text = (
        "version: 1\nenvironments: {p: {manifests: t, state: s, gateway: "
        "{url: 'https://x', orgId: o, userId: u, timezone: GMT+8}}}\n"
    ).replace(field, field + "/a" * 10_000)
    tracemalloc.start()
    with pytest.raises(InvalidConfigurationError, match="must have at most 1000 characters"):
        parse_configuration(Source(path="reconciler.yaml", content=text.encode()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000 * 1_000
