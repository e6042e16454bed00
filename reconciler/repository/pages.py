"""A folder that holds a report, and nothing that belongs to anybody else."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex

from reconciler.errors import ReconcilerError
from reconciler.repository.named_files import check_no_link

PAGE = "index.html"
MARKER = "<!-- A report of `reconciler report`. -->"  # within the first lines of the page
_HEAD = 200  # bytes at the start of the page, in which the marker stands


def check_page_folder(folder: Path) -> None:
    """Raise ReconcilerError unless a report may be written to the folder.

    It may be a folder that does not exist yet, an empty one, or one with an older report. It may
    not be a link: whoever can put one there would choose what is overwritten.
    """
    check_no_link(folder, "Name the folder itself.")
    try:
        descriptor = _open_folder(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _folder_error(folder, "read", error) from None
    try:
        _check_content(folder, descriptor)
    except OSError as error:
        raise _folder_error(folder, "read", error) from None
    finally:
        os.close(descriptor)


def check_apart(folder: Path, taken: Mapping[str, Path]) -> None:
    """Raise ReconcilerError if the folder is one of those taken, or lies in one or in git's own.

    `taken`: by what they hold. A report there would be read, and committed, with the rest.
    """
    own = folder.resolve()
    if ".git" in own.parts:
        raise ReconcilerError(
            f"{folder} is not written: it lies in git's own folder", hint="Name another folder."
        )
    for what, other in taken.items():
        if own.is_relative_to(other.resolve()):
            raise ReconcilerError(
                f"{folder} is not written: {other} holds {what}", hint="Name another folder."
            )


def write_page(folder: Path, content: bytes) -> Path:
    """Write the report into the folder, and return the page's path. Raises ReconcilerError.

    Whoever opens the page meanwhile sees the older report or this one, never a part of one.
    """
    check_no_link(folder, "Name the folder itself.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _open_folder(folder)
        try:
            _check_content(folder, descriptor)
            _replace(descriptor, content)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _folder_error(folder, "written", error) from None
    return folder / PAGE


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _check_content(folder: Path, descriptor: int) -> None:
    """Raise ReconcilerError if the open folder holds something, but no report."""
    names = os.listdir(descriptor)
    if not names or (PAGE in names and _is_report(descriptor)):
        return
    what = f"its {PAGE} is no report" if PAGE in names else "it holds something else"
    raise ReconcilerError(
        f"{folder} is left as it is: {what}",
        hint="Name a new folder, an empty one, or that of an older report.",
    )


def _is_report(folder: int) -> bool:
    # Without O_NONBLOCK, opening a pipe would wait for somebody to write into it.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(PAGE, flags, dir_fd=folder)
    except OSError:
        return False
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return is_file and MARKER.encode() in os.read(descriptor, _HEAD)
    finally:
        os.close(descriptor)


def _replace(folder: int, content: bytes) -> None:
    """Replace the older page in one step; if that is a link, its target stays as it is."""
    name = f".{PAGE}.{token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(name, PAGE, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise


def _folder_error(folder: Path, verb: str, error: OSError) -> ReconcilerError:
    return ReconcilerError(f"{folder} cannot be {verb}: {error.strerror}")
