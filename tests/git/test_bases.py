"""Finding what a checkout set out from, also where a clone does not have it."""

from pathlib import Path

import pytest

from reconciler.git import CommitId, Git
from tests.repositories import commit, git, make_clone, make_origin_and_clone
from tests.sampling import sampled


@pytest.fixture
def histories(tmp_path: Path) -> tuple[Path, Path, CommitId]:
    """An origin whose `work` has 3 commits after the one that `main` went on from, by 2."""
    origin, clone = make_origin_and_clone(tmp_path)
    fork = CommitId(git(clone, "rev-parse", "HEAD"))
    git(clone, "checkout", "--quiet", "-b", "work")
    for number in range(3):
        commit(clone, {"work.txt": f"{number}\n"})
    git(clone, "push", "--quiet", "origin", "work")
    git(clone, "checkout", "--quiet", "main")
    for number in range(2):
        commit(clone, {"main.txt": f"{number}\n"})
    git(clone, "push", "--quiet", "origin", "main")
    return origin, clone, fork


def test_any_name_is_resolved_and_none_is_taken_for_an_option(clone: Path) -> None:
    repository, head = Git.at(clone), git(clone, "rev-parse", "HEAD")
    git(clone, "tag", "v1")
    for name in ("HEAD", "main", "origin/main", "v1", head, head[:12]):
        assert repository.resolve_commit(name) == head
    subject = git(clone, "log", "-1", "--format=%s")
    assert repository.resolve_commit(f":/{subject}") == head
    for name in ("nowhere", "", "-h", "--all", "a\0b", "HEAD:README.md", "0" * 40, "^main"):
        assert repository.resolve_commit(name) is None


@pytest.mark.parametrize("name", ["", " ", "origin/", "--all", "+main", "main:other"])
def test_what_names_no_commit_brings_none(clone: Path, name: str) -> None:
    assert Git.at(clone).bring_commit("origin", name) is None


def test_the_fork_is_where_both_histories_part(histories: tuple[Path, Path, CommitId]) -> None:
    _, clone, fork = histories
    tip = CommitId(git(clone, "rev-parse", "main"))
    git(clone, "checkout", "--quiet", "work")
    assert Git.at(clone).find_forks("origin", tip) == [fork]
    git(clone, "merge", "--quiet", "--no-edit", "main")
    assert Git.at(clone).find_forks("origin", tip) == [tip]


@pytest.mark.parametrize("depth", sampled([1, 2, 10], every=3))
def test_a_shallow_clone_fetches_what_it_needs_to_see_it(
    histories: tuple[Path, Path, CommitId], tmp_path: Path, depth: int
) -> None:
    origin, clone, fork = histories
    tip = CommitId(git(clone, "rev-parse", "main"))
    shallow = make_clone(origin, tmp_path / "ci", f"--depth={depth}", "--branch=work")
    repository = Git.at(shallow)
    repository.fetch("origin", ["main"])
    assert repository.find_forks("origin", tip) == [fork]


def test_the_merge_that_a_pipeline_checks_out_names_its_fork_itself(
    histories: tuple[Path, Path, CommitId], tmp_path: Path, git_calls: list[list[str]]
) -> None:
    origin, clone, _ = histories
    base = CommitId(git(clone, "rev-parse", "main"))
    git(clone, "checkout", "--quiet", "-b", "merged", "main")
    git(clone, "merge", "--quiet", "--no-edit", "work")
    git(clone, "push", "--quiet", "origin", "merged")
    git(clone, "checkout", "--quiet", "main")
    tip = CommitId(commit(clone, {"main.txt": "later\n"}))
    git(clone, "push", "--quiet", "origin", "main")
    shallow = make_clone(origin, tmp_path / "ci", "--depth=1", "--branch=merged")
    repository = Git.at(shallow)
    repository.fetch("origin", ["main"])
    git_calls.clear()
    assert repository.find_forks("origin", tip) == [base]
    assert not [call for call in git_calls if "fetch" in call]


def test_what_cannot_be_seen_is_not_guessed(
    histories: tuple[Path, Path, CommitId], tmp_path: Path
) -> None:
    origin, clone, _ = histories
    tip = CommitId(git(clone, "rev-parse", "main"))
    shallow = make_clone(origin, tmp_path / "ci", "--depth=1", "--branch=work")
    repository = Git.at(shallow)
    git(shallow, "fetch", "--quiet", "--depth=1", "origin", "main")
    assert repository.find_forks(None, tip) is None
    git(clone, "checkout", "--quiet", "--orphan", "apart")
    commit(clone, {"apart.txt": "a\n"})
    assert Git.at(clone).find_forks("origin", tip) is None


def test_a_commit_is_brought_by_id_or_by_branch_and_moves_nothing(
    histories: tuple[Path, Path, CommitId], tmp_path: Path
) -> None:
    origin, clone, fork = histories
    work = git(clone, "rev-parse", "work")
    shallow = make_clone(origin, tmp_path / "ci", "--depth=1")
    before = git(shallow, "for-each-ref", "refs/heads", "refs/remotes")
    repository = Git.at(shallow)
    assert repository.bring_commit("origin", fork) == fork
    assert repository.bring_commit("origin", "work") == work
    assert repository.bring_commit("origin", "origin/work") == work
    for name in ("nowhere", "0" * 40, "-q", "+main", "main:refs/heads/main", "a\0b"):
        assert repository.bring_commit("origin", name) is None
    assert git(shallow, "for-each-ref", "refs/heads", "refs/remotes") == before
    assert not (shallow / ".git/FETCH_HEAD").exists()
