"""Write what the commands of docs/tutorial.md print: `python -m tests.tutorial.update`.

Read the difference before committing it: people begin with this page.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reconciler.apply import wait
from tests.documented import rewritten
from tests.repositories import isolate
from tests.tutorial.page import TUTORIAL, tutorial
from tests.tutorial.walking import Reader


def main() -> None:
    """Go through the page and write it."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        isolate(patch, Path(name))
        reader = gone("github.com", Path(name).resolve(), patch)
    text = TUTORIAL.read_text(encoding="utf-8")
    TUTORIAL.write_text(rewritten(text, reader.printed), encoding="utf-8")


def gone(host: str, folder: Path, patch: pytest.MonkeyPatch) -> Reader:
    """A reader who has done what the page says, with a repository on that host."""
    for name in ("ENOS_ACCESS_KEY", "ENOS_SECRET_KEY"):
        patch.setenv(name, "")  # nobody has them yet; what is set meanwhile is gone afterwards
    patch.setattr(wait, "FIRST_LOOK_SECONDS", 0.05)
    reader = Reader(folder=folder / "walk", host=host)
    reader.folder.mkdir()
    reader.go(tutorial())
    return reader


if __name__ == "__main__":
    main()
