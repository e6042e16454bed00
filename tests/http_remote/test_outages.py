"""The server is lost between claim and record: the outcomes are kept in a file and fed back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.apply import branch
from reconciler.cli.main import run
from reconciler.sandbox import Fault
from tests.environments import assert_each_started_once, runs_of_one_flow_each
from tests.http_remote.account import ANA, STRANGER
from tests.http_remote.hosted import Hosted, assert_no_secret, hosted
from tests.repositories import git
from tests.sampling import sampled

RUNS = 2
Change = Callable[[Hosted], None]


def _stop_the_server(site: Hosted) -> None:
    site.server.stop()


def _start_the_server(site: Hosted) -> None:
    site.server.start()


def _revoke_the_password(site: Hosted) -> None:
    site.server.admit_only(STRANGER)


def _give_the_password_back(site: Hosted) -> None:
    site.server.admit_only(ANA)


@pytest.mark.long  # tests/acceptance/test_settling.py has it without a server
@pytest.mark.parametrize(
    ("lose", "restore", "words"),
    sampled(
        [
            (_stop_the_server, _start_the_server, "Failed to connect"),
            (_revoke_the_password, _give_the_password_back, "Authentication failed"),
        ],
        every=2,
    ),
)
def test_outcomes_that_cannot_be_pushed_are_kept_and_fed_back_once(
    tmp_path: Path,
    lose: Change,
    restore: Change,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with hosted(tmp_path, runs_of_one_flow_each(RUNS)) as site:
        # The first start is asked for as soon as the claim has landed.
        site.sandbox.add_fault(Fault(on="trigger", call_before=lambda: lose(site)))
        code, said = _apply_here(site, monkeypatch, capsys)
        assert code == 1
        assert site.starts() == RUNS
        (file,) = site.setting.folder.glob("reconciler-rescue-*.jsonl")
        assert words in said
        assert f"reconciler recover {file}" in said
        assert_no_secret(said, file.read_text())

        restore(site)
        assert {state for state, _ in site.setting.states().values()} <= {"claimed", "in-doubt"}
        first = site.run("recover", str(file))
        assert first.returncode == 0, first.stderr
        assert f"{RUNS} recorded" in first.stdout
        assert_each_started_once(site.setting, site.sandbox, RUNS)
        tip = git(site.setting.origin, "rev-parse", "main")
        second = site.run("recover", str(file))
        assert second.returncode == 0, second.stderr
        assert "0 recorded" in second.stdout
        assert git(site.setting.origin, "rev-parse", "main") == tip
        assert site.run("apply").returncode == 0
        assert site.starts() == RUNS
        site.assert_nothing_leaked()


def _apply_here(
    site: Hosted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Apply in this process, where it can be told to try only once."""
    monkeypatch.setattr(branch, "LONGEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(branch, "RECORD_ATTEMPTS", 1)
    with monkeypatch.context() as variables:
        for name, value in site.setting.variables.items():
            variables.setenv(name, value)
        code = run(["apply", "--repo", str(site.setting.clone)])
    said = capsys.readouterr()
    return code, said.out + said.err
