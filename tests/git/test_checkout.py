import os
from pathlib import Path

import pytest

from reconciler.git import AlreadyThere, CommitId, FastForwarded, Git, NotSafe
from tests.repositories import commit, fingerprint, git, make_origin_and_clone


@pytest.fixture
def ahead(repository: Git, clone: Path) -> CommitId:
    """A commit one ahead of the checkout, as an apply makes it."""
    head = CommitId(git(clone, "rev-parse", "HEAD"))
    return repository.commit_files(head, {"state/prod/ledger.jsonl": b"more"}, "m")


def test_a_clean_checkout_moves_forward_with_its_files(
    repository: Git, clone: Path, ahead: CommitId
) -> None:
    assert repository.fast_forward_checkout("main", ahead) == FastForwarded()
    assert repository.read_worktree_commit() == ahead
    assert (clone / "state/prod/ledger.jsonl").read_text() == "more"
    assert not repository.is_dirty()


def test_changes_elsewhere_are_kept(repository: Git, clone: Path, ahead: CommitId) -> None:
    (clone / "README.md").write_text("being edited")
    (clone / "staged").write_text("staged")
    git(clone, "add", "staged")
    assert repository.fast_forward_checkout("main", ahead) == FastForwarded()
    assert (clone / "README.md").read_text() == "being edited"
    assert git(clone, "diff", "--cached", "--name-only") == "staged"


def test_a_change_in_the_way_is_kept_and_named(
    repository: Git, clone: Path, ahead: CommitId
) -> None:
    (clone / "state/prod/ledger.jsonl").write_text("by hand")
    git(clone, "config", "merge.autoStash", "true")
    before = fingerprint(clone)
    result = repository.fast_forward_checkout("main", ahead)
    assert isinstance(result, NotSafe)
    assert "state/prod/ledger.jsonl" in result.reason
    assert fingerprint(clone) == before


def test_a_detached_head_is_left_alone(repository: Git, clone: Path, ahead: CommitId) -> None:
    git(clone, "switch", "--quiet", "--detach")
    result = repository.fast_forward_checkout("main", ahead)
    assert result == NotSafe(reason="no branch is checked out (detached HEAD)")
    assert repository.read_worktree_commit() != ahead


def test_another_branch_is_left_alone(repository: Git, clone: Path, ahead: CommitId) -> None:
    git(clone, "switch", "--quiet", "--create", "feature/x")
    result = repository.fast_forward_checkout("main", ahead)
    assert result == NotSafe(reason="feature/x is checked out")
    assert git(clone, "rev-parse", "main") != ahead


def test_a_branch_with_commits_of_its_own_is_left_alone(
    repository: Git, clone: Path, ahead: CommitId
) -> None:
    own = commit(clone, {"own": "1"})
    result = repository.fast_forward_checkout("main", ahead)
    assert result == NotSafe(reason="main has commits here that the remote does not have")
    assert repository.read_worktree_commit() == own


def test_a_checkout_that_holds_the_commit_is_already_there(repository: Git, clone: Path) -> None:
    pushed = CommitId(git(clone, "rev-parse", "HEAD"))
    assert repository.fast_forward_checkout("main", pushed) == AlreadyThere()
    commit(clone, {"own": "1"})
    assert repository.fast_forward_checkout("main", pushed) == AlreadyThere()


def test_a_checkout_without_a_commit_is_left_alone(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "fresh")
    fresh = Git.at(tmp_path / "fresh")
    made = fresh.commit_files(None, {"f": b""}, "m")
    assert fresh.read_worktree_commit() is None
    assert fresh.fast_forward_checkout("main", made) == NotSafe(
        reason="main has no commit here yet"
    )


def test_the_users_options_for_merges_do_not_apply(
    repository: Git, clone: Path, ahead: CommitId
) -> None:
    git(clone, "config", "branch.main.mergeOptions", "--squash --no-ff")
    assert repository.fast_forward_checkout("main", ahead) == FastForwarded()
    assert repository.read_worktree_commit() == ahead


def test_another_git_at_work_leaves_the_checkout_alone(
    repository: Git, clone: Path, ahead: CommitId
) -> None:
    (clone / ".git/index.lock").touch()
    result = repository.fast_forward_checkout("main", ahead)
    assert isinstance(result, NotSafe)
    assert "index.lock" in result.reason


def test_submodules_stay_where_they_are(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    inner, _ = make_origin_and_clone(tmp_path / "inner")
    git(clone, "submodule", "--quiet", "add", inner.as_uri(), "sub")
    commit(clone, {})
    newer = commit(clone / "sub", {"newer": "1"})
    target = CommitId(commit(clone, {}))
    git(clone / "sub", "switch", "--quiet", "--detach", "HEAD~1")
    git(clone, "reset", "--quiet", "--hard", "HEAD~1")
    git(clone, "config", "submodule.recurse", "true")
    assert Git.at(clone).fast_forward_checkout("main", target) == FastForwarded()
    assert git(clone / "sub", "rev-parse", "HEAD") != newer


def test_a_linked_worktree_moves_alone(clone: Path, tmp_path: Path) -> None:
    git(clone, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "tree"))
    before = fingerprint(clone)
    tree = Git.at(tmp_path / "tree")
    made = tree.commit_files(tree.read_worktree_commit(), {"f": b"1"}, "m")
    assert tree.fast_forward_checkout("side", made) == FastForwarded()
    assert (tmp_path / "tree/f").read_text() == "1"
    assert fingerprint(clone) == before


def test_dirty_is_about_the_paths_asked_for(repository: Git, clone: Path) -> None:
    (clone / "triggers/new file.yaml").write_text("")
    (clone / ".git/info/exclude").write_text("ignored\n")
    (clone / "state/ignored").write_text("")
    assert repository.is_dirty()
    assert repository.is_dirty([""])
    assert repository.is_dirty(["state", "triggers"])
    assert repository.is_dirty(["triggers/new file.yaml"])
    assert not repository.is_dirty(["state", "README.md", "absent"])


def test_a_staged_and_a_removed_file_are_dirty(repository: Git, clone: Path) -> None:
    (clone / "triggers/a.yaml").unlink()
    (clone / "README.md").write_text("2")
    git(clone, "add", "README.md")
    assert repository.is_dirty(["triggers"])
    assert repository.is_dirty(["README.md"])


def test_to_ask_whether_a_path_is_dirty_writes_nothing(repository: Git, clone: Path) -> None:
    os.utime(clone / "README.md", (1, 1))  # makes git want to refresh its index
    before = fingerprint(clone)
    assert not repository.is_dirty()
    assert fingerprint(clone) == before


def test_a_changed_submodule_is_not_dirt(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    inner, _ = make_origin_and_clone(tmp_path / "inner")
    git(clone, "submodule", "--quiet", "add", inner.as_uri(), "sub")
    commit(clone, {})
    commit(clone / "sub", {"newer": "1"})
    assert not Git.at(clone).is_dirty()
