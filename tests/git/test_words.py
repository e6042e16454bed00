from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import Git
from reconciler.git.words import readable, remote_words, without_credentials
from tests.repositories import git


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("https://me:s3cret@host/a.git", "https://***@host/a.git"),
        ("https://s3cret@host/a.git", "https://***@host/a.git"),
        ("HTTPS://me:s3@cret@host", "HTTPS://***@host"),
        ("http://me:s3/cret@host/a", "http://***@host/a"),
        ("ssh://me:s3cret@host/a", "ssh://***@host/a"),
        (
            "'https://x:s3cret@a/' and 'https://y:s3cret@b/'",
            "'https://***@a/' and 'https://***@b/'",
        ),
    ],
)
def test_credentials_in_an_address_are_struck_out(said: str, shown: str) -> None:
    assert without_credentials(said) == shown


@pytest.mark.parametrize(
    "said", ["ssh://git@host/a.git", "git@host:a.git", "https://host/a.git", "a@b.c https://x/y"]
)
def test_an_address_without_credentials_stays_as_it_is(said: str) -> None:
    assert without_credentials(said) == said


def test_escapes_and_control_characters_do_not_reach_the_terminal() -> None:
    assert (
        readable(b"\x1b[31mremote: \x1b[1mNo\x1b[0m\x07!\x1b]0;title\n") == "remote: No ! ]0;title"
    )


def test_gits_advice_for_people_at_a_prompt_is_left_out() -> None:
    assert readable(b"error: no\nhint: use git pull\n\nfatal: end   \n") == "error: no\nfatal: end"


def test_the_servers_words_are_told_from_gits() -> None:
    said = "Enumerating\nremote: \nremote: GH006: Protected   \nremote:   use a pull request\nTo x"
    assert remote_words(said) == "GH006: Protected\nuse a pull request"


def test_a_token_in_the_remotes_address_is_in_no_error(clone: Path) -> None:
    git(clone, "remote", "add", "web", "https://me:s3cret@127.0.0.1:1/x.git")
    with pytest.raises(GitError) as caught:
        Git.at(clone).fetch("web", ["main"])
    assert "s3cret" not in f"{caught.value}{caught.value.hint}"
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.hint == "check the network, and the remote's address: git remote -v"
