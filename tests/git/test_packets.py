"""The default branch, as a fetch hears it."""

from pathlib import Path

import pytest

from reconciler.git import Git
from reconciler.git.packets import listen_to_packets
from reconciler.git.remote import HEAD, fetch_refs
from tests.repositories import git


def _heard(repository: Git) -> str | None:
    with listen_to_packets() as packets:
        fetch_refs(repository.root, "origin", [HEAD], packets)
        return packets.default()


@pytest.mark.parametrize("version", ["0", "2"])
@pytest.mark.parametrize("name", ["main", "trunk/näxt"])
def test_a_fetch_hears_which_branch_the_head_names(
    repository: Git, origin: Path, name: str, version: str
) -> None:
    git(repository.root, "config", "protocol.version", version)
    if name != "main":
        git(origin, "branch", "--move", "main", name)
    assert _heard(repository) == name


def test_a_head_that_names_no_branch_tells_of_none(repository: Git, origin: Path) -> None:
    git(origin, "update-ref", "--no-deref", "HEAD", "main")
    git(origin, "symbolic-ref", "HEAD", "refs/tags/v1")
    git(origin, "tag", "v1", "main")
    assert _heard(repository) is None


def test_who_has_git_write_its_packets_down_keeps_them(
    repository: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_TRACE_PACKET", str(tmp_path / "packets"))
    assert _heard(repository) is None
    assert "HEAD symref-target:refs/heads/main" in (tmp_path / "packets").read_text()


def test_the_default_branch_is_fetched_and_remembered_by_what_was_heard(
    repository: Git, origin: Path
) -> None:
    git(origin, "branch", "--move", "main", "trunk")
    tip = git(origin, "rev-parse", "trunk")
    fetched = repository.fetch_shared("origin", None, [])
    assert (fetched.name, fetched.tips) == ("trunk", {"trunk": tip, "main": None})
    assert git(repository.root, "rev-parse", "refs/reconciler/origin/trunk") == tip
    assert git(repository.root, "config", "reconciler.origin.branch") == "trunk"
