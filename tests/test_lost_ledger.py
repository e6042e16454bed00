"""A ledger that has lost events stops everything, however it lost them."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.clock import LocalClock
from reconciler.errors import LedgerError
from reconciler.git import Git
from reconciler.repository.settings import read_configuration
from reconciler.repository.store import GitStore
from reconciler.sandbox import Sandbox, run_sandbox
from tests.environments import Setting, make_setting, manifest, patient, runs_of_one_flow_each
from tests.repositories import commit, git, isolate, make_clone
from tests.sampling import sampled

LEDGER = "state/test/ledger.jsonl"


@pytest.fixture
def applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Iterator[Setting]:
    """A repository whose two runs have been started and recorded."""
    isolate(monkeypatch, tmp_path)
    with run_sandbox(sandbox) as url:
        files = {**runs_of_one_flow_each(2), **patient(url)}
        setting = make_setting(tmp_path / "all", url, sandbox, files)
        done = setting.run("apply")
        assert done.returncode == 0, done.stderr
        yield setting


def assert_nothing_is_started(setting: Setting, sandbox: Sandbox, clone: Path) -> None:
    done = setting.run("apply", clone=clone)
    assert done.returncode == 1
    assert "has lost events" in done.stderr or "orphaned: " in done.stderr
    assert "Traceback" not in done.stderr
    assert len(sandbox.instances) == 2


def test_a_branch_that_was_wound_back_is_noticed_by_a_clone_that_knew_it(
    applied: Setting, sandbox: Sandbox
) -> None:
    git(applied.clone, "push", "--quiet", "--force", "origin", "HEAD~2:main")
    assert_nothing_is_started(applied, sandbox, applied.clone)


def way_back_of(message: str) -> str:
    """The commands between backquotes that the end of the message names, as they stand."""
    return message.rpartition(": `")[2].rpartition("`")[0]


@pytest.mark.parametrize("apart", sampled([False, True], every=2))
def test_the_commands_that_the_message_names_bring_the_ledger_back(
    apart: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """In a new clone, which has nothing but what the remote keeps."""
    isolate(monkeypatch, tmp_path)
    with run_sandbox(sandbox) as url:
        files = {**runs_of_one_flow_each(2), **patient(url)}
        if apart:
            files["reconciler.yaml"] += "git: {ledgerBranch: the-ledger}\n"
        setting = make_setting(tmp_path / "all", url, sandbox, files)
        assert setting.run("apply").returncode == 0
        if apart:
            git(setting.origin, "update-ref", "-d", "refs/heads/the-ledger")
        else:
            git(setting.clone, "push", "--quiet", "--force", "origin", "HEAD~2:main")
        fresh = setting.clone_again("fresh")
        done = setting.run("status", clone=fresh)
        assert ("has no branch the-ledger, so" in done.stderr) is apart
        doctor = " ".join(setting.run("doctor", clone=fresh).stdout.split())
        assert ("has no branch the-ledger, and there was a ledger" in doctor) is apart
        assert "could not be read" not in doctor
        subprocess.run(["sh", "-ec", way_back_of(done.stderr)], cwd=fresh, check=True)
        git(fresh, "switch", "--quiet", "main")
        again = setting.run("apply", clone=fresh)
        assert (again.returncode, len(sandbox.instances)) == (0, 2), again.stderr


def test_a_plan_says_so_too_and_does_not_make_a_clone_forget(
    applied: Setting, sandbox: Sandbox
) -> None:
    git(applied.clone, "push", "--quiet", "--force", "origin", "HEAD~2:main")
    done = applied.run("plan")
    assert done.returncode == 1
    assert "has lost events" in done.stderr
    assert_nothing_is_started(applied, sandbox, applied.clone)


def test_a_reverted_record_is_noticed_by_a_fresh_clone(applied: Setting, sandbox: Sandbox) -> None:
    git(applied.clone, "revert", "--no-edit", "HEAD", "HEAD~1")
    git(applied.clone, "push", "--quiet", "origin", "main")
    assert_nothing_is_started(applied, sandbox, applied.clone_again("fresh"))


def test_a_merge_that_took_the_side_without_the_record_is_noticed_by_a_fresh_clone(
    applied: Setting, sandbox: Sandbox
) -> None:
    clone = applied.clone
    git(clone, "checkout", "--quiet", "-b", "older", "HEAD~2")
    commit(clone, {"README.md": "work on an older base\n"})
    git(clone, "merge", "--quiet", "--strategy=ours", "--no-edit", "main")
    git(clone, "push", "--quiet", "origin", "older:main")
    assert_nothing_is_started(applied, sandbox, applied.clone_again("fresh"))


def test_a_configuration_that_names_an_empty_folder_is_noticed(
    applied: Setting, sandbox: Sandbox
) -> None:
    text = (applied.clone / "reconciler.yaml").read_text().replace("state/test", "state/other")
    commit(applied.clone, {"reconciler.yaml": text})
    git(applied.clone, "push", "--quiet", "origin", "main")
    assert_nothing_is_started(applied, sandbox, applied.clone)


@pytest.mark.long  # the simulation of estates lives it
def test_a_ledger_that_was_moved_whole_is_still_the_same(
    applied: Setting, sandbox: Sandbox
) -> None:
    text = (applied.clone / "reconciler.yaml").read_text().replace("state/test", "state/other")
    git(applied.clone, "mv", "state/test", "state/other")
    commit(applied.clone, {"reconciler.yaml": text})
    git(applied.clone, "push", "--quiet", "origin", "main")
    for clone in (applied.clone, applied.clone_again("fresh")):
        done = applied.run("apply", clone=clone)
        assert done.returncode == 0, done.stderr
    assert len(sandbox.instances) == 2


def shallow(setting: Setting) -> Path:
    """A clone as a pipeline makes it: new, and of one commit."""
    return make_clone(setting.origin, setting.folder / "shallow", "--depth=1")


def change_configuration(setting: Setting, old: str, new: str) -> None:
    text = (setting.clone / "reconciler.yaml").read_text()
    assert old in text
    commit(setting.clone, {"reconciler.yaml": text.replace(old, new)})
    git(setting.clone, "push", "--quiet", "origin", "main")


@pytest.mark.long  # a deleted folder stays
def test_another_folder_is_noticed_by_a_new_shallow_clone(
    applied: Setting, sandbox: Sandbox
) -> None:
    change_configuration(applied, "state/test", "state/other")
    assert_nothing_is_started(applied, sandbox, shallow(applied))


def test_a_deleted_folder_is_noticed_by_a_new_shallow_clone(
    applied: Setting, sandbox: Sandbox
) -> None:
    git(applied.clone, "rm", "--quiet", "-r", "state")
    commit(applied.clone, {})
    git(applied.clone, "push", "--quiet", "origin", "main")
    assert_nothing_is_started(applied, sandbox, shallow(applied))


def test_a_ledger_branch_that_begins_without_the_ledger_is_noticed(
    applied: Setting, sandbox: Sandbox
) -> None:
    change_configuration(applied, "version: 1\n", "version: 1\ngit: {ledgerBranch: led}\n")
    assert_nothing_is_started(applied, sandbox, shallow(applied))


@pytest.mark.long  # one that begins without the ledger stays
def test_a_ledger_branch_without_what_lies_beside_the_manifests_is_noticed(
    applied: Setting, sandbox: Sandbox
) -> None:
    change_configuration(applied, "version: 1\n", "version: 1\ngit: {ledgerBranch: led}\n")
    git(applied.origin, "update-ref", "-d", "refs/reconciler/ledger/main%3Atest")
    done = applied.run("apply", clone=shallow(applied))
    assert done.returncode == 1
    assert "the one that lies beside the manifests" in done.stderr
    assert len(sandbox.instances) == 2


def test_a_ledger_branch_that_begins_with_the_ledger_goes_on_from_it(
    applied: Setting, sandbox: Sandbox
) -> None:
    change_configuration(applied, "version: 1\n", "version: 1\ngit: {ledgerBranch: led}\n")
    git(applied.clone, "push", "--quiet", "origin", "main:led")
    done = applied.run("apply", clone=shallow(applied))
    assert done.returncode == 0, done.stderr
    assert len(sandbox.instances) == 2


@pytest.mark.long  # one that begins without the ledger stays
def test_a_ledger_branch_given_up_without_its_ledger_is_noticed(
    applied: Setting, sandbox: Sandbox
) -> None:
    change_configuration(applied, "version: 1\n", "version: 1\ngit: {ledgerBranch: led}\n")
    git(applied.clone, "push", "--quiet", "origin", "main:led")
    files = {"triggers/late.yaml": manifest("late", 99)}
    commit(applied.clone, files)
    git(applied.clone, "push", "--quiet", "origin", "main")
    assert applied.run("apply").returncode == 0
    assert len(sandbox.instances) == 3
    change_configuration(applied, "git: {ledgerBranch: led}\n", "")
    done = applied.run("apply", clone=shallow(applied))
    assert done.returncode == 1
    assert "has lost events" in done.stderr
    assert len(sandbox.instances) == 3


@pytest.mark.long  # one that begins without the ledger stays
def test_a_ledger_branch_that_was_deleted_is_noticed(applied: Setting, sandbox: Sandbox) -> None:
    change_configuration(applied, "version: 1\n", "version: 1\ngit: {ledgerBranch: led}\n")
    git(applied.clone, "push", "--quiet", "origin", "main:led")
    git(applied.clone, "rm", "--quiet", "-r", "state")
    commit(applied.clone, {})
    git(applied.clone, "push", "--quiet", "origin", "main")
    assert applied.run("apply").returncode == 0
    git(applied.clone, "push", "--quiet", "--delete", "origin", "led")
    for clone in (applied.clone, shallow(applied)):
        assert_nothing_is_started(applied, sandbox, clone)


@pytest.mark.long  # a reverted record without settings stays
@pytest.mark.parametrize(
    ("name", "value"),
    sampled([("grep.patternType", "fixed"), ("i18n.logOutputEncoding", "UTF-16")], every=2),
)
def test_a_reverted_record_is_noticed_whatever_the_user_has_set_for_logs(
    applied: Setting, sandbox: Sandbox, name: str, value: str
) -> None:
    git(applied.clone, "revert", "--no-edit", "HEAD", "HEAD~1")
    git(applied.clone, "push", "--quiet", "origin", "main")
    git(applied.origin, "update-ref", "-d", "refs/reconciler/ledger/test")
    fresh = applied.clone_again("fresh")
    git(fresh, "config", name, value)
    assert_nothing_is_started(applied, sandbox, fresh)


@pytest.mark.long  # that they were taken away before it stays
def test_lines_taken_away_while_an_apply_is_at_work_are_noticed(
    applied: Setting, sandbox: Sandbox
) -> None:
    """It has read the ledger before another run was recorded, and reads it again after that."""
    clone = applied.clone_again("at-work")
    store = GitStore(Git.at(clone), read_configuration(clone), "test", now=LocalClock().wall())
    asyncio.run(store.fetch())
    git(applied.clone, "pull", "--quiet", "origin", "main")
    commit(applied.clone, {"triggers/later.yaml": manifest("later", 3, minute=9)})
    git(applied.clone, "push", "--quiet", "origin", "main")
    assert applied.run("apply").returncode == 0
    assert len(sandbox.instances) == 3
    git(applied.clone, "revert", "--no-edit", "HEAD", "HEAD~1")
    git(applied.clone, "push", "--quiet", "origin", "main")
    with pytest.raises(LedgerError, match="has lost events"):
        asyncio.run(store.fetch())
