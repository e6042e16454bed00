"""Putting new files into a folder: never over anything, and through no link.

All of them are checked before one is written. Each appears whole or not at all.
"""

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from reconciler.errors import ReconcilerError

_HINT = "Nothing was written. Move it away, or name another folder with --repo."


class OnDisk(Struct, frozen=True, kw_only=True):
    """What stands where files will be put: their paths, in the order of the files."""

    absent: tuple[str, ...]
    same: tuple[str, ...]
    others: tuple[str, ...]  # with another content


def look_at_place(top: Path, files: Mapping[str, str]) -> OnDisk:
    """Look at what is there. Raises ReconcilerError for what is no file, or a link on the way."""
    found: dict[str, bool | None] = {path: _look(top, path, text) for path, text in files.items()}
    return OnDisk(
        absent=tuple(path for path, same in found.items() if same is None),
        same=tuple(path for path, same in found.items() if same),
        others=tuple(path for path, same in found.items() if same is False),
    )


def exists(top: Path, path: str) -> bool:
    """Whether anything stands at the path."""
    return os.path.lexists(top / path)


def put(top: Path, path: str, text: str) -> None:
    """Write a file that does not exist, and the folders that it needs. Raises ReconcilerError."""
    target = top / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _look(top, path, text)
        beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(beside, flags, 0o666), "wb") as file:
            try:
                file.write(text.encode("utf-8"))
                file.flush()
                os.link(beside, target)  # which fails if anything stands there by now
            finally:
                with suppress(OSError):
                    beside.unlink()
    except OSError as error:
        raise ReconcilerError(f"{target} cannot be written: {error.strerror}") from None


def _look(top: Path, path: str, text: str) -> bool | None:
    """Whether the file holds exactly the text; None if there is no file."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        folder = top.joinpath(*parts[:count])
        mode = _mode(folder)
        if mode is None:
            return None
        if not stat.S_ISDIR(mode):
            what = "a link, and may lead anywhere" if stat.S_ISLNK(mode) else "not a folder"
            raise ReconcilerError(f"{path} cannot be written: {folder} is {what}", hint=_HINT)
    mode = _mode(top / path)
    if mode is None:
        return None
    if not stat.S_ISREG(mode):
        what = "a link, and may lead anywhere" if stat.S_ISLNK(mode) else "not a file"
        raise ReconcilerError(f"{top / path} is {what}", hint=_HINT)
    with (top / path).open("rb") as file:
        expected = text.encode("utf-8")
        return file.read(len(expected) + 1) == expected


def _mode(path: Path) -> int | None:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReconcilerError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from None
