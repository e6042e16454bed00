"""Each usual way to give git the password works, and a wrong one is told and not shown."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.environments import assert_each_started_once, runs_of_one_flow_each
from tests.http_remote.account import ANA, STRANGER, Account, address
from tests.http_remote.hosted import connect, hosted
from tests.repositories import git
from tests.sampling import sampled

RUNS = 2
Way = Callable[[Path, int, Account], None]


def _in_the_url(clone: Path, port: int, account: Account) -> None:
    connect(clone, account.url(port))


def _by_a_credential_helper(clone: Path, port: int, account: Account) -> None:
    connect(clone, address(port))
    store = clone.parent / "credentials"
    store.write_text(f"{account.url(port, repository='')}\n")
    git(clone, "config", "credential.helper", f"store --file={store}")


def _in_a_header(clone: Path, port: int, account: Account) -> None:
    """As actions/checkout leaves a clone: on no branch, with a header for that one server."""
    connect(clone, address(port))
    git(clone, "config", f"http.{address(port)}.extraHeader", account.header)
    git(clone, "checkout", "--quiet", "--detach", "origin/main")


@pytest.mark.parametrize(
    "give", sampled([_in_the_url, _by_a_credential_helper, _in_a_header], every=3)
)
def test_runs_are_planned_and_applied_with_the_password_that_git_is_given(
    tmp_path: Path, give: Way
) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        give(site.setting.clone, site.server.port, ANA)
        planned = site.run("plan", "--format", "json")
        assert planned.returncode == 0, planned.stderr
        assert json.loads(planned.stdout)["summary"]["trigger"] == RUNS
        applied = site.run("apply", "--verbose")
        assert applied.returncode == 0, applied.stderr
        assert_each_started_once(site.setting, site.sandbox, RUNS)
        site.assert_nothing_leaked()
        assert "ana 200 POST /git/origin.git/git-receive-pack" in site.server.requests()


def _without_a_password(clone: Path, port: int, _: Account) -> None:
    connect(clone, address(port))


@pytest.mark.parametrize(
    ("give", "words"),
    sampled(
        [
            (_in_the_url, "Authentication failed for"),
            (_by_a_credential_helper, "Authentication failed for"),
            (_in_a_header, "could not read Username for"),  # git would ask, and must not
            (_without_a_password, "could not read Username for"),
        ],
        every=4,
    ),
)
def test_a_wrong_password_is_said_to_be_one_and_not_shown(
    tmp_path: Path, give: Way, words: str
) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        for command in ("plan", "apply"):
            give(site.setting.clone, site.server.port, STRANGER)
            done = site.run(command, "--verbose")
            assert done.returncode == 1
            assert f"{words} 'http://127.0.0.1:{site.server.port}" in done.stderr
            assert "give git access to the remote, then check it: git ls-remote" in done.stderr
        site.assert_nothing_started()


@pytest.mark.parametrize(("account", "code"), [(ANA, 0), (STRANGER, 1)])
def test_with_gits_tracing_on_all_is_the_same_and_no_password_is_shown(
    tmp_path: Path, account: Account, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        connect(site.setting.clone, account.url(site.server.port))
        # Whoever looks for a cause sets these, and git then writes down every URL and header.
        monkeypatch.setenv("GIT_TRACE", "1")
        monkeypatch.setenv("GIT_TRACE_CURL", "1")
        assert site.run("apply", "--verbose").returncode == code
        assert site.starts() == (RUNS if code == 0 else 0)


def test_who_may_only_read_is_told_that_the_push_was_declined(tmp_path: Path) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        git(site.setting.origin, "config", "http.receivepack", "false")
        assert site.run("plan").returncode == 0
        done = site.run("apply")
        assert done.returncode == 1
        assert "the remote declined the claim, so nothing was started under it" in done.stderr
        assert "returned error: 403" in done.stderr
        site.assert_nothing_started()
