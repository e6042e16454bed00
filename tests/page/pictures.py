"""The pictures that the documents show, taken of the page in Chromium."""

from collections.abc import Mapping
from pathlib import Path

from reconciler.render.page import report_page
from tests.page.chromium import Page, file_url
from tests.page.scenery import MADE, a_month
from tests.repositories import PROJECT

PLACE = PROJECT / "docs" / "report"
# By file: the view, the width, and whether the desktop is dark.
PICTURES: Mapping[str, tuple[str, int, bool]] = {
    "attention.png": ("attention", 1200, False),
    "backfills.png": ("backfills", 1200, True),
    "run.png": ("run", 1200, False),
    "phone.png": ("runs", 390, False),
}
_HEIGHT = 780


def pictures_of(page: Page, folder: Path) -> dict[str, bytes]:
    """All of them, as PNG."""
    file = folder / "month.html"
    file.write_text(report_page([a_month()], MADE), encoding="utf-8")
    page.open(file_url(file))
    found = {}
    for name, (view, width, dark) in PICTURES.items():
        page.look(width, _HEIGHT, dark=dark)
        shown(page, view)
        found[name] = page.picture()
    return found


def shown(page: Page, view: str) -> None:
    """Show that view, or of a run everything that is known."""
    run = "run=prod%2Fwind-march%2F2024-03-02%2FSITE%3Dcn-12"
    page.value(f"location.hash = '{run if view == 'run' else f'view={view}'}'")
    page.settle()
