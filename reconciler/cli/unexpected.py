"""Errors that nobody foresaw: the machine's are shown as they are, a bug goes into a log file."""

import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType

from reconciler import __version__
from reconciler.cli import saying
from reconciler.errors import ExitCode

# The machine has run out of something, or a disk fails: no line of code is wrong.
_OF_THE_MACHINE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE),
    }
)
_PACKAGES = ("click", "httpx", "jsonschema", "jsonschema-rs", "msgspec", "PyYAML", "rich")


def is_of_output(error: OSError) -> bool:
    """Whether the error was raised while something was printed."""
    frames = _frames(error.__traceback__)
    return any(frame.tb_frame.f_globals.get("__name__") == saying.__name__ for frame in frames)


def tell_unexpected(error: Exception, arguments: Sequence[str]) -> ExitCode:
    """Say what has happened, on one line, and give the exit code."""
    from reconciler.git.said import without_credentials

    if isinstance(error, OSError):
        if is_of_output(error):
            saying.say(f"error: the output could not be written: {error.strerror}")
            return ExitCode.PROBLEM
        if error.errno in _OF_THE_MACHINE:
            where = f": {error.filename}" if error.filename else ""
            saying.say(f"error: {error.strerror}{where}")
            return ExitCode.PROBLEM
        if _has_lost_its_folder():
            saying.say("error: the current folder is gone: somebody has removed it")
            saying.say("  Change to one that is there.")
            return ExitCode.PROBLEM
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    words = without_credentials(said)
    content = without_credentials(_log(error, arguments))
    kept = _keep(content)
    if kept is None:
        saying.show(f"{content}\n", err=True, level="error")
        kept = "the lines above, because no file can be written"
    saying.say(f"error: {words}: this is a bug in reconciler, please report it with {kept}")
    return ExitCode.BUG


def _has_lost_its_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - what is wanted is the error
    except OSError:
        return True
    return False


def _log(error: Exception, arguments: Sequence[str]) -> str:
    """What a developer needs to know to fix the bug."""
    lines = [
        f"reconciler {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        f"arguments: {list(arguments)}",
        f"executable: {sys.executable}",
        "",
        *traceback.format_exception(error),
    ]
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _keep(content: str) -> str | None:
    """Write the text to a log file that only this user can read; gives its path, or None."""
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, path = tempfile.mkstemp(prefix="error-", suffix=".log", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(content)
            return path
    return None


def _folders() -> Iterator[Path]:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if cache:
        yield Path(cache) / "reconciler"
    else:
        with suppress(RuntimeError):  # the user has no home
            yield Path.home() / ".cache" / "reconciler"
    with suppress(OSError):
        yield Path(tempfile.gettempdir())


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next
