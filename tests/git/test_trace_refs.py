"""What the remote keeps of a folder only grows, wherever the server lets it be."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler.git import CommitId, Git, ObjectId
from reconciler.git.kept_refs import FETCHED, SEEN
from reconciler.git.push import PushDeclined, PushLanded, PushRaced, PushResult
from tests.repositories import commit, git, make_clone, say_ok_and_move_nothing, write_hook
from tests.sampling import sampled

NAME, FOLDER = "prod", "state/prod"
BESIDE, BRANCH = "refs/reconciler/ledger/prod", "refs/heads/reconciler-trace/prod"


def _ledger(repository: Git, text: str) -> CommitId:
    return repository.commit_files(None, {f"{FOLDER}/ledger.jsonl": text.encode()}, "m")


def _continues(repository: Git) -> Callable[[ObjectId, ObjectId], bool]:
    def continues(new: ObjectId, old: ObjectId) -> bool:
        texts = [git(repository.root, "show", f"{tree}:ledger.jsonl") for tree in (new, old)]
        return texts[0].startswith(texts[1])

    return continues


def _keep(repository: Git, text: str) -> str | None:
    made = _ledger(repository, text)
    return repository.keep("origin", NAME, made, FOLDER, _continues(repository))


def _push(repository: Git, text: str) -> PushResult:
    """Push a ledger and its trace together."""
    before = repository.fetch("origin", ["main"])["main"]
    made = repository.commit_files(before, {f"{FOLDER}/ledger.jsonl": text.encode()}, "m")
    trace = repository.make_next_trace("origin", NAME, made, FOLDER, _continues(repository))
    assert trace is not None
    result = repository.push("origin", made, "main", expected=before, timeout=60, trace=trace)
    if isinstance(result, PushLanded) and result.with_trace:
        repository.remember_next(NAME, trace.tree, repository.read_remembered(NAME), trace)
    return result


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
    traces = fresh.fetch_shared("origin", "main", []).traces
    tree = traces.trees[f"kept/origin/+/{NAME}"]
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


def test_a_trace_travels_with_the_push_that_it_follows(repository: Git, origin: Path) -> None:
    for text in ("1", "12"):
        assert _push(repository, text) == PushLanded(with_trace=True)
    assert _kept(origin) == ["12", "1"]


def test_neither_lands_where_the_branch_has_moved(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    assert _push(repository, "1") == PushLanded(with_trace=True)
    rival = make_clone(origin, tmp_path / "rival")
    commit(rival, {"x": "1"})
    script = f"git -C '{rival}' push --quiet origin main; exec git-receive-pack \"$@\""
    program = tmp_path / "receive"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    git(repository.root, "config", "remote.origin.receivepack", str(program))
    assert isinstance(_push(repository, "12"), PushRaced)
    assert _kept(origin) == ["1"]


def test_the_branch_lands_alone_where_somebody_else_has_kept_more(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    other = Git.at(make_clone(origin, tmp_path / "other"))
    other.fetch("origin", ["main"])
    assert _push(repository, "1") == PushLanded(with_trace=True)
    git(other.root, "update-ref", "-d", "refs/reconciler-memory/kept/origin/prod")
    before = git(origin, "rev-parse", "main")
    made = other.commit_files(
        other.fetch("origin", ["main"])["main"], {f"{FOLDER}/ledger.jsonl": b"12"}, "m"
    )
    git(other.root, "update-ref", "-d", "refs/reconciler-memory/kept/origin/prod")
    trace = other.make_next_trace("origin", NAME, made, FOLDER, _continues(other))
    result = other.push("origin", made, "main", expected=CommitId(before), timeout=60, trace=trace)
    assert result == PushLanded()
    assert _kept(origin) == ["1"]
    assert other.make_next_trace("origin", NAME, made, FOLDER, _continues(other)) is not None


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_trace_is_noted_though_the_clone_remembers_something_else_meanwhile(
    repository: Git, git_calls: list[Sequence[str]], is_behind: bool
) -> None:
    assert _push(repository, "1") == PushLanded(with_trace=True)
    before = repository.read_remembered(NAME)
    made = _ledger(repository, "12")
    trace = repository.make_next_trace("origin", NAME, made, FOLDER, _continues(repository))
    assert trace is not None
    if is_behind:
        git(repository.root, "update-ref", f"{SEEN}/{NAME}", f"{made}^{{tree}}")
    git_calls.clear()
    assert repository.remember_next(NAME, trace.tree, before, trace) != is_behind
    assert len(git_calls) == (2 if is_behind else 1)
    kept = git(repository.root, "rev-parse", f"{FETCHED}/origin/{NAME}")
    assert kept == trace.move.commit
    seen = git(repository.root, "rev-parse", f"{SEEN}/{NAME}")
    assert seen == git(
        repository.root, "rev-parse", f"{made}^{{tree}}" if is_behind else trace.tree
    )


def test_what_is_known_of_the_traces_is_not_asked_for_again(
    repository: Git, git_calls: list[Sequence[str]]
) -> None:
    assert _push(repository, "1") == PushLanded(with_trace=True)
    known = repository.fetch_shared("origin", "main", []).traces
    made = _ledger(repository, "12")
    asked = repository.make_next_trace("origin", NAME, made, FOLDER, _continues(repository))
    assert asked is not None
    git_calls.clear()
    told = repository.make_next_trace("origin", NAME, made, FOLDER, lambda *_: True, known)
    assert told is not None
    assert (told.move.ref, told.move.expected) == (asked.move.ref, asked.move.expected)
    assert [call[2] for call in git_calls] == ["commit-tree"]
    later = known.with_kept("origin", f"kept/origin/{NAME}", ObjectId(told.move.commit), told.tree)
    git_calls.clear()
    assert repository.make_next_trace("origin", NAME, made, FOLDER, lambda *_: True, later) is None
    assert repository.keep("origin", NAME, made, FOLDER, lambda *_: True, later) is None
    assert not git_calls


@pytest.mark.parametrize("earlier", sampled([["1"], []], every=2))
def test_a_trace_that_a_server_moves_without_its_branch_is_taken_back(
    repository: Git, origin: Path, earlier: list[str]
) -> None:
    for text in earlier:
        assert _push(repository, text) == PushLanded(with_trace=True)
    say_ok_and_move_nothing(origin)
    assert isinstance(_push(repository, "12"), PushDeclined)
    # On top, for a ref that is gone would leave what it held to whoever has fetched it meanwhile.
    assert git(origin, "rev-list", "--count", BESIDE) == str(len(earlier) + 2)
    files = git(origin, "ls-tree", "--name-only", BESIDE).split()
    assert [git(origin, "show", f"{BESIDE}:{name}") for name in files] == earlier


def test_a_server_that_cannot_be_reached_is_not_remembered_as_one_that_refuses(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(clone, "remote", "set-url", "--push", "origin", str(origin.parent / "nothing"))
    said = _keep(repository, "1")
    assert said is not None
    assert "does not appear to be a git repository" in said
    git(clone, "config", "--unset", "remote.origin.pushurl")
    assert _keep(repository, "1") is None
    assert _kept(origin) == ["1"]
