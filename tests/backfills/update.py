"""Write what the commands of docs/backfills.md print: `python -m tests.backfills.update`.

Read the difference before committing it: people learn the commands from this page.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.backfills.guide import DOCUMENT, examples, rewritten
from tests.backfills.running import show
from tests.repositories import isolate


def main() -> None:
    """Carry out every example and write the page."""
    text = DOCUMENT.read_text(encoding="utf-8")
    printed: list[str] = []
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        isolate(patch, Path(name))
        for example in examples(text):
            folder = Path(name) / str(example.number)
            folder.mkdir()
            printed += show(example, folder).printed
    DOCUMENT.write_text(rewritten(text, printed), encoding="utf-8")


if __name__ == "__main__":
    main()
