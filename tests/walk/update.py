"""Write what the commands of the walk-through print: `python -m tests.walk.update`.

Read the difference before committing it: people learn the commands from this page.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.repositories import isolate
from tests.walk.page import DOCUMENT, rewritten, walk
from tests.walk.walking import Month, Walk


def main() -> None:
    """Go through the month and write the page."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        isolate(patch, Path(name))
        walked = Walk(month=Month(), folder=Path(name) / "team")
        walked.go(walk())
    DOCUMENT.write_text(rewritten(walked.printed), encoding="utf-8")


if __name__ == "__main__":
    main()
