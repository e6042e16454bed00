"""Nothing that a checkout holds passes for a repository, and git runs no program of its naming."""

import os
from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import Git
from tests.repositories import commit, git


def run_by_git(folder: Path) -> str:
    """A shell command that leaves a mark, for settings that name a program."""
    return f"touch '{folder}/ran' #"


@pytest.fixture
def marked(tmp_path: Path) -> str:
    return run_by_git(tmp_path)


def _ran(tmp_path: Path) -> bool:
    return (tmp_path / "ran").exists()


def lay_bare_repository(folder: Path, program: str) -> None:
    """As files of a checkout: what git takes for a bare repository, with programs to run."""
    (folder / "objects").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "config").write_text(
        f'[core]\n\tbare = false\n\tworktree = .\n\tfsmonitor = "{program}"\n'
        f'\tsshCommand = "{program}"\n[remote "origin"]\n\turl = ssh://nowhere.invalid/x\n'
        f'[credential]\n\thelper = "!{program}"\n'
    )


def test_a_bare_repository_in_a_checkout_is_a_folder_like_any_other(
    clone: Path, tmp_path: Path, marked: str
) -> None:
    lay_bare_repository(clone / "team", marked)
    (clone / "team" / "triggers").mkdir()
    for folder, prefix in (("team", "team/"), ("team/triggers", "team/triggers/")):
        found = Git.at(clone / folder)
        assert (found.root, found.prefix) == (clone, prefix)
        found.check_remote("origin")
        assert found.fetch("origin", ["main"])["main"] is not None
        found.differing(found.read_worktree_commit() or pytest.fail("no commit"), "team")
    assert not _ran(tmp_path)


def test_a_bare_repository_outside_any_clone_is_never_opened(tmp_path: Path, marked: str) -> None:
    lay_bare_repository(tmp_path / "team", marked)
    with pytest.raises(GitError, match="not in a working tree"):
        Git.at(tmp_path / "team")
    assert not _ran(tmp_path)


@pytest.mark.parametrize("hook", ["reference-transaction", "post-merge", "post-checkout"])
def test_hooks_that_lie_in_the_checkout_are_not_run(
    clone: Path, tmp_path: Path, marked: str, hook: str
) -> None:
    first = git(clone, "rev-parse", "HEAD")
    commit(clone, {"more": "1"})
    git(clone, "push", "--quiet", "origin", "main")
    git(clone, "reset", "--quiet", "--hard", first)
    git(clone, "config", "core.hooksPath", ".hooks")
    (clone / ".hooks").mkdir()
    (clone / ".hooks" / hook).write_text(f"#!/bin/sh\n{marked}\n")
    (clone / ".hooks" / hook).chmod(0o755)
    repository = Git.at(clone)
    tip = repository.fetch("origin", ["main"])["main"]
    assert tip is not None
    repository.fast_forward_checkout("main", tip)
    assert not _ran(tmp_path)


@pytest.mark.parametrize("kind", ["clean", "process"])
def test_filters_and_monitors_that_lie_in_the_checkout_are_not_run(
    clone: Path, tmp_path: Path, marked: str, kind: str
) -> None:
    repository = Git.at(clone)
    head = repository.read_worktree_commit()
    assert head is not None
    git(clone, "config", f"filter.tidy.{kind}", marked)
    git(clone, "config", "filter.tidy.required", "true")
    git(clone, "config", "core.fsmonitor", marked)
    git(clone, "config", "diff.tidy.command", marked)
    git(clone, "config", "diff.tidy.textconv", marked)
    (clone / ".gitattributes").write_text("* filter=tidy diff=tidy\n")
    path = clone / "triggers" / "a.yaml"
    path.write_text("a: 2\n")
    assert repository.differing(head, "triggers") == ["triggers/a.yaml"]
    assert repository.is_dirty(["triggers"])
    path.write_text("a: 1\n")
    os.utime(path, (1, 1))  # so that git has to compare the content
    assert repository.differing(head, "triggers") == []
    assert not _ran(tmp_path)


def test_configuration_that_includes_a_file_of_the_checkout_is_refused(clone: Path) -> None:
    (clone / ".gitconfig").write_text("[user]\n\tname = x\n")
    git(clone, "config", "include.path", "../.gitconfig")
    with pytest.raises(GitError, match=r"includes \.gitconfig, a file of the checkout") as caught:
        Git.at(clone)
    assert "--show-origin" in str(caught.value.hint)


def test_credentials_that_actions_checkout_keeps_outside_the_checkout_are_included(
    clone: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "git-credentials.config"
    kept.write_text("[core]\n\tabbrev = 13\n")
    git(clone, "config", f"includeIf.gitdir:{clone}/.git.path", str(kept))
    git(clone, "config", "includeIf.gitdir:/github/workspace/.git.path", "/github/no.config")
    assert Git.at(clone).root == clone
    assert git(clone, "config", "core.abbrev") == "13"


def test_configuration_of_the_user_may_lie_anywhere(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = clone / "mine"
    mine.write_text((tmp_path / "gitconfig").read_text())
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    assert Git.at(clone).root == clone


def test_a_git_in_the_checkout_is_not_run_for_a_relative_path_variable(
    clone: Path, tmp_path: Path, marked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "git").write_text(f"#!/bin/sh\n{marked}\n")
    (clone / "git").chmod(0o755)
    for first in (".", ""):
        monkeypatch.setenv("PATH", f"{first}{os.pathsep}{os.environ['PATH']}")
        assert Git.at(clone).root == clone
    assert not _ran(tmp_path)


def test_a_repository_that_the_environment_names_with_its_working_tree_counts(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = tmp_path / "apart.git"
    head = git(clone, "rev-parse", "HEAD")
    (clone / ".git").rename(apart)
    monkeypatch.setenv("GIT_DIR", str(apart))
    monkeypatch.setenv("GIT_WORK_TREE", str(clone))
    repository = Git.at(clone / "triggers")
    assert (repository.root, repository.prefix) == (clone, "triggers/")
    assert repository.read_worktree_commit() == head


def test_what_wrappers_configure_in_the_environment_stays_in_force(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'remote.theirs.url'='https://x.invalid/'")
    Git.at(clone).check_remote("theirs")


def test_folders_above_a_ceiling_are_not_searched(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(clone))
    assert Git.at(clone).root == clone
    with pytest.raises(GitError, match="not a git repository"):
        Git.at(clone / "triggers")


def test_a_file_that_moved_differs_where_it_was_and_where_it_is(clone: Path) -> None:
    repository = Git.at(clone)
    head = repository.read_worktree_commit()
    assert head is not None
    git(clone, "mv", "triggers/a.yaml", "triggers/b.yaml")
    assert repository.differing(head, "triggers") == ["triggers/a.yaml", "triggers/b.yaml"]
