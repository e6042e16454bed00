"""What git is configured to: read once, and never older than the files that it was read from."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.git import gitconfig
from reconciler.git.endpoints import check_one_target, check_remote
from tests.repositories import git, make_origin_and_clone


@pytest.fixture
def clone(git_calls: list[Sequence[str]], tmp_path: Path) -> Path:
    _, made = make_origin_and_clone(tmp_path)
    git_calls.clear()
    return made


def test_many_looks_take_one_process(clone: Path, git_calls: list[Sequence[str]]) -> None:
    for _ in range(3):
        assert gitconfig.read_value(clone, "user.name") == "Test"
        assert gitconfig.read_value(clone, "commit.gpgSign") == ""
        check_remote(clone, "origin")
        check_one_target(clone, "origin")
    assert [call[0] for call in git_calls] == ["config"]


@pytest.mark.parametrize("where", ["--local", "--global"])
def test_what_another_process_sets_is_seen_at_once(clone: Path, where: str) -> None:
    assert gitconfig.read_value(clone, "commit.gpgSign") == ""
    git(clone, "config", where, "commit.gpgSign", "true")
    assert gitconfig.read_value(clone, "commit.gpgSign") == "true"
    git(clone, "config", where, "commit.gpgSign", "yes!")  # of as many bytes
    assert gitconfig.read_value(clone, "commit.gpgSign") == "yes!"


def test_what_an_included_file_comes_to_say_is_seen(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "more").write_text('[remote "other"]\n\turl = a\n')
    git(clone, "config", "include.path", str(tmp_path / "more"))
    assert gitconfig.read_values(clone, "remote.other.url") == ["a"]
    (tmp_path / "more").write_text('[remote "other"]\n\turl = a\n\turl = b\n')
    assert gitconfig.read_values(clone, "remote.other.url") == ["a", "b"]


def test_what_is_set_here_is_seen_whatever_the_system_says_of_the_file(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gitconfig, "_status", lambda *_: None)
    assert gitconfig.read_value(clone, "reconciler.origin/main%3Atest.trace") == ""
    gitconfig.set_value(clone, "reconciler.origin/main%3Atest.trace", "branch")
    assert gitconfig.read_value(clone, "reconciler.origin/main%3Atest.trace") == "branch"
    assert git(clone, "config", "reconciler.origin/main%3Atest.trace") == "branch"


def test_names_are_found_however_their_section_and_last_word_are_written(clone: Path) -> None:
    (clone / ".git/config").write_text('[Remote "Or.I gin"]\n\tURL = x=y\\n z\n\tPushURL\n')
    assert gitconfig.read_value(clone, "remote.Or.I gin.Url") == "x=y\n z"
    assert gitconfig.read_values(clone, "REMOTE.Or.I gin.pushurl") == [None]
    assert gitconfig.read_value(clone, "remote.or.i gin.url") == ""
    assert gitconfig.list_names(clone, "remote.") == [
        "remote.Or.I gin.url",
        "remote.Or.I gin.pushurl",
    ]
