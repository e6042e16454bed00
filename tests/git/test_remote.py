from pathlib import Path

import pytest

from reconciler.configuration import InvalidConfigurationError, parse_configuration
from reconciler.errors import GitError
from reconciler.git import CommitId, Git
from reconciler.git.endpoints import NoRemoteError
from reconciler.model import Source
from tests.acceptance.scene import configuration
from tests.repositories import commit, git, make_clone, make_origin_and_clone
from tests.sampling import sampled


def _tip(origin: Path, branch: str = "main") -> str:
    return git(origin, "rev-parse", f"refs/heads/{branch}")


def _push_more(origin: Path, to: Path) -> str:
    """Let somebody else push one commit; the new tip."""
    other = make_clone(origin, to)
    made = commit(other, {"more": str(to)})
    git(other, "push", "--quiet", "origin", "HEAD")
    return made


def test_a_remote_is_known_by_its_exact_name(repository: Git) -> None:
    repository.check_remote("origin")
    for name in ("orig", ""):
        with pytest.raises(NoRemoteError):
            repository.check_remote(name)


def test_the_remotes_own_default_branch_comes_first(repository: Git, origin: Path) -> None:
    git(origin, "branch", "trunk", "main")
    git(origin, "symbolic-ref", "HEAD", "refs/heads/trunk")
    assert repository.ask_default_branch("origin") == "trunk"


def test_then_the_remotes_only_branch(repository: Git, origin: Path, clone: Path) -> None:
    git(origin, "symbolic-ref", "HEAD", "refs/heads/none")
    git(clone, "switch", "--quiet", "--detach")
    assert repository.ask_default_branch("origin") == "main"


def test_then_main_whatever_branch_this_clone_works_on(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(origin, "symbolic-ref", "HEAD", "refs/heads/none")
    git(origin, "branch", "feature", "main")
    git(clone, "fetch", "--quiet")
    git(clone, "switch", "--quiet", "--create", "work", "--track", "origin/feature")
    assert repository.ask_default_branch("origin") == "main"


def test_if_nothing_says_which_branch_the_error_says_what_to_set(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(origin, "symbolic-ref", "HEAD", "refs/heads/none")
    git(origin, "branch", "other", "main")
    git(origin, "branch", "--move", "main", "another")
    git(clone, "switch", "--quiet", "--detach")
    with pytest.raises(GitError, match="origin has 2 branches") as caught:
        repository.ask_default_branch("origin")
    assert "git: {branch: NAME}" in str(caught.value.hint)


def test_an_empty_remote_is_a_clear_error(repository: Git, clone: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    git(clone, "remote", "add", "empty", str(tmp_path / "empty.git"))
    with pytest.raises(GitError, match="empty has no branch yet") as raised:
        repository.ask_default_branch("empty")
    assert "git push empty HEAD. Until then, plan and status take --offline" in str(
        raised.value.hint
    )
    assert repository.fetch("empty", ["main"]) == {"main": None}


def test_a_fetch_brings_the_tips_and_says_which_branches_are_missing(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    tip = _push_more(origin, tmp_path / "other")
    git(origin, "branch", "ledger", "main~1")
    fetched = repository.fetch("origin", ["none", "main", "nor/this", "ledger"])
    assert fetched == {
        "none": None,
        "main": tip,
        "nor/this": None,
        "ledger": _tip(origin, "ledger"),
    }
    assert repository.list_tree(CommitId(tip), ["more"])


def test_a_fetch_touches_no_ref_of_the_users(
    repository: Git, origin: Path, clone: Path, tmp_path: Path
) -> None:
    _push_more(origin, tmp_path / "other")
    git(origin, "tag", "v1", "main")
    git(clone, "config", "fetch.prune", "true")
    git(clone, "update-ref", "refs/remotes/origin/gone", "HEAD")
    before = git(clone, "for-each-ref", "refs/heads", "refs/remotes", "refs/tags")
    repository.fetch("origin", ["main"])
    assert git(clone, "for-each-ref", "refs/heads", "refs/remotes", "refs/tags") == before
    assert not (clone / ".git" / "FETCH_HEAD").exists()


def test_a_rewritten_branch_is_fetched_as_it_now_is(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    _push_more(origin, tmp_path / "other")
    repository.fetch("origin", ["main"])
    git(origin, "update-ref", "refs/heads/main", "main~1")
    assert repository.fetch("origin", ["main"]) == {"main": _tip(origin)}


def test_a_branch_may_take_the_place_of_a_folder_of_branches(repository: Git, origin: Path) -> None:
    git(origin, "branch", "ledger", "main")
    repository.fetch("origin", ["ledger"])
    git(origin, "branch", "-D", "ledger")
    git(origin, "branch", "ledger/prod", "main")
    assert repository.fetch("origin", ["ledger", "ledger/prod"])["ledger"] is None
    assert repository.fetch("origin", ["ledger/prod"]) == {"ledger/prod": _tip(origin)}


def test_a_shallow_clone_on_a_detached_head_fetches_and_stays_shallow(
    origin: Path, clone: Path, tmp_path: Path
) -> None:
    commit(clone, {"x": "2"})
    git(clone, "push", "--quiet")
    shallow = make_clone(origin, tmp_path / "shallow", "--depth", "1")
    git(shallow, "switch", "--quiet", "--detach")
    tip = _push_more(origin, tmp_path / "other")
    repository = Git.at(shallow)
    assert repository.ask_default_branch("origin") == "main"
    assert repository.fetch("origin", ["main"]) == {"main": tip}
    assert git(shallow, "rev-list", "--count", tip) == "2"
    assert git(shallow, "rev-parse", "--is-shallow-repository") == "true"


def test_a_fetch_waits_for_the_lock_of_another_one(
    repository: Git, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = clone / ".git/refs/reconciler/origin/main.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    waits: list[float] = []

    def choose_wait(_: float, longest: float) -> float:
        waits.append(longest)
        if len(waits) == 3:
            lock.unlink()
        return 0

    monkeypatch.setattr("random.uniform", choose_wait)
    assert repository.fetch("origin", ["main"])["main"] is not None
    assert len(waits) == 3
    assert max(waits) < 1


@pytest.mark.long  # one that was left behind stays
def test_a_lock_that_is_never_lifted_is_a_clear_error(
    repository: Git, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = clone / ".git/refs/reconciler/origin/main.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    monkeypatch.setattr("random.uniform", lambda *_: 0)
    with pytest.raises(GitError, match=r"main\.lock': File exists") as caught:
        repository.fetch("origin", ["main"])
    assert "remove the lock file" in str(caught.value.hint)


def test_a_remote_that_is_gone_is_a_clear_error(
    repository: Git, origin: Path, tmp_path: Path
) -> None:
    origin.rename(tmp_path / "moved.git")
    with pytest.raises(GitError, match=r"origin could not be read: .*does not") as caught:
        repository.fetch("origin", ["main"])
    assert "git remote -v" in str(caught.value.hint)
    with pytest.raises(GitError, match="origin could not be read"):
        repository.ask_default_branch("origin")


def test_a_remote_that_was_never_set_up_is_a_clear_error(repository: Git) -> None:
    with pytest.raises(GitError, match="'nowhere' does not appear to be a git repository"):
        repository.fetch("nowhere", ["main"])


@pytest.mark.parametrize("branch", ["*", "a:b", "a..b", "", "a b", "x.lock", "a\nb"])
def test_a_name_that_no_branch_can_have_is_a_clear_error(repository: Git, branch: str) -> None:
    with pytest.raises(GitError, match="cannot be the name of a branch"):
        repository.fetch("origin", [branch])


@pytest.mark.parametrize("remote", ["--upload-pack=touch hacked", "-v"])
def test_a_remotes_name_is_never_read_as_an_option(
    repository: Git, remote: str, clone: Path
) -> None:
    with pytest.raises(GitError, match="could not be read"):
        repository.fetch(remote, ["main"])
    with pytest.raises(GitError, match="could not be read"):
        repository.ask_default_branch(remote)
    assert not (clone / "hacked").exists()


def test_a_host_that_wants_a_password_is_not_waited_for(
    repository: Git, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "GIT_SSH_COMMAND", "sh -c 'echo Permission denied \\(publickey\\). >&2; exit 255'"
    )
    git(clone, "remote", "add", "closed", "ssh://git@example.test/x.git")
    with pytest.raises(GitError, match="Permission denied") as caught:
        repository.fetch("closed", ["main"])
    assert caught.value.hint == "give git access to the remote, then check it: git ls-remote"


def test_a_remote_that_shares_nothing_with_the_clone_is_fetched_too(
    repository: Git, clone: Path, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    other, _ = make_origin_and_clone(tmp_path / "b", {"different": "1"})
    git(clone, "remote", "add", "team/other", str(other))
    assert repository.fetch("team/other", ["main"]) == {"main": _tip(other)}


def test_submodules_are_not_fetched_along(
    repository: Git, origin: Path, clone: Path, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    inner, _ = make_origin_and_clone(tmp_path / "inner")
    git(clone, "submodule", "--quiet", "add", inner.as_uri(), "sub")
    commit(clone, {})
    git(clone, "push", "--quiet")
    other = make_clone(origin, tmp_path / "other", "--recurse-submodules")
    commit(other / "sub", {"newer": "1"})
    tip = commit(other, {})
    git(other, "push", "--quiet")
    git(clone, "config", "fetch.recurseSubmodules", "true")
    inner.rename(tmp_path / "moved.git")
    assert repository.fetch("origin", ["main"]) == {"main": tip}


def test_a_folder_of_branches_may_take_the_place_of_a_branch(
    repository: Git, origin: Path, clone: Path
) -> None:
    git(clone, "push", "--quiet", "origin", "main:rel")
    repository.fetch("origin", ["rel"])
    git(clone, "push", "--quiet", "origin", ":rel", "main:rel/1")
    assert repository.fetch("origin", ["rel/1"]) == {"rel/1": _tip(origin)}


def _cut(origin: Path, to: Path) -> str:
    """A copy of the origin without its history; its address."""
    git(origin, "clone", "--quiet", "--bare", "--depth=1", origin.as_uri(), str(to))
    return to.as_uri()


def test_a_remote_that_is_cut_off_where_this_clone_ends_is_fetched(
    repository: Git, origin: Path, clone: Path, tmp_path: Path
) -> None:
    repository.fetch("origin", ["main"])
    new = _push_more(origin, tmp_path / "other")
    git(clone, "remote", "set-url", "origin", _cut(origin, tmp_path / "cut"))
    assert repository.fetch("origin", ["main"]) == {"main": new}
    assert git(clone, "rev-parse", "--is-shallow-repository") == "false"


def test_a_remote_that_is_cut_off_later_is_never_taken_for_one_that_has_not_moved(
    repository: Git, origin: Path, clone: Path, tmp_path: Path
) -> None:
    repository.fetch("origin", ["main"])
    _push_more(origin, tmp_path / "other")
    new = _push_more(origin, tmp_path / "another")
    git(clone, "remote", "set-url", "origin", _cut(origin, tmp_path / "cut"))
    for _ in range(2):
        with pytest.raises(GitError, match="origin is a shallow repository") as caught:
            repository.fetch("origin", ["main"])
    assert "git fetch --update-shallow origin" in (caught.value.hint or "")
    # What it advises, and from then on by itself.
    git(clone, "fetch", "--quiet", "--update-shallow", "origin")
    assert repository.fetch("origin", ["main"]) == {"main": new}
    _push_more(origin, tmp_path / "third")
    new = _push_more(origin, tmp_path / "fourth")
    git(clone, "remote", "set-url", "origin", _cut(origin, tmp_path / "cut again"))
    assert repository.fetch("origin", ["main"]) == {"main": new}


_NAMES = (
    *("main", "a/b", "a.b", "a@b", "a.locks", "{a", "a/b.c", "ä", "a./b", "a/-b"),
    *("a..b", "a//b", "a@{b", "a/.b", "a.lock", "a.lock/b", "a/", "a."),
)


@pytest.mark.parametrize("name", sampled(_NAMES, every=4))
def test_a_configuration_takes_the_branches_that_git_takes(repository: Git, name: str) -> None:
    text = configuration("https://h.example", git_section={"branch": name})
    source = Source(path="reconciler.yaml", content=text.encode())
    if repository.may_be_branch(name):
        assert parse_configuration(source).git.branch == name
        return
    with pytest.raises(InvalidConfigurationError, match="a name that git allows for a branch"):
        parse_configuration(source)
