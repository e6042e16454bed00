"""How a working tree differs from a commit, by the words of `git status`, and what that costs."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler.git import CommitId, Git
from tests.repositories import commit, git


def _leave_it(_: Path) -> None:
    pass


def _add(clone: Path) -> None:
    (clone / "triggers/sub").mkdir()
    (clone / "triggers/sub/? new.yaml").write_text("")
    (clone / "triggers/# branch.oid 1").write_text("")
    (clone / "elsewhere.yaml").write_text("")


def _add_ignored(clone: Path) -> None:
    (clone / ".gitignore").write_text("*.tmp\n")
    (clone / "triggers/x.tmp").write_text("")


def _change(clone: Path) -> None:
    (clone / "triggers/a.yaml").write_text("b: 1\n")


def _stage(clone: Path) -> None:
    _add(clone)
    _change(clone)
    git(clone, "add", "--all")


def _stage_and_put_back(clone: Path) -> None:
    _change(clone)
    git(clone, "add", "--all")
    (clone / "triggers/a.yaml").write_text("a: 1\n")


def _rename(clone: Path) -> None:
    git(clone, "mv", "triggers/a.yaml", "triggers/b.yaml")


def _delete(clone: Path) -> None:
    (clone / "triggers/a.yaml").unlink()


def _go_on(clone: Path) -> None:
    commit(clone, {"triggers/b.yaml": "b: 1\n"})
    (clone / "triggers/c.yaml").write_text("")


def _conflict(clone: Path) -> None:
    git(clone, "checkout", "-qb", "other", "HEAD")
    commit(clone, {"triggers/a.yaml": "a: 2\n"})
    git(clone, "checkout", "-q", "main")
    commit(clone, {"triggers/a.yaml": "a: 3\n"})
    git(clone, "read-tree", "-m", "main~1", "main", "other")


@pytest.mark.parametrize(
    ("change", "processes"),
    [
        (_leave_it, 1),
        (_add, 1),
        (_add_ignored, 1),
        (_change, 2),
        (_stage, 2),
        (_stage_and_put_back, 2),
        (_rename, 2),
        (_delete, 2),
        (_go_on, 2),
        (_conflict, 2),
    ],
)
def test_it_is_told_as_two_questions_would_tell_it(
    repository: Git,
    clone: Path,
    git_calls: list[Sequence[str]],
    change: Callable[[Path], None],
    processes: int,
) -> None:
    head = CommitId(git(clone, "rev-parse", "HEAD"))
    change(clone)
    git_calls.clear()
    found = repository.differing(head, "triggers")
    assert len(git_calls) == processes
    changed = git(clone, "diff", "--name-only", "--no-renames", "-z", head, "--", "triggers")
    new = git(clone, "ls-files", "--others", "--exclude-standard", "-z", "--", "triggers")
    assert found == sorted(set(filter(None, (changed + new).split("\0"))))


def test_before_the_first_commit_every_file_differs(repository: Git, clone: Path) -> None:
    head = CommitId(git(clone, "rev-parse", "HEAD"))
    git(clone, "switch", "-q", "--orphan", "fresh")
    (clone / "triggers").mkdir(exist_ok=True)
    (clone / "triggers/b.yaml").write_text("")
    assert repository.differing(head, "triggers") == ["triggers/a.yaml", "triggers/b.yaml"]


def test_the_index_is_left_as_it_is(repository: Git, clone: Path) -> None:
    head = CommitId(git(clone, "rev-parse", "HEAD"))
    (clone / "triggers/a.yaml").write_text("a: 1\n")  # as it was, at another time
    before = (clone / ".git/index").read_bytes()
    assert repository.differing(head, "triggers") == []
    assert (clone / ".git/index").read_bytes() == before
