"""Where the reconciler comes from: what pip recorded, or what a person says."""

import json

import pytest

from reconciler.starting.choices import read_home, recorded_home

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "install", "action"),
    [
        ("https://github.com/acme/r", "https://github.com/acme/r@v1.2", "acme/r@v1.2"),
        ("git+https://github.com/acme/r.git@1a", "https://github.com/acme/r.git@1a", "acme/r@1a"),
        ("https://me:secret@github.com/a/r@v9?t=x", "https://github.com/a/r@v9", "a/r@v9"),
        ("git@git.example.test:team/r.git", "ssh://git@git.example.test/team/r.git@v1.2", ""),
        ("ssh://git:secret@host.test:2222/a/b/r@x", "ssh://git@host.test:2222/a/b/r@x", ""),
        (
            "https://github.com/YOUR-ORGANISATION/r@x",
            "https://github.com/YOUR-ORGANISATION/r@x",
            "",
        ),
    ],
)
def test_an_address_is_read_without_its_secrets(text: str, install: str, action: str) -> None:
    home = read_home(text, "1.2")
    assert home.install == f"enos-reconciler @ git+{install}"
    assert home.action == action


@pytest.mark.parametrize(
    "text", ["", "r", "http://h/r", "https://h", "https://h/a b", "https://h/a@$(x)", "file:///r"]
)
def test_what_is_no_address_of_a_repository_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"of a git repository|characters"):
        read_home(text, "1.2")


def test_what_pip_installed_from_git_is_the_home() -> None:
    vcs = {"vcs": "git", "commit_id": _COMMIT, "requested_revision": "v1"}
    recorded = json.dumps({"url": "https://u:p@git.example.test/acme/r", "vcs_info": vcs})
    home = recorded_home(recorded, "1.2")
    assert home is not None
    assert home.install == f"enos-reconciler @ git+https://git.example.test/acme/r@{_COMMIT}"


@pytest.mark.parametrize(
    "recorded",
    [None, "", "[]", "no", '{"url": "file:///x", "dir_info": {"editable": true}}',
     '{"url": "https://h/r", "vcs_info": {"commit_id": "v1"}}'],
)  # fmt: skip
def test_what_was_installed_otherwise_says_nothing(recorded: str | None) -> None:
    assert recorded_home(recorded, "1.2") is None
