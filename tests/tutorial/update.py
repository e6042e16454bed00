"""Write what the commands of docs/tutorial.md print: `python -m tests.tutorial.update`.

Read the difference before committing it: people begin with this page.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.repositories import isolate
from tests.tutorial.page import TUTORIAL, rewritten, tutorial
from tests.tutorial.walking import Reader


def main() -> None:
    """Go through the page and write it."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        isolate(patch, Path(name))
        forget_keys(patch)
        reader = Reader(folder=Path(name).resolve() / "walk")
        reader.folder.mkdir()
        reader.go(tutorial())
    TUTORIAL.write_text(rewritten(reader.printed), encoding="utf-8")


def forget_keys(patch: pytest.MonkeyPatch) -> None:
    """Let nobody have the gateway's keys, and whatever is set meanwhile be gone afterwards."""
    for name in ("ENOS_ACCESS_KEY", "ENOS_SECRET_KEY"):
        patch.setenv(name, "")


if __name__ == "__main__":
    main()
