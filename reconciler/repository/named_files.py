"""Files that a person names, read and written without waiting or being led astray.

Under the name that a pipeline uses, a checkout can bring a link to anywhere. Pipes and devices
could make a command wait for ever, or give more than any memory holds.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import ReconcilerError

_ANOTHER = "Name another file."


def read_regular(path: Path, most: int) -> bytes:
    """The content of the file, which may have at most `most` bytes.

    Raises ReconcilerError, which quotes nothing of the file; also for a link that leaves a
    repository.
    """
    check_stays(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _check_regular(descriptor, path)
            content = file.read(most + 1)
    except OSError as error:
        raise ReconcilerError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > most:
        raise ReconcilerError(f"{path} is larger than {most:,} bytes")
    return content


def write_regular(path: Path, content: bytes, *, over: bytes, what: str) -> None:
    """Write a new file, or write over an empty one or one that begins with `over`: `what` it is.

    Nothing is written through a link that a repository can hold, nor into git's own folder.
    Raises ReconcilerError.
    """
    check_no_link(path, "Name the file itself; for standard output, use --format json.")
    if ".git" in (Path.cwd() / path).parts:
        raise ReconcilerError(f"{path} is not written: it lies in git's own folder", hint=_ANOTHER)
    # The file is truncated only once it is known to be such a file; a pipe is not waited for.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
        with os.fdopen(descriptor, "r+b") as file:
            _check_regular(descriptor, path)
            head = file.read(len(over))
            if head not in {b"", over}:
                raise ReconcilerError(
                    f"{path} is not written over: it is there, and is not {what}", hint=_ANOTHER
                )
            file.seek(0)
            file.truncate()
            file.write(content)
    except OSError as error:
        raise ReconcilerError(f"{path} cannot be written: {error.strerror}") from None


def check_no_link(path: Path, hint: str) -> None:
    """Raise ReconcilerError if the path is a link, or a repository's link is on the way to it."""
    link = next((link for link, _ in _links_of_repositories(path.parent)), None)
    if link is None and path.is_symlink():
        link = path
    if link is not None:
        raise ReconcilerError(
            f"{path} is not written: {link} is a link, and may lead anywhere", hint=hint
        )


def check_stays(path: Path) -> None:
    """Raise ReconcilerError if a link on the way leads out of the repository that it lies in.

    Whoever may write in that repository must not choose what else is read.
    """
    for link, top in _links_of_repositories(path):
        if not link.resolve().is_relative_to(top):
            raise ReconcilerError(
                f"{link} is a link that leaves the repository {top}",
                hint="Name what it leads to, if that is meant.",
            )


def _links_of_repositories(path: Path) -> Iterator[tuple[Path, Path]]:
    """The links on the way to the path that lie in a repository, each with its repository's top."""
    whole = path if path.is_absolute() else Path.cwd() / path
    for part in (*reversed(whole.parents), whole):
        if part.is_symlink():
            around = part.parent.resolve()
            for folder in (around, *around.parents):
                if os.path.lexists(folder / ".git"):
                    yield part, folder
                    break


def _check_regular(descriptor: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ReconcilerError(f"{path} is not a regular file")
