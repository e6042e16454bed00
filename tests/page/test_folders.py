"""Where a report may be written: into nobody else's folder, and through no link."""

import os
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.repository.pages import MARKER, PAGE, check_page_folder, write_page

REPORT = f"<!DOCTYPE html>\n{MARKER}\n".encode()


def refused(folder: Path) -> str:
    """What is said; nothing of the folder was changed."""
    before = sorted((path, path.is_file() and path.read_bytes()) for path in folder.rglob("*"))
    with pytest.raises(ReconcilerError) as error:
        write_page(folder, REPORT)
    with pytest.raises(ReconcilerError):
        check_page_folder(folder)
    after = sorted((path, path.is_file() and path.read_bytes()) for path in folder.rglob("*"))
    assert before == after
    return str(error.value)


def test_a_new_folder_an_empty_one_and_an_older_reports_are_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "report"
    for content in (REPORT, REPORT + b"newer"):
        check_page_folder(folder)
        assert write_page(folder, content) == folder / PAGE
        assert [path.name for path in folder.iterdir()] == [PAGE]
        assert (folder / PAGE).read_bytes() == content
    (folder / ".nojekyll").touch()
    write_page(folder, REPORT)


def test_a_folder_of_anything_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "it holds something else" in refused(tmp_path)
    (tmp_path / PAGE).write_text("<!DOCTYPE html>\n<p>mine</p>" + " " * 300 + MARKER)
    assert f"its {PAGE} is no report" in refused(tmp_path)


def test_a_pipe_or_a_folder_in_the_pages_place_is_no_report(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / PAGE)
    assert "is no report" in refused(tmp_path)
    (tmp_path / PAGE).unlink()
    (tmp_path / PAGE).mkdir()
    assert "is no report" in refused(tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real"
    write_page(real, REPORT)
    link = tmp_path / "link"
    link.symlink_to(real)
    assert "is a link" in refused(link)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / PAGE).symlink_to(real / PAGE)
    assert "is no report" in refused(inner)
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / "public").symlink_to(real)
    with pytest.raises(ReconcilerError, match="is a link"):
        write_page(repository / "public" / "report", REPORT)
    assert [path.name for path in real.iterdir()] == [PAGE]


def test_another_name_of_the_page_keeps_its_content(tmp_path: Path) -> None:
    folder, other = tmp_path / "report", tmp_path / "kept.html"
    write_page(folder, REPORT)
    other.hardlink_to(folder / PAGE)
    write_page(folder, REPORT + b"newer")
    assert other.read_bytes() == REPORT


def test_a_file_in_the_folders_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for write in (
        lambda: check_page_folder(tmp_path / "out"),
        lambda: write_page(tmp_path / "out", b""),
    ):
        with pytest.raises(ReconcilerError, match="out cannot be"):
            write()


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_page(tmp_path, REPORT)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ReconcilerError, match="No space left"):
        write_page(tmp_path, REPORT + b"newer")
    assert [path.name for path in tmp_path.iterdir()] == [PAGE]
    assert (tmp_path / PAGE).read_bytes() == REPORT
