"""What the remote keeps of a folder only grows, wherever the server lets it be."""

from pathlib import Path

from reconciler.git import CommitId, Git, ObjectId
from tests.repositories import git, make_clone, write_hook

NAME, FOLDER = "prod", "state/prod"
BESIDE, BRANCH = "refs/reconciler/ledger/prod", "refs/heads/reconciler-trace/prod"


def _ledger(repository: Git, text: str) -> CommitId:
    return repository.commit_files(None, {f"{FOLDER}/ledger.jsonl": text.encode()}, "m")


def _keep(repository: Git, text: str) -> str | None:
    def continues(new: ObjectId, old: ObjectId) -> bool:
        texts = [git(repository.root, "show", f"{tree}:ledger.jsonl") for tree in (new, old)]
        return texts[0].startswith(texts[1])

    return repository.keep("origin", NAME, _ledger(repository, text), FOLDER, continues)


def _kept(origin: Path, ref: str = BESIDE) -> list[str]:
    """The texts that the ref has held, the newest first."""
    commits = git(origin, "rev-list", ref).split()
    return [git(origin, "show", f"{commit}:ledger.jsonl") for commit in commits]


def _take_only_branches(origin: Path) -> None:
    write_hook(
        origin,
        "pre-receive",
        "cat > pushed; cat pushed >> all; ! grep -qv ' refs/heads/' pushed",
    )


def test_each_trace_follows_the_one_before_also_where_nothing_may_be_forced(
    repository: Git, origin: Path
) -> None:
    git(origin, "config", "receive.denyNonFastForwards", "true")
    for text in ("1", "12", "123"):
        assert _keep(repository, text) is None
    assert _kept(origin) == ["123", "12", "1"]


def test_an_older_reading_leaves_a_newer_trace_alone(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    slow = Git.at(make_clone(origin, tmp_path / "slow"))
    assert _keep(repository, "1") is None
    slow.fetch("origin", ["main"])
    assert _keep(repository, "123") is None
    assert _keep(slow, "12") is None
    assert _kept(origin) == ["123", "1"]


def test_a_clone_that_has_seen_no_trace_does_not_write_over_one(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    unknowing = Git.at(make_clone(origin, tmp_path / "unknowing"))
    assert _keep(repository, "123") is None
    assert _keep(unknowing, "12") is None
    assert _keep(unknowing, "1234") is None
    assert _kept(origin) == ["1234", "123"]


def test_a_trace_that_was_deleted_is_made_again(repository: Git, origin: Path) -> None:
    assert _keep(repository, "1") is None
    git(origin, "update-ref", "-d", BESIDE)
    assert _keep(repository, "12") is None
    assert _kept(origin)[0] == "12"


def test_a_server_that_takes_only_branches_keeps_it_on_one_and_is_not_asked_twice(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    _take_only_branches(origin)
    assert _keep(repository, "1") is None
    assert _keep(repository, "12") is None
    assert _kept(origin, BRANCH) == ["12", "1"]
    fresh = Git.at(make_clone(origin, tmp_path / "fresh", "--depth=1"))
    fresh.fetch("origin", ["main"])
    tree = fresh.kept("origin", NAME)
    assert git(fresh.root, "show", f"{tree}:ledger.jsonl") == "12"
    assert _keep(fresh, "123") is None
    assert _kept(origin, BRANCH) == ["123", "12", "1"]
    assert (origin / "all").read_text().count(BESIDE) == 1


def test_a_server_that_hides_the_refs_keeps_it_on_a_branch(repository: Git, origin: Path) -> None:
    git(origin, "config", "transfer.hideRefs", "refs/reconciler")
    assert _keep(repository, "1") is None
    assert _kept(origin, BRANCH) == ["1"]


def test_where_nothing_can_be_kept_the_reason_is_told_and_nothing_is_tried_again(
    repository: Git, origin: Path
) -> None:
    write_hook(origin, "pre-receive", "cat >> all; echo closed >&2; exit 1")
    first = _keep(repository, "1")
    assert first is not None
    assert "closed" in first
    tried = (origin / "all").read_text()
    assert _keep(repository, "12") is not None
    assert (origin / "all").read_text() == tried


def test_a_remote_that_cannot_be_reached_is_no_refusal_to_remember(
    repository: Git, origin: Path
) -> None:
    write_hook(origin, "pre-receive", "kill -9 0")
    assert _keep(repository, "1") is not None
    (origin / "hooks" / "pre-receive").unlink()
    assert _keep(repository, "1") is None
    assert _kept(origin) == ["1"]
