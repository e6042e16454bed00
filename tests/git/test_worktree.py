import os
import stat
from pathlib import Path
from typing import Any

import pytest

from reconciler.git import CommitId, Git
from reconciler.model import Source
from reconciler.repository.worktree import read_worktree
from tests.repositories import commit


def _is_manifest(path: str) -> bool:
    return path.endswith(".yaml")


def _read(root: Path, folder: str = "triggers") -> tuple[list[str], list[str]]:
    """The paths read, and the problems as `path code`."""
    sources, problems = read_worktree(root, folder, _is_manifest)
    return [s.path for s in sources], [f"{p.place.file} {p.code}" for p in problems]


def _write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"in {path}")


def test_every_wanted_file_below_is_read_whole(tmp_path: Path) -> None:
    _write(tmp_path, "triggers/a b/日本.yaml", "triggers/notes.txt", "elsewhere/x.yaml")
    (tmp_path / "triggers/raw.yaml").write_bytes(b"\xff\r\n\0")
    sources, problems = read_worktree(tmp_path, "triggers/", _is_manifest)
    assert sources == [
        Source(path="triggers/a b/日本.yaml", content="in triggers/a b/日本.yaml".encode()),
        Source(path="triggers/raw.yaml", content=b"\xff\r\n\0"),
    ]
    assert problems == []


def test_the_order_is_that_of_the_commit(repository: Git, clone: Path) -> None:
    names = ["a.yaml", "a/z.yaml", "a-b.yaml", "A.yaml", "a0.yaml", "日.yaml", "é.yaml", "🌬.yaml"]
    head = CommitId(commit(clone, {f"triggers/{name}": "" for name in names}))
    assert _read(clone) == ([e.path for e in repository.list_tree(head, ["triggers"])], [])


def test_the_root_itself_can_be_the_folder_and_gits_own_files_are_not_in_it(clone: Path) -> None:
    (clone / ".git/x.yaml").write_text("")
    assert _read(clone, "") == (["triggers/a.yaml"], [])


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path) == ([], [])
    assert _read(tmp_path, "no/such") == ([], [])


def test_a_file_in_the_folders_place_is_a_problem(tmp_path: Path) -> None:
    _write(tmp_path, "triggers")
    assert _read(tmp_path) == ([], ["triggers unreadable"])
    assert _read(tmp_path, "triggers/prod") == ([], ["triggers unreadable"])


def test_every_link_is_a_problem_and_not_read_wherever_it_leads(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _write(tmp_path, "root/triggers/a.yaml", "root/more/x.yaml", "secret", "root/.git/config")
    links = {
        "triggers/absolute.yaml": str(root / "triggers/a.yaml"),
        "triggers/broken.yaml": "none.yaml",
        "triggers/circle.yaml": "circle.yaml",
        "triggers/folder": "../more",
        "triggers/inner.yaml": "../.git/config",
        "triggers/inside.yaml": "a.yaml",
        "triggers/notes.txt": "../more/x.yaml",
        "triggers/out.yaml": "../../secret",
        "triggers/outer": "../..",
        "triggers/self.yaml": ".",
    }
    for path, target in links.items():
        (root / path).symlink_to(target)
    assert _read(root) == (["triggers/a.yaml"], [f"{path} link" for path in sorted(links)])


def test_a_root_that_is_reached_by_a_link_is_read_like_any_other(tmp_path: Path) -> None:
    _write(tmp_path, "private/clone/triggers/a.yaml")
    (tmp_path / "short").symlink_to("private")
    (tmp_path / "shorter").symlink_to("short/clone")
    assert (
        _read(tmp_path / "short/clone") == _read(tmp_path / "shorter") == (["triggers/a.yaml"], [])
    )


def test_a_broken_link_that_an_editor_left_is_no_problem(tmp_path: Path) -> None:
    _write(tmp_path, "triggers/a.yaml")
    (tmp_path / "triggers/.#a.yaml~").symlink_to("me@host.1234:567")
    assert _read(tmp_path) == (["triggers/a.yaml"], [])


@pytest.mark.parametrize("folder", ["linked", "linked/deep", ".hidden"])
def test_a_linked_folder_is_not_entered_by_its_name_either(tmp_path: Path, folder: str) -> None:
    _write(tmp_path, "real/deep/a.yaml")
    link = folder.partition("/")[0]
    (tmp_path / link).symlink_to("real")
    assert _read(tmp_path, folder) == ([], [f"{link} link"])


@pytest.mark.parametrize("marker", ["sub/.git", "sub/.git/HEAD"])
def test_a_repository_inside_the_folder_is_a_problem_and_not_read(
    tmp_path: Path, marker: str
) -> None:
    _write(tmp_path, f"triggers/{marker}", "triggers/sub/a.yaml", "triggers/z.yaml")
    (tmp_path / "triggers/into.yaml").symlink_to("sub/a.yaml")
    assert _read(tmp_path) == (
        ["triggers/z.yaml"],
        ["triggers/into.yaml link", "triggers/sub submodule"],
    )
    assert _read(tmp_path, "triggers/sub/deeper") == ([], ["triggers/sub submodule"])


def test_a_name_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    _write(tmp_path, "triggers/a.yaml")
    raw = os.fsencode(tmp_path) + b"/triggers/caf\xe9"
    os.mkdir(raw)  # noqa: PTH102 - a Path cannot hold bytes
    for name in (b"/b.yaml", b".yaml", b".txt"):
        os.close(os.open(raw + name, os.O_CREAT))
    assert _read(tmp_path) == (
        ["triggers/a.yaml"],
        [r"triggers/caf\xe9.yaml file-name", r"triggers/caf\xe9/b.yaml file-name"],
    )


def test_what_is_not_a_regular_file_is_a_problem_and_not_waited_for(tmp_path: Path) -> None:
    _write(tmp_path, "triggers/a.yaml")
    os.mkfifo(tmp_path / "triggers/pipe.yaml")
    assert _read(tmp_path) == (["triggers/a.yaml"], ["triggers/pipe.yaml unreadable"])


def test_what_may_not_be_read_is_a_problem_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The system would let root read them, and tests may run as root.
    _write(tmp_path, "triggers/a.yaml", "triggers/closed.yaml", "triggers/locked/b.yaml")
    for name in ("open", "scandir"):
        monkeypatch.setattr(os, name, _forbidding(getattr(os, name)))
    sources, problems = read_worktree(tmp_path, "triggers", _is_manifest)
    assert [source.path for source in sources] == ["triggers/a.yaml"]
    assert [str(problem) for problem in problems] == [
        "triggers/closed.yaml:1:1: unreadable: cannot be read: Permission denied",
        "triggers/locked:1:1: unreadable: cannot be read: Permission denied",
    ]


def _forbidding(call: Any) -> Any:
    def forbidden(path: bytes, *rest: object) -> object:
        if path.endswith((b"/closed.yaml", b"/locked")):
            raise PermissionError(13, "Permission denied")
        return call(path, *rest)

    return forbidden


@pytest.mark.parametrize("told", [0, 3])
def test_a_file_of_which_too_small_a_size_was_told_is_read_whole_and_no_further_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a.yaml").write_bytes(b"x" * 100)
    real = os.fstat

    def smaller(descriptor: int) -> os.stat_result:
        fields = list(real(descriptor))
        fields[stat.ST_SIZE] = told
        return os.stat_result(fields)

    monkeypatch.setattr("reconciler.repository.worktree.os.fstat", smaller)
    (whole,), _ = read_worktree(tmp_path, "t", lambda _: True, most=100)
    assert whole.content == b"x" * 100
    _, (problem,) = read_worktree(tmp_path, "t", lambda _: True, most=99)
    assert problem.code == "too-large"
