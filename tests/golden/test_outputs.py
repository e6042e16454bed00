"""What people and scripts read changes only where it is meant: `python -m tests.golden.update`."""

from pathlib import Path

import pytest

from reconciler.apply import wait
from tests.golden.scene import PLACE, outputs
from tests.repositories import isolate


def arrange(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """A terminal of 80 columns, and looks that do not wait for what has ended at once."""
    isolate(patch, folder)
    patch.setattr(wait, "FIRST_LOOK_SECONDS", 0.05)
    patch.setenv("COLUMNS", "80")


def test_every_output_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrange(monkeypatch, tmp_path)
    printed = outputs(tmp_path)
    kept = {file.name: file.read_text(encoding="utf-8") for file in PLACE.iterdir()}
    assert printed == kept
