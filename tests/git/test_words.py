import os
from itertools import product
from pathlib import Path
from tempfile import TemporaryFile
from time import process_time

import pytest

from reconciler.errors import GitError
from reconciler.git import Git
from reconciler.git.causes import advice, cause_kind
from reconciler.git.command import _contents, run_git
from reconciler.git.said import (
    MOST_BYTES,
    clean_words,
    keep_both_ends,
    mentioned_address,
    remote_words,
    without_credentials,
)
from tests.repositories import git
from tests.sampling import sampled


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
        clean_words(b"\x1b[31mremote: \x1b[1mNo\x1b[0m\x07!\x1b]0;title\n")
        == "remote: No ! ]0;title"
    )


def test_gits_advice_for_people_at_a_prompt_is_left_out() -> None:
    assert (
        clean_words(b"error: no\nhint: use git pull\n\nfatal: end   \n") == "error: no\nfatal: end"
    )


@pytest.mark.parametrize(
    ("part", "around"),
    sampled(
        product(
            [
                *("a", "a:", "a@", "a://", "a://b:", "a://b:c@", "https://", "https://a"),
                *("ssh://u:", "http://@", "://:", "\x1b[", "\x1b[0", "\x1b[ ", "0;"),
                *(
                    "repository ",
                    "permission to ",
                    "remote: ",
                    "hint:",
                    "\r",
                    " ",
                    "'",
                    '"',
                    "\x07",
                ),
            ],
            ["{}", "ssh://u:{}", "\x1b[{}", "repository {}", "{}@", "{} x"],
        ),
        every=38,
    ),
)
def test_a_long_answer_of_a_hostile_server_costs_no_more_than_its_length(
    part: str, around: str
) -> None:
    short, long = (around.format(part * (size // len(part))).encode() for size in (40_000, 320_000))
    # 8 times the length; squared: 64. A busy machine makes some rounds worse, none better.
    assert any(_cost_of_reading(long) < 24 * _cost_of_reading(short) for _ in range(6))


def _cost_of_reading(said: bytes) -> float:
    """Processor seconds."""
    began = process_time()
    shown = clean_words(said)
    remote_words(shown)
    advice(shown[:MOST_BYTES])
    cause_kind(shown[:MOST_BYTES])
    mentioned_address(shown)
    return process_time() - began


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("ssh://u:p@q://r:s@h", "ssh://***@h"),
        ("xssh://u:p@h,ssh://v:w@i", "xssh://***@i"),
        ("git+ssh://u:@h", "git+ssh://***@h"),
        ("ssh://h:22/a", "ssh://h:22/a"),
        ("://u:p@h", "://u:p@h"),
    ],
)
def test_a_password_is_struck_out_up_to_the_last_sign_that_may_end_it(
    said: str, shown: str
) -> None:
    assert without_credentials(said) == shown


def test_of_a_long_answer_both_ends_are_kept_and_no_word_is_cut() -> None:
    shown = clean_words(keep_both_ends(b"remote: no\nssh://u:s3c", b"ret@h x\nfatal: end\n", 7_000))
    assert shown.split("\n") == [
        "remote: no",
        "(7016 bytes of what git said are left out here)",
        " x",
        "fatal: end",
    ]
    assert clean_words(keep_both_ends(b"ssh://u:s3c", b"ret@h", 1)) == (
        "(17 bytes of what git said are left out here)"
    )


def test_a_git_that_never_stops_talking_is_cut_short(clone: Path) -> None:
    talk = "!f() { head -c 1000000 /dev/zero | tr '\\\\0' 'x' >&2; echo ' y' >&2; exit 3; }; f"
    git(clone, "config", "alias.talk", talk)
    completed = run_git(clone, "talk", accept=None)
    assert completed.exit_code == 3
    assert completed.stderr == "(1000000 bytes of what git said are left out here)\n y"


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


def test_to_read_what_git_has_said_moves_no_place_where_what_it_left_behind_still_writes() -> None:
    """`git receive-pack` may outlive a push. Its last words once stood over the push's own."""
    with TemporaryFile() as errors:
        os.write(errors.fileno(), b"fatal: the receiving end does not support push options\n")
        os.lseek(errors.fileno(), 7, os.SEEK_SET)
        said = _contents(errors)
        assert said == "fatal: the receiving end does not support push options"
        assert os.lseek(errors.fileno(), 0, os.SEEK_CUR) == 7
