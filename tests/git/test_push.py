import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import (
    CommitId,
    CompletedGit,
    Git,
    Landed,
    PushResult,
    Raced,
    Refused,
    Unclear,
    UpToDate,
)
from reconciler.git.push import read_answer
from tests.repositories import commit, git, make_clone, write_hook

SECONDS = 60.0  # more than any of these pushes takes


def _tip(origin: Path) -> CommitId:
    return CommitId(git(origin, "rev-parse", "refs/heads/main"))


def _push_on(repository: Git, parent: CommitId | None, name: str = "claim") -> PushResult:
    made = repository.commit_files(parent, {f"state/{name}": name.encode()}, name)
    return repository.push("origin", made, "main", expected=parent, timeout=SECONDS)


def test_a_push_from_where_the_branch_is_lands(repository: Git, origin: Path) -> None:
    before = _tip(origin)
    assert _push_on(repository, before) == Landed()
    assert git(origin, "rev-parse", "main^") == before


def test_a_push_from_where_the_branch_was_loses_and_changes_nothing(
    repository: Git, origin: Path
) -> None:
    before = _tip(origin)
    _push_on(repository, before, "first")
    landed = _tip(origin)
    assert isinstance(_push_on(repository, before, "second"), Raced)
    assert _tip(origin) == landed


def test_a_branch_set_back_is_not_brought_back_by_a_push(repository: Git, origin: Path) -> None:
    old = _tip(origin)
    _push_on(repository, old, "withdrawn")
    withdrawn = _tip(origin)
    git(origin, "update-ref", "refs/heads/main", old)
    assert isinstance(_push_on(repository, withdrawn, "on top"), Raced)
    assert _tip(origin) == old


def test_a_branch_is_created_only_where_there_is_none(repository: Git, origin: Path) -> None:
    made = repository.commit_files(None, {"ledger": b""}, "m")
    other = repository.commit_files(None, {"ledger": b"other"}, "m")
    first = repository.push("origin", made, "ledger", expected=None, timeout=SECONDS)
    second = repository.push("origin", other, "ledger", expected=None, timeout=SECONDS)
    assert first == Landed()
    assert isinstance(second, Raced)
    assert git(origin, "rev-parse", "ledger") == made


def test_pushing_what_is_there_already_is_no_acquisition(repository: Git, origin: Path) -> None:
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    again = repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    assert again == UpToDate()


def test_a_commit_that_would_lose_history_is_not_pushed(repository: Git, origin: Path) -> None:
    before = _tip(origin)
    unrelated = repository.commit_files(None, {"f": b""}, "m")
    with pytest.raises(GitError, match="would lose history"):
        repository.push("origin", unrelated, "main", expected=before, timeout=SECONDS)
    assert _tip(origin) == before


def test_of_two_clones_that_push_at_the_same_moment_exactly_one_lands(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    # Each push waits in the server's hook, having seen the same tip, until both are there.
    write_hook(
        origin,
        "pre-receive",
        'touch "arrived.$$"\n'
        "for i in $(seq 600); do\n"
        "  [ $(ls -d arrived.* | wc -l) -ge 2 ] && exit 0\n"
        "  sleep 0.05\n"
        "done\n"
        "exit 1",
    )
    before = _tip(origin)
    rival = Git.at(make_clone(origin, tmp_path / "rival"))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(_push_on, repository, before, "first")
        second = pool.submit(_push_on, rival, before, "second")
        results = [first.result(), second.result()]
    assert sorted(type(result).__name__ for result in results) == ["Landed", "Raced"]
    winner = "first" if results[0] == Landed() else "second"
    assert git(origin, "log", "--format=%s", f"{before}..main") == winner


def test_threads_that_share_a_clone_all_land_in_the_end(repository: Git, origin: Path) -> None:
    start = threading.Barrier(8)

    def land(number: int) -> int:
        start.wait()
        for attempt in range(1, 200):
            parent = repository.fetch("origin", ["main"])["main"]
            assert parent is not None
            match _push_on(repository, parent, f"by-{number}"):
                case Landed():
                    return attempt
                case Raced():
                    continue
                case other:
                    pytest.fail(f"neither landed nor raced: {other}")
        pytest.fail(f"{number} never landed")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(land, range(8)))
    assert sorted(git(origin, "log", "--format=%s", "main~8..main").split()) == [
        f"by-{number}" for number in range(8)
    ]
    assert len(git(origin, "ls-tree", "--name-only", "main:state").split()) == 9  # and prod
    git(origin, "fsck", "--strict", "--no-dangling")


def test_a_hook_that_declines_is_heard_in_its_own_words(repository: Git, origin: Path) -> None:
    write_hook(
        origin,
        "pre-receive",
        'echo "main is protected: stale info, fetch first, try again" >&2; exit 1',
    )
    before = _tip(origin)
    assert _push_on(repository, before) == Refused(
        message="main is protected: stale info, fetch first, try again\n"
        "[remote rejected] (pre-receive hook declined)"
    )
    assert _tip(origin) == before


def test_a_branch_that_the_server_has_checked_out_is_a_refusal(
    repository: Git, origin: Path, clone: Path, tmp_path: Path
) -> None:
    served = make_clone(origin, tmp_path / "served")
    git(clone, "remote", "set-url", "origin", str(served))
    result = _push_on(repository, _tip(origin))
    assert isinstance(result, Refused)
    assert "branch is currently checked out" in result.message


def test_a_lock_held_on_the_server_is_a_race(repository: Git, origin: Path) -> None:
    before = _tip(origin)
    (origin / "refs/heads/main.lock").touch()
    assert isinstance(_push_on(repository, before), Raced)
    assert _tip(origin) == before


def test_a_branch_that_cannot_be_made_on_the_server_is_a_refusal(repository: Git) -> None:
    made = repository.commit_files(None, {"f": b""}, "m")
    result = repository.push("origin", made, "main/ledger", expected=None, timeout=SECONDS)
    assert isinstance(result, Refused)
    assert "main" in result.message


def test_a_push_whose_answer_is_lost_is_unclear_and_a_fetch_shows_that_it_landed(
    repository: Git, origin: Path
) -> None:
    # The server has moved the branch; then the whole process group of `git push` dies.
    write_hook(origin, "post-receive", "kill -9 0")
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    result = repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    assert isinstance(result, Unclear)
    tip = repository.fetch("origin", ["main"])["main"]
    assert tip is not None
    assert repository.is_ancestor(made, tip)


def test_a_push_that_dies_before_the_branch_moves_is_unclear_and_a_fetch_shows_that_it_did_not_land(
    repository: Git, origin: Path
) -> None:
    write_hook(origin, "pre-receive", "kill -9 0")
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    result = repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    assert isinstance(result, Unclear)
    tip = repository.fetch("origin", ["main"])["main"]
    assert tip == before
    assert not repository.is_ancestor(made, tip)


def test_a_push_that_takes_too_long_is_unclear(repository: Git, origin: Path) -> None:
    write_hook(origin, "pre-receive", "exec sleep 600")
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    result = repository.push("origin", made, "main", expected=before, timeout=0.5)
    assert isinstance(result, Unclear)
    assert "took longer than 0.5 s" in result.message


def test_a_remote_that_is_gone_is_a_refusal(repository: Git, origin: Path, tmp_path: Path) -> None:
    before = _tip(origin)
    origin.rename(tmp_path / "moved.git")
    result = _push_on(repository, before)
    assert isinstance(result, Refused)
    assert "does not appear to be a git repository" in result.message


def test_a_remote_that_was_never_set_up_is_a_clear_error(repository: Git, origin: Path) -> None:
    with pytest.raises(GitError, match="No such remote 'nowhere'"):
        repository.push("nowhere", _tip(origin), "main", expected=None, timeout=SECONDS)


def test_a_remote_that_pushes_to_two_places_is_no_lock_and_a_clear_error(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(clone, "remote", "set-url", "--push", "--add", "origin", str(origin))
    git(clone, "remote", "set-url", "--push", "--add", "origin", str(origin.parent / "b.git"))
    with pytest.raises(GitError, match="pushes to 2 repositories"):
        _push_on(repository, _tip(origin))


def test_a_push_works_in_a_shallow_clone_on_a_detached_head(
    origin: Path, clone: Path, tmp_path: Path
) -> None:
    commit(clone, {"x": "2"})
    git(clone, "push", "--quiet")
    shallow = make_clone(origin, tmp_path / "shallow", "--depth", "1")
    git(shallow, "switch", "--quiet", "--detach")
    assert _push_on(Git.at(shallow), _tip(origin)) == Landed()
    git(origin, "fsck", "--strict", "--no-dangling")


def test_a_push_takes_nothing_along_but_the_branch(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(clone, "config", "push.followTags", "true")
    git(clone, "tag", "--annotate", "--message", "mine", "mine")
    _push_on(repository, _tip(origin))
    assert git(origin, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_the_users_pre_push_hook_is_not_run(repository: Git, origin: Path, clone: Path) -> None:
    write_hook(clone / ".git", "pre-push", "exit 1")
    assert _push_on(repository, _tip(origin)) == Landed()


def _answer(*lines: str, code: int = 1, said: str = "") -> PushResult:
    done = CompletedGit(exit_code=code, stdout="\n".join(lines).encode(), stderr=said)
    return read_answer(done, "c0ffee:refs/heads/main")


# Answers of servers that a test cannot run, in the form of `git push --porcelain` (git-push(1)).
@pytest.mark.parametrize(
    ("summary", "said", "kind"),
    [
        ("[rejected] (stale info)", "", Raced),
        ("[rejected] (non-fast-forward)", "", Raced),
        ("[rejected] (fetch first)", "", Raced),
        ("[remote rejected] (incorrect old value provided)", "", Raced),
        ("[remote rejected] (cannot lock ref 'x': is at 1a but expected 2b)", "", Raced),
        ("[remote rejected] (cannot lock ref 'x': reference already exists)", "", Raced),
        ("[remote rejected] (TF401028: The reference has already been updated)", "", Raced),
        ("[remote rejected] (failed to update ref)", "", Unclear),
        ("[remote rejected] (failed to update ref)", "remote: Permission denied", Refused),
        ("[remote rejected] (Internal Server Error)", "", Unclear),
        ("[remote failure] (remote failed to report status)", "", Unclear),
        ("[remote rejected] (protected branch hook declined)", "remote: GH006", Refused),
        ("[remote rejected] (permission denied)", "", Refused),
        ("[remote rejected] (unpacker error)", "remote: disk full", Refused),
        ("[something new]", "", Refused),
    ],
)
def test_a_rejection_is_told_apart_by_its_reason(
    summary: str, said: str, kind: type[PushResult]
) -> None:
    result = _answer("To x", f"!\tc0ffee:refs/heads/main\t{summary}", said=said)
    assert isinstance(result, kind)


@pytest.mark.parametrize(
    "said",
    [
        "fatal: unable to access 'https://h/': Could not resolve host: h",
        "fatal: the remote end hung up unexpectedly",
        "error: RPC failed; HTTP 504",
        "fatal: Connection reset by peer",
        "",
    ],
)
def test_without_an_answer_it_is_unclear(said: str) -> None:
    assert isinstance(_answer(said=said, code=128), Unclear)


@pytest.mark.parametrize(
    "said",
    [
        "fatal: unable to access 'https://h/': The requested URL returned error: 403",
        "fatal: could not read Username for 'https://h': terminal prompts disabled",
        "fatal: Authentication failed for 'https://h/'",
        "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.",
        "ERROR: Repository not found.\nfatal: Could not read from remote repository.",
        "Host key verification failed.\nfatal: Could not read from remote repository.",
    ],
)
def test_without_access_it_is_a_refusal(said: str) -> None:
    assert _answer(said=said, code=128) == Refused(message=said)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([" \tc0ffee:refs/heads/main\tabc..def", "Done"], 1),
        ([" \tc0ffee:refs/heads/other\tabc..def", "Done"], 0),
        (["Everything up-to-date"], 0),
        (["?\tc0ffee:refs/heads/main\tabc..def", "Done"], 0),
        ([" \tc0ffee:refs/heads/main\tabc..def"] * 2, 0),
        ([], 0),
    ],
)
def test_an_answer_that_is_not_exactly_as_foreseen_is_never_a_landing(
    lines: list[str], code: int
) -> None:
    assert isinstance(_answer(*lines, code=code), Unclear)
