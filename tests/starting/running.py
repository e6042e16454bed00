"""Running the command where a person would: in a folder, without --repo."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from msgspec import Struct

from reconciler.cli.main import run

ANSWERS = ("--url", "https://apim.example.test", "--org-id", "o1", "--user-id", "u1")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = ("--source", f"https://github.com/acme/reconciler@{COMMIT}")
ALL = (*ANSWERS, "--timezone", "GMT+8", *SOURCE)


class Ran(Struct, frozen=True, kw_only=True):
    """What came of a command."""

    code: int
    out: str
    err: str


def ran(folder: Path, *arguments: str, typed: str | None = None) -> Ran:
    """Run it there; `typed`: what a person at a terminal types."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "stdin", io.StringIO(typed or ""))
        for module in ("starting", "composing"):
            patch.setattr(f"reconciler.cli.{module}.is_terminal", lambda: typed is not None)
        code = run(arguments)
    said, told = (one.buffer.getvalue().decode() for one in (out, err))
    return Ran(code=code, out=said, err=told)


def files(folder: Path) -> dict[str, str]:
    """Every file but git's, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
