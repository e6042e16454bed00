"""What the history says a folder was when it was last written, and how often git is asked."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconciler.git import CommitId, Git
from reconciler.git.kept_refs import FETCHED, SEEN
from tests.repositories import commit, git

_MARKED = "Record\n\nTrailer: 1\n"
_FOLDER = "state/prod"


def _grow(clone: Path) -> None:
    commit(clone, {f"{_FOLDER}/ledger.jsonl": "{}\n{}\n"}, _MARKED)


def _grow_deeper(clone: Path) -> None:
    commit(clone, {f"{_FOLDER}/old/ledger.jsonl": "{}\n"}, _MARKED)


def _change_nothing_there(clone: Path) -> None:
    _grow(clone)
    commit(clone, {"state/prod2/ledger.jsonl": "{}\n"}, _MARKED)


def _remove(clone: Path) -> None:
    git(clone, "rm", "-rq", _FOLDER)
    commit(clone, {}, _MARKED)


def _put_a_file_there(clone: Path) -> None:
    git(clone, "rm", "-rq", _FOLDER)
    commit(clone, {_FOLDER: "1"}, _MARKED)


def _merge(clone: Path) -> None:
    git(clone, "checkout", "-qb", "other")
    commit(clone, {f"{_FOLDER}/ledger.jsonl": "{}\n1\n"})
    git(clone, "checkout", "-q", "main")
    commit(clone, {f"{_FOLDER}/ledger.jsonl": "{}\n2\n"})
    git(clone, "merge", "-q", "-s", "ours", "--no-commit", "other")
    commit(clone, {f"{_FOLDER}/ledger.jsonl": "{}\n3\n"}, _MARKED)


@pytest.mark.parametrize(
    ("change", "processes"),
    [
        (_grow, 1),
        (_grow_deeper, 1),
        (_change_nothing_there, 1),
        (_remove, 2),
        (_put_a_file_there, 2),
        (_merge, 2),
    ],
)
def test_it_is_what_the_newest_marked_commit_that_changed_the_folder_has_there(
    repository: Git,
    clone: Path,
    git_calls: list[Sequence[str]],
    change: Callable[[Path], None],
    processes: int,
) -> None:
    change(clone)
    head = CommitId(commit(clone, {f"{_FOLDER}2/x": "", f"{_FOLDER}x/y": ""}))
    marked = git(
        clone, "log", "-1", "--full-history", "--format=%H", "--grep=^Trailer:", "--", _FOLDER
    )
    there = git(clone, "ls-tree", marked, "--", _FOLDER)
    git_calls.clear()
    found = repository.find_last_written(head, _FOLDER, "Trailer")
    assert len(git_calls) == processes
    assert (found or "") == (there.split()[2] if there else "")


def test_nothing_is_said_of_a_folder_that_no_marked_commit_changed(
    repository: Git, clone: Path
) -> None:
    head = CommitId(commit(clone, {"state/prod2/ledger.jsonl": "{}\n"}, _MARKED))
    assert repository.find_last_written(head, _FOLDER, "Trailer") is None


def test_what_a_fetch_has_brought_and_which_traces_there_are_is_asked_for_at_once(
    repository: Git, clone: Path, origin: Path, git_calls: list[Sequence[str]]
) -> None:
    tip = git(clone, "rev-parse", "HEAD")
    tree = git(clone, "rev-parse", "HEAD:state/prod")
    git(origin, "update-ref", "refs/reconciler/ledger/a", tip)
    git(origin, "update-ref", "refs/heads/reconciler-trace/b", tip)
    git(clone, "update-ref", f"{SEEN}/a", tree)
    git(clone, "update-ref", f"{FETCHED}/other/a", tip)
    git_calls.clear()
    fetched = repository.fetch_shared("origin", "main", ["absent"])
    whole = git(clone, "rev-parse", "HEAD^{tree}")
    assert fetched.tips == {"main": tip, "absent": None}
    assert fetched.traces.trees == {
        "seen/a": tree,
        "kept/origin/a": whole,
        "kept/origin/+/b": whole,
    }
    assert fetched.traces.kept == {
        "refs/reconciler/ledger/a": tip,
        "refs/heads/reconciler-trace/b": tip,
    }
    asked = [next(word for word in call if not word.startswith("-")) for call in git_calls]
    assert asked == ["fetch", "update-ref", "fetch", "for-each-ref", "rev-parse"]
