"""A push that takes as long as a claim lasts: the next claim is made for longer."""

from pathlib import Path

import pytest

from reconciler.sandbox import Sandbox, run_sandbox
from tests.environments import (
    LASTING,
    assert_each_started_once,
    configuration,
    make_setting,
    runs_of_one_flow_each,
)
from tests.repositories import isolate, write_hook

RUNS = 2


@pytest.mark.long  # tests/acceptance/test_refusals.py has slow pushes
def test_a_slow_push_makes_the_next_claim_longer_and_says_what_to_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate(monkeypatch, tmp_path)
    sandbox = Sandbox(LASTING)
    with run_sandbox(sandbox) as url:
        files = {
            **runs_of_one_flow_each(RUNS),
            "reconciler.yaml": configuration(url, claim=1, timeout=0.5),
        }
        setting = make_setting(tmp_path / "all", url, sandbox, files)
        write_hook(setting.origin, "pre-receive", "sleep 1")
        done = setting.run("apply")
        assert done.returncode == 0, done.stderr
        assert "raise limits.claimSeconds to" in done.stderr
        assert_each_started_once(setting, sandbox, RUNS)
