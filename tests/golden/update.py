"""Write every command's output anew: `python -m tests.golden.update`.

Read the difference before committing it: people and scripts read these.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.golden.scene import PLACE, outputs
from tests.golden.test_outputs import arrange


def main() -> None:
    """Run the commands and write what they print."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        arrange(patch, Path(name))
        printed = outputs(Path(name))
    PLACE.mkdir(exist_ok=True)
    for old in PLACE.iterdir():
        old.unlink()
    for file, text in printed.items():
        (PLACE / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
