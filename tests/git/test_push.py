import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import CommitId, CompletedGit, Git
from reconciler.git.causes import advice
from reconciler.git.endpoints import read_addresses
from reconciler.git.push import PushDeclined, PushLanded, PushRaced, PushResult, PushUnclear
from reconciler.git.sending import Heard, PushAnswer, read_answer
from tests.repositories import commit, git, make_clone, say_ok_and_move_nothing, write_hook
from tests.sampling import sampled

SECONDS = 60.0  # more than any of these pushes takes


def _tip(origin: Path) -> CommitId:
    return CommitId(git(origin, "rev-parse", "refs/heads/main"))


def _push_on(repository: Git, parent: CommitId | None, name: str = "claim") -> PushResult:
    made = repository.commit_files(parent, {f"state/{name}": name.encode()}, name)
    return repository.push("origin", made, "main", expected=parent, timeout=SECONDS)


def test_a_push_from_where_the_branch_is_lands(repository: Git, origin: Path) -> None:
    before = _tip(origin)
    assert _push_on(repository, before) == PushLanded()
    assert git(origin, "rev-parse", "main^") == before


def test_a_push_from_where_the_branch_was_loses_and_changes_nothing(
    repository: Git, origin: Path
) -> None:
    before = _tip(origin)
    _push_on(repository, before, "first")
    landed = _tip(origin)
    assert isinstance(_push_on(repository, before, "second"), PushRaced)
    assert _tip(origin) == landed


def test_a_branch_set_back_is_not_brought_back_by_a_push(repository: Git, origin: Path) -> None:
    old = _tip(origin)
    _push_on(repository, old, "withdrawn")
    withdrawn = _tip(origin)
    git(origin, "update-ref", "refs/heads/main", old)
    assert isinstance(_push_on(repository, withdrawn, "on top"), PushRaced)
    assert _tip(origin) == old


def test_a_branch_is_created_only_where_there_is_none(repository: Git, origin: Path) -> None:
    made = repository.commit_files(None, {"ledger": b""}, "m")
    other = repository.commit_files(None, {"ledger": b"other"}, "m")
    first = repository.push("origin", made, "ledger", expected=None, timeout=SECONDS)
    second = repository.push("origin", other, "ledger", expected=None, timeout=SECONDS)
    assert first == PushLanded()
    assert isinstance(second, PushRaced)
    assert git(origin, "rev-parse", "ledger") == made


def test_what_is_there_already_counts_because_nobody_else_has_it_to_push(
    repository: Git, origin: Path
) -> None:
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    again = repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    assert again == PushLanded()


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
    assert sorted(type(result).__name__ for result in results) == ["PushLanded", "PushRaced"]
    winner = "first" if results[0] == PushLanded() else "second"
    assert git(origin, "log", "--format=%s", f"{before}..main") == winner


@pytest.mark.long  # a race of many pushes; each way to lose one stays
def test_threads_that_share_a_clone_all_land_in_the_end(repository: Git, origin: Path) -> None:
    start = threading.Barrier(8)

    def land(number: int) -> int:
        start.wait()
        for attempt in range(1, 200):
            parent = repository.fetch("origin", ["main"])["main"]
            assert parent is not None
            match _push_on(repository, parent, f"by-{number}"):
                case PushLanded():
                    return attempt
                case PushRaced():
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
    result = _push_on(repository, before)
    assert isinstance(result, PushDeclined)
    assert result.message == (
        "main is protected: stale info, fetch first, try again\n"
        "[remote rejected] (pre-receive hook declined)"
    )
    assert result.hint is not None
    assert "identity to push" in result.hint
    assert _tip(origin) == before


def test_a_branch_that_the_server_has_checked_out_is_a_refusal(
    repository: Git, origin: Path, clone: Path, tmp_path: Path
) -> None:
    served = make_clone(origin, tmp_path / "served")
    git(clone, "remote", "set-url", "origin", str(served))
    result = _push_on(repository, _tip(origin))
    assert isinstance(result, PushDeclined)
    assert "branch is currently checked out" in result.message
    assert result.hint is not None
    assert "bare repository" in result.hint


def test_a_lock_left_behind_on_the_server_is_a_refusal_that_says_so(
    repository: Git, origin: Path
) -> None:
    before = _tip(origin)
    (origin / "refs/heads/main.lock").touch()
    result = _push_on(repository, before)
    assert isinstance(result, PushDeclined)
    assert "main.lock': File exists" in result.message
    assert result.hint is not None
    assert "lock that was left behind" in result.hint
    assert _tip(origin) == before


def test_a_lock_that_is_let_go_soon_hinders_nobody(repository: Git, origin: Path) -> None:
    # The first push finds the lock of somebody who is about to let it go.
    write_hook(
        origin,
        "pre-receive",
        "[ -e seen ] && rm -f refs/heads/main.lock; touch seen; exit 0",
    )
    (origin / "refs/heads/main.lock").touch()
    assert _push_on(repository, _tip(origin)) == PushLanded()


@pytest.mark.parametrize(
    "words",
    sampled(
        ["invalid old id sent", "transaction aborted", "repository already exists", "no"], every=4
    ),
)
def test_whatever_a_server_says_of_a_lost_race_the_branch_tells(
    repository: Git, origin: Path, words: str
) -> None:
    before = _tip(origin)
    rival = repository.commit_files(before, {"rival": b""}, "rival")
    repository.push("origin", rival, "rival", expected=None, timeout=SECONDS)
    write_hook(
        origin, "update", f"echo {words} >&2; git update-ref refs/heads/main {rival}; exit 1"
    )
    assert isinstance(_push_on(repository, before), PushRaced)
    assert _tip(origin) == rival


def test_a_rejected_push_that_is_on_the_branch_has_landed(repository: Git, origin: Path) -> None:
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    repository.push("origin", made, "other", expected=None, timeout=SECONDS)
    write_hook(origin, "update", f"git update-ref refs/heads/main {made}; exit 1")
    assert repository.push("origin", made, "main", expected=before, timeout=SECONDS) == PushLanded()


def test_an_ok_for_a_branch_that_does_not_move_is_a_refusal(repository: Git, origin: Path) -> None:
    before = _tip(origin)
    say_ok_and_move_nothing(origin)
    result = _push_on(repository, before)
    assert isinstance(result, PushDeclined)
    assert "the push was taken, and main at" in result.message
    assert result.hint is not None
    assert "merge requests" in result.hint
    assert _tip(origin) == before


def test_an_ok_for_a_branch_that_somebody_else_has_moved_is_a_race(
    repository: Git, origin: Path
) -> None:
    before = _tip(origin)
    rival = repository.commit_files(before, {"rival": b""}, "rival")
    repository.push("origin", rival, "rival", expected=None, timeout=SECONDS)
    say_ok_and_move_nothing(origin)
    write_hook(origin, "post-receive", f"git update-ref refs/heads/main {rival}")
    assert isinstance(_push_on(repository, before), PushRaced)


@pytest.mark.parametrize(
    "setting", sampled(["remote.origin.pushurl", "url.*.pushInsteadOf"], every=2)
)
def test_a_push_that_goes_to_a_fork_is_a_refusal_that_names_both_addresses(
    repository: Git, origin: Path, clone: Path, tmp_path: Path, setting: str
) -> None:
    before = _tip(origin)
    fork = tmp_path / "fork.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(origin), str(fork))
    if setting == "remote.origin.pushurl":
        git(clone, "config", setting, fork.as_uri())
    else:
        git(clone, "config", f"url.{fork.as_uri()}.pushInsteadOf", origin.as_uri())
    result = _push_on(repository, before)
    assert isinstance(result, PushDeclined)
    for part in (setting, origin.as_uri(), fork.as_uri()):
        assert part in result.message
    assert _tip(origin) == before


def test_the_addresses_are_shown_without_credentials(clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", "https://ana:hunter2@a.example/x")
    git(clone, "remote", "set-url", "--push", "origin", "https://ben:hunter3@b.example/x")
    found = read_addresses(clone, "origin")
    assert found.differ
    assert "hunter" not in found.difference


def test_a_push_to_another_address_of_the_same_repository_lands(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(clone, "config", "remote.origin.pushurl", str(origin))
    assert _push_on(repository, _tip(origin)) == PushLanded()


def test_a_branch_that_cannot_be_read_back_is_unclear(
    repository: Git, origin: Path, clone: Path, tmp_path: Path
) -> None:
    before = _tip(origin)
    git(clone, "config", "remote.origin.pushurl", str(origin))
    git(clone, "remote", "set-url", "origin", (tmp_path / "nothing").as_uri())
    assert isinstance(_push_on(repository, before), PushUnclear)


def test_a_branch_that_cannot_be_made_on_the_server_is_a_refusal(repository: Git) -> None:
    made = repository.commit_files(None, {"f": b""}, "m")
    result = repository.push("origin", made, "main/ledger", expected=None, timeout=SECONDS)
    assert isinstance(result, PushDeclined)
    assert "main" in result.message


def test_a_push_whose_answer_is_lost_has_landed_if_the_branch_holds_it(
    repository: Git, origin: Path
) -> None:
    # The server has moved the branch; then the whole process group of `git push` dies.
    write_hook(origin, "post-receive", "kill -9 0")
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    result = repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    assert result == PushLanded()
    assert _tip(origin) == made


def test_a_push_whose_answer_is_lost_is_a_lost_race_if_the_branch_holds_another(
    repository: Git, origin: Path
) -> None:
    before = _tip(origin)
    rival = repository.commit_files(before, {"rival": b""}, "rival")
    repository.push("origin", rival, "rival", expected=None, timeout=SECONDS)
    write_hook(origin, "pre-receive", f"echo {rival} > refs/heads/main; kill -9 0")
    assert isinstance(_push_on(repository, before), PushRaced)
    assert _tip(origin) == rival


def test_a_push_that_dies_before_the_branch_moves_is_unclear_and_a_fetch_shows_that_it_did_not_land(
    repository: Git, origin: Path
) -> None:
    write_hook(origin, "pre-receive", "kill -9 0")
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    result = repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    assert isinstance(result, PushUnclear)
    tip = repository.fetch("origin", ["main"])["main"]
    assert tip == before
    assert not repository.is_ancestor(made, tip)


def test_a_push_that_takes_too_long_is_unclear(repository: Git, origin: Path) -> None:
    write_hook(origin, "pre-receive", "exec sleep 600")
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b""}, "m")
    result = repository.push("origin", made, "main", expected=before, timeout=0.5)
    assert isinstance(result, PushUnclear)
    assert "took longer than 0.5 s" in result.message


def test_a_remote_that_is_gone_is_a_refusal(repository: Git, origin: Path, tmp_path: Path) -> None:
    before = _tip(origin)
    origin.rename(tmp_path / "moved.git")
    result = _push_on(repository, before)
    assert isinstance(result, PushDeclined)
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
    assert _push_on(Git.at(shallow), _tip(origin)) == PushLanded()
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
    assert _push_on(repository, _tip(origin)) == PushLanded()


def _answer(*lines: str, code: int = 1, said: str = "") -> PushAnswer:
    done = CompletedGit(exit_code=code, stdout="\n".join(lines).encode(), stderr=said)
    return read_answer(done, "c0ffee:refs/heads/main")


# Answers of servers that a test cannot run, in the form of `git push --porcelain` (git-push(1)).
@pytest.mark.parametrize(
    ("summary", "heard"),
    [
        ("[rejected] (stale info)", Heard.REJECTED),
        ("[remote rejected] (incorrect old value provided)", Heard.REJECTED),
        ("[remote rejected] (cannot lock ref 'x': is at 1a but expected 2b)", Heard.REJECTED),
        ("[remote rejected] (TF401028: The reference has already been updated)", Heard.REJECTED),
        ("[remote rejected] (failed to update ref)", Heard.REJECTED),
        ("[remote rejected] (protected branch hook declined)", Heard.DECLINED),
        ("[remote rejected] (push declined due to repository rule violations)", Heard.DECLINED),
        ("[remote rejected] (prohibited by Gerrit: not permitted: update)", Heard.DECLINED),
        ("[remote rejected] (TF402455: Pushes to this branch are not permitted)", Heard.DECLINED),
        ("[something new]", Heard.REJECTED),
        ("[remote failure] (remote failed to report status)", Heard.NOTHING),
    ],
)
def test_a_rejection_is_heard_with_its_reason(summary: str, heard: Heard) -> None:
    said = "remote: GH006"
    answer = _answer("To x", f"!\tc0ffee:refs/heads/main\t{summary}", said=said)
    assert (answer.heard, answer.message) == (heard, f"GH006\n{summary}")


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
def test_without_an_answer_nothing_is_heard(said: str) -> None:
    assert _answer(said=said, code=128).heard is Heard.NOTHING


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
def test_without_access_nothing_was_sent(said: str) -> None:
    answer = _answer(said=said, code=128)
    assert (answer.heard, answer.message) == (Heard.NO_ACCESS, said)
    assert answer.hint is not None


@pytest.mark.parametrize(
    ("lines", "code", "heard"),
    [
        ([" \tc0ffee:refs/heads/main\tabc..def", "Done"], 0, Heard.TAKEN),
        (["Everything up-to-date"], 0, Heard.TAKEN),
        (["?\tc0ffee:refs/heads/main\tabc..def", "Done"], 0, Heard.TAKEN),
        ([], 0, Heard.TAKEN),
        ([" \tc0ffee:refs/heads/main\tabc..def", "Done"], 1, Heard.NOTHING),
    ],
)
def test_an_answer_without_an_error_is_one_for_the_branch_to_prove(
    lines: list[str], code: int, heard: Heard
) -> None:
    assert _answer(*lines, code=code).heard is heard


@pytest.mark.parametrize(
    ("name", "value"),
    [("push.pushOption", "ci.skip"), ("push.gpgSign", "true"), ("remote.origin.mirror", "true")],
)
def test_what_a_person_has_set_for_pushes_and_the_server_cannot_do_hinders_no_push(
    repository: Git, origin: Path, clone: Path, name: str, value: str
) -> None:
    git(clone, "config", name, value)
    assert _push_on(repository, _tip(origin)) == PushLanded()


def test_a_push_option_goes_to_a_server_that_takes_it(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(origin, "config", "receive.advertisePushOptions", "true")
    write_hook(origin, "pre-receive", 'test "$GIT_PUSH_OPTION_0" = "mine"')
    git(clone, "config", "push.pushOption", "mine")
    assert _push_on(repository, _tip(origin)) == PushLanded()


# What is not a matter of access must not be said to be one.
@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", "size"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 429", "busy"),
        ("error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503", "busy"),
        ("error: Cannot access URL https://h/, return code 22\nfatal: git-http-push failed", "web"),
        ("fatal: protocol error: bad line length character: <!DO", "web page"),
        ("error: RPC failed; HTTP 302 curl 22 The requested URL returned error: 302", "web page"),
        ("error: RPC failed; HTTP 411 curl 22 The requested URL returned error: 411", "proxy"),
    ],
)
def test_what_is_turned_away_whatever_it_is_has_a_cause_of_its_own(said: str, hint: str) -> None:
    answer = _answer(said=f"{said}\nfatal: the remote end hung up unexpectedly", code=1)
    assert answer.heard is Heard.TURNED_AWAY
    assert answer.hint is not None
    assert hint in answer.hint
    assert "identity" not in answer.hint


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (
            "error: gpg failed to sign the data\nfatal: failed to sign the push certificate",
            "push.g",
        ),
        ("fatal: unable to create temporary file: No space left on device", "no room here"),
        ("error: insufficient permission for adding an object to repository", "cannot be written"),
        ("fatal: Unable to create '/x/.git/a.lock': Read-only file system", "cannot be written"),
    ],
)
def test_what_fails_here_was_not_sent(said: str, hint: str) -> None:
    answer = _answer(said=f"{said}\nfatal: the remote end hung up unexpectedly", code=128)
    assert answer.heard is Heard.NO_ACCESS
    assert answer.hint is not None
    assert hint in answer.hint


def test_what_fails_on_the_server_is_not_said_to_fail_here() -> None:
    answer = _answer(
        "!\tc0ffee:refs/heads/main\t[remote rejected] (unpacker error)",
        said="remote: fatal: write error: No space left on device\n"
        "error: remote unpack failed: unpack-objects abnormal exit",
    )
    assert answer.heard is Heard.TURNED_AWAY
    assert answer.hint is not None
    assert answer.hint.startswith("the remote took the push and could not store it")
    assert advice("remote: fatal: write error: No space left on device") is None


def test_where_a_push_went_instead_is_said_in_the_remotes_own_terms() -> None:
    ref = _answer(" \tc0ffee:refs/pull/7/head\t[new reference]", "Done", code=0)
    words = "remote: Opened for review:\nremote:   https://h.example/mr/7.\n"
    link = _answer(" \tc0ffee:refs/heads/main\tabc..def", "Done", code=0, said=words)
    assert (ref.went, link.went) == ("refs/pull/7/head", "https://h.example/mr/7")


def test_a_rule_that_is_no_matter_of_access_is_not_said_to_be_one() -> None:
    said = "remote: Subject line too long"
    answer = _answer(
        "!\tc0ffee:refs/heads/main\t[remote rejected] (pre-receive hook declined)", said=said
    )
    assert answer.hint is not None
    assert answer.hint.startswith("A rule of the server")


def test_objects_that_were_removed_before_the_push_are_its_cause(
    repository: Git, origin: Path, clone: Path, git_calls: list[Sequence[str]]
) -> None:
    before = _tip(origin)
    made = repository.commit_files(before, {"f": b"new"}, "m")
    blob = git(clone, "rev-parse", f"{made}:f")
    (clone / ".git/objects" / blob[:2] / blob[2:]).unlink()
    git_calls.clear()
    result = repository.push("origin", made, "main", expected=before, timeout=SECONDS)
    assert isinstance(result, PushDeclined)
    assert result.hint is not None
    assert "git gc --prune=now" in result.hint
    assert sum("push" in call for call in git_calls) == 1
    assert _tip(origin) == before
