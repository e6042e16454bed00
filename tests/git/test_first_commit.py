"""What tests commit without git is what git would have made of it."""

from pathlib import Path

import pytest

from tests.repositories import commit, git, isolate, make_origin_and_clone

FILES = {
    "reconciler.yaml": "version: 1\n",
    "triggers/a.yaml": "a: 1\n",
    "triggers/a/b.yaml": "b: ü\n",
    "triggers/a-b.yaml": "",
    "triggers/a b.yaml": "a: 1\n",
    "state/prod/ledger.jsonl": "{}\n" * 5000,
}


def test_a_first_commit_is_the_one_that_git_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = isolate(monkeypatch, tmp_path)
    (tmp_path / "warm").mkdir()
    make_origin_and_clone(tmp_path / "warm", FILES)  # the empty repositories that all copy
    calls.clear()
    (tmp_path / "ours").mkdir()
    origin, clone = make_origin_and_clone(tmp_path / "ours", FILES)
    assert calls == []
    its_time = git(clone, "show", "--no-patch", "--format=%ad", "--date=raw")
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, its_time)
    by_git = tmp_path / "by-git"
    git(tmp_path, "init", "--quiet", str(by_git))
    assert commit(by_git, FILES) == git(clone, "rev-parse", "HEAD")
    for shown in (("ls-files", "--stage"), ("status", "--porcelain"), ("reflog", "--date=raw")):
        assert git(clone, *shown) == git(by_git, *shown)
    assert git(clone, "status", "--branch", "--porcelain") == "## main...origin/main"
    # Nothing is to be read again: the index knows each file as it is.
    git(clone, "diff-files", "--quiet")
    git(clone, "fsck", "--strict")
    git(origin, "fsck", "--strict")
    assert git(origin, "rev-parse", "main") == git(clone, "rev-parse", "origin/HEAD")
