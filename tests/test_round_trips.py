"""How often an apply asks the git remote: each time costs a connection."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.git import CompletedGit, command, lasting
from reconciler.sandbox import Sandbox, run_sandbox
from tests.environments import Setting, make_setting, manifest, patient, runs_of_one_flow_each
from tests.repositories import commit, git, isolate, make_clone, write_hook
from tests.sampling import sampled

_ASKS = re.compile(r"built-in: git (fetch|ls-remote|push)\b")
BESIDE, BRANCH = "refs/reconciler/ledger/main%3Atest", "refs/heads/reconciler-trace/main%3Atest"


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[Setting]:
    """One declared run; a claim that expires would make an apply ask more often."""
    isolate(monkeypatch, tmp_path)
    with run_sandbox(sandbox) as url:
        files = {**runs_of_one_flow_each(1), **patient(url)}
        yield make_setting(tmp_path / "all", url, sandbox, files)


def _asks(setting: Setting, clone: Path | None = None) -> Counter[str]:
    """Apply, and count the calls of git that ask the remote."""
    log = setting.folder / "trace"
    log.unlink(missing_ok=True)
    done = setting.run("apply", clone=clone, variables={"GIT_TRACE": str(log)})
    assert done.returncode == 0, done.stderr
    return Counter(_ASKS.findall(log.read_text()))


def _declare_another(setting: Setting, number: int = 7) -> None:
    git(setting.clone, "pull", "--quiet")
    commit(setting.clone, {f"triggers/late-{number}.yaml": manifest(f"late-{number}", number)})
    git(setting.clone, "push", "--quiet", "origin", "main")


def _kept(setting: Setting, ref: str = BESIDE) -> str:
    return git(setting.origin, "rev-parse", f"{ref}^{{tree}}")


def _recorded(setting: Setting) -> str:
    return git(setting.origin, "rev-parse", "main:state/test")


def test_an_apply_of_one_run_fetches_once_and_pushes_twice_and_reads_back_each_push(
    setting: Setting, sandbox: Sandbox
) -> None:
    _asks(setting)
    _declare_another(setting)
    assert _asks(setting) == {"fetch": 1, "push": 2, "ls-remote": 2}
    assert len(sandbox.instances) == 2
    assert _kept(setting) == _recorded(setting)


def test_a_new_clone_asks_no_more_often(setting: Setting) -> None:
    new = setting.clone_again("new")
    assert _asks(setting, new) == {"fetch": 1, "push": 2, "ls-remote": 2}
    assert _kept(setting) == _recorded(setting)


def test_an_apply_with_nothing_to_do_fetches_once(setting: Setting) -> None:
    _asks(setting)
    assert _asks(setting) == {"fetch": 1}


@pytest.mark.long  # a new clone that asks no more often stays
def test_a_new_shallow_clone_brings_the_newest_trace_only_and_stays_as_deep_as_it_was(
    setting: Setting,
) -> None:
    for number in (7, 8):
        _asks(setting)
        _declare_another(setting, number)
    shallow = make_clone(setting.origin, setting.folder / "shallow", "--depth=2")
    assert _asks(setting, shallow) == {"fetch": 2, "push": 2, "ls-remote": 2}
    traces = git(shallow, "rev-list", "refs/reconciler-memory/kept/origin/main%3Atest")
    assert len(traces.split()) == 3  # that which was there, and its own of claim and outcome
    assert len(git(setting.origin, "rev-list", BESIDE).split()) == 6
    branch = git(shallow, "rev-list", "refs/reconciler/origin/main")
    assert len(branch.split()) == 2
    _declare_another(setting, 9)
    assert _asks(setting, shallow) == {"fetch": 1, "push": 2, "ls-remote": 2}
    whole = git(setting.clone, "rev-parse", "--is-shallow-repository")
    assert whole == "false"


# Each with what the first apply pushes and reads back, and what any later one does.
@pytest.mark.parametrize(
    ("refusal", "first", "later", "ref"),
    sampled(
        [
            ("does not move both as one", 3, 3, BESIDE),
            ("takes only branches", 5, 2, BRANCH),
            ("hides other refs", 4, 2, BRANCH),
        ],
        every=3,
    ),
)
def test_what_a_server_refuses_is_tried_once(
    setting: Setting, refusal: str, first: int, later: int, ref: str
) -> None:
    if refusal == "does not move both as one":
        git(setting.origin, "config", "receive.advertiseAtomic", "false")
    elif refusal == "takes only branches":
        write_hook(setting.origin, "pre-receive", "! grep -qv ' refs/heads/'")
    else:
        git(setting.origin, "config", "transfer.hideRefs", "refs/reconciler")
    asks = _asks(setting)
    assert asks["push"] - (refusal == "does not move both as one") == first
    _declare_another(setting)
    asks = _asks(setting)
    assert (asks["push"], asks["ls-remote"]) == (later, later)
    assert _kept(setting, ref) == _recorded(setting)


def test_a_default_branch_that_is_remembered_wrongly_is_heard_of_by_the_fetch(
    setting: Setting, sandbox: Sandbox
) -> None:
    _asks(setting)
    git(setting.clone, "push", "--quiet", "origin", "main:trunk")
    git(setting.origin, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(setting.clone, "switch", "--quiet", "--create", "work")
    commit(setting.clone, {"triggers/late.yaml": manifest("late", 7)})
    git(setting.clone, "push", "--quiet", "origin", "work:trunk")
    assert _asks(setting) == {"fetch": 1, "push": 2, "ls-remote": 2}
    assert len(sandbox.instances) == 2
    assert git(setting.origin, "log", "-1", "--format=%s", "trunk").endswith("[skip ci]")


def test_where_the_fetch_says_nothing_of_it_the_default_branch_is_asked_for(
    setting: Setting, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person who has git write down what it hears keeps that.
    monkeypatch.setenv("GIT_TRACE_PACKET", str(setting.folder / "packets"))
    _asks(setting)
    git(setting.clone, "push", "--quiet", "origin", "main:trunk")
    git(setting.origin, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(setting.clone, "switch", "--quiet", "--create", "work")
    commit(setting.clone, {"triggers/late.yaml": manifest("late", 7)})
    git(setting.clone, "push", "--quiet", "origin", "work:trunk")
    assert _asks(setting)["ls-remote"] == 3
    assert len(sandbox.instances) == 2


def test_nothing_is_started_under_a_claim_on_a_branch_that_is_no_longer_the_default_one(
    setting: Setting, sandbox: Sandbox
) -> None:
    # It changes once the claim is under way, so that no fetch can tell.
    change = "git update-ref refs/heads/trunk HEAD && git symbolic-ref HEAD refs/heads/trunk"
    write_hook(setting.origin, "post-update", change)
    done = setting.run("apply")
    assert done.returncode == 1
    assert "trunk is now the default branch of origin, and main no longer is" in done.stderr
    assert not sandbox.instances


def test_few_processes_are_started(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes longer than what most of them are started for."""
    started: list[object] = []
    original = command.complete_git

    def counted(*args: Any) -> CompletedGit:
        started.append(args)
        return original(*args)

    monkeypatch.setattr(command, "complete_git", counted)

    def count(*arguments: str) -> int:
        lasting.forget_answers()  # each command has a process of its own
        started.clear()
        assert setting.run(*arguments).returncode == 0
        return len(started)

    assert count("apply") <= 25
    _declare_another(setting)
    assert count("apply") <= 25
    assert count("apply") <= 12
    assert count("plan") <= 13
    assert count("status") <= 11
    assert count("validate") <= 5
