import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.errors import GitError
from reconciler.git import CommitId, Git, GitTimeoutError
from reconciler.git.command import run_git
from tests.repositories import PROJECT, commit, git, make_clone


def _place(found: Git) -> tuple[Path, str]:
    """The top of the working tree, and the folder in it."""
    return found.root, found.prefix


def test_the_tripwire_stops_git_in_the_projects_own_repository() -> None:
    with pytest.raises(AssertionError, match="project's own repository"):
        Git.at(PROJECT / "tests")


def test_a_folder_below_the_top_is_the_prefix(clone: Path) -> None:
    assert _place(Git.at(clone)) == (clone, "")
    assert _place(Git.at(clone / "state" / "prod")) == (clone, "state/prod/")


def test_a_folder_reached_through_a_link_is_found_where_it_really_lies(
    clone: Path, tmp_path: Path
) -> None:
    (tmp_path / "short").symlink_to(clone / "state")
    assert _place(Git.at(tmp_path / "short" / "prod")) == (clone, "state/prod/")


@pytest.mark.parametrize("name", ["with space", 'quo"te', "new\nline", "日本"])
def test_the_repositorys_own_path_may_hold_any_character(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    (root / "in ner").mkdir(parents=True)
    git(root, "init", "--quiet")
    assert _place(Git.at(root / "in ner")) == (root, "in ner/")


def test_a_linked_worktree_is_a_repository_with_its_own_top(clone: Path, tmp_path: Path) -> None:
    git(clone, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    inside = Git.at(tmp_path / "tree" / "state")
    assert _place(inside) == (tmp_path / "tree", "state/")
    assert inside.read_worktree_commit() == git(clone, "rev-parse", "HEAD")


def test_a_folder_outside_any_repository_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not a git repository") as caught:
        Git.at(tmp_path)
    assert caught.value.hint == "run it inside a clone, or name one with --repo"


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="gone is not a folder"):
        Git.at(tmp_path / "gone")


def test_a_bare_repository_is_a_clear_error(origin: Path) -> None:
    with pytest.raises(GitError, match="bare"):
        Git.at(origin)


def test_the_inside_of_a_repository_is_a_clear_error(clone: Path) -> None:
    with pytest.raises(GitError, match="not in a working tree"):
        Git.at(clone / ".git")


def test_a_repository_of_an_owner_that_git_distrusts_is_a_clear_error(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError, match="dubious ownership") as caught:
        Git.at(clone)
    assert "safe.directory" in str(caught.value.hint)


def test_git_missing_from_path_is_a_clear_error(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(clone / "nothing"))
    with pytest.raises(GitError, match="git is not on PATH") as caught:
        Git.at(clone)
    assert caught.value.hint == "install git 2.34 or newer"


def test_a_hooks_variables_for_another_repository_are_not_followed(
    origin: Path, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_clone(origin, tmp_path / "other")
    head = CommitId(commit(clone, {"only-here": "x"}))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))
    monkeypatch.setenv("GIT_QUARANTINE_PATH", str(tmp_path / "objects"))
    monkeypatch.setenv("GIT_NAMESPACE", "elsewhere")
    repository = Git.at(clone)
    assert repository.root == clone
    assert repository.read_worktree_commit() == head
    assert repository.is_ancestor(repository.commit_files(head, {"f": b""}, "m"), head) is False
    assert repository.fetch("origin", ["main"])["main"] is not None


def test_it_works_from_inside_a_real_hook(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-commit"
    script = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "from pathlib import Path\nfrom reconciler.git import Git\n"
        "repository = Git.at(Path('.'))\n"
        "parent = repository.read_worktree_commit()\n"
        "made = repository.commit_files(parent, {'by-hook': b'1'}, 'm')\n"
        "Path('.git/made').write_text(made)\n"
    )
    (clone / ".git" / "hook.py").write_text(script)
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" .git/hook.py\n')
    hook.chmod(0o755)
    made_by_hand = commit(clone, {"by-hand": "1"})
    made_by_hook = (clone / ".git" / "made").read_text()
    assert "by-hook" not in git(clone, "ls-tree", "-r", "--name-only", made_by_hand)
    assert "by-hook" in git(clone, "ls-tree", "-r", "--name-only", made_by_hook)


def test_settings_from_the_environment_stay_in_force(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "From CI")
    made = Git.at(clone).commit_files(None, {"f": b""}, "m")
    assert git(clone, "log", "-1", "--format=%an", made) == "From CI"


def test_replaced_objects_do_not_change_what_a_commit_holds(clone: Path) -> None:
    shared = CommitId(git(clone, "rev-parse", "HEAD"))
    local = commit(clone, {"triggers/b.yaml": "b"})
    git(clone, "replace", shared, local)
    assert [entry.path for entry in Git.at(clone).list_tree(shared, ["triggers"])] == [
        "triggers/a.yaml"
    ]


def test_a_process_left_behind_with_standard_error_open_is_not_waited_for(clone: Path) -> None:
    git(clone, "config", "alias.leave", "!sleep 600 > /dev/null & echo $!")
    left = int(run_git(clone, "leave", timeout=60).text)
    os.kill(left, 9)  # it is still there: the command ended before it


def test_git_runs_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(clone: Path) -> None:
    git(clone, "config", "alias.session", f"!{sys.executable} -c 'import os; print(os.getsid(0))'")
    assert int(run_git(clone, "session").text) != os.getsid(0)


def test_git_speaks_english_and_never_asks(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "1")
    git(clone, "config", "alias.show-environment", "!echo $LC_ALL $GIT_TERMINAL_PROMPT")
    assert run_git(clone, "show-environment").text == "C 0"


@pytest.mark.parametrize(
    ("cause", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (subprocess.TimeoutExpired("git", 9), GitTimeoutError),
    ],
)
@pytest.mark.parametrize("stubbornness", ["", "trap '' TERM;"])
def test_a_command_given_up_is_stopped_with_all_that_it_started(
    clone: Path,
    monkeypatch: pytest.MonkeyPatch,
    cause: BaseException,
    seen: type[BaseException],
    stubbornness: str,
) -> None:
    pid = clone / ".git" / "pid"
    git(
        clone,
        "config",
        "alias.slow",
        f"!{stubbornness} echo waiting >&2; echo $$ > .git/pid; sleep 600; :",
    )
    monkeypatch.setattr("reconciler.git.command._GRACE_SECONDS", 0.5)
    communicate = subprocess.Popen.communicate

    def give_up(*_: object, **__: object) -> None:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.01)
        monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
        raise cause

    monkeypatch.setattr(subprocess.Popen, "communicate", give_up)
    with pytest.raises(seen) as caught:
        run_git(clone, "slow", timeout=9)
    if isinstance(caught.value, GitTimeoutError):
        assert str(caught.value) == "git slow took longer than 9 s: waiting"
    assert _ends(int(pid.read_text()))


@pytest.fixture
def late(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in which git closes its output a while before it ends."""
    script = tmp_path / "late" / "git"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nexec >&-\nexec sleep $2\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    return clone


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells of a process's end")
def test_nobody_sleeps_until_git_has_ended(late: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", None)
    assert run_git(late, "sleeps", "0.05").exit_code == 0


@pytest.mark.parametrize("error", [AttributeError, OSError])
def test_git_is_waited_for_where_the_system_does_not_tell_of_its_end(
    error: type[Exception], late: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        raise error

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    assert run_git(late, "sleeps", "0.05").exit_code == 0


def test_git_that_closes_its_output_and_does_not_end_is_ended(late: Path) -> None:
    with pytest.raises(GitTimeoutError, match=r"took longer than 0\.3 s"):
        run_git(late, "sleeps", "600", timeout=0.3)


def _ends(process: int) -> bool:
    for _ in range(200):
        if not _is_running(process):
            return True
        time.sleep(0.05)
    return False


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # a system without /proc
        return True
    return status.rpartition(")")[2].split()[0] != "Z"  # ended, but nobody has asked for its end
