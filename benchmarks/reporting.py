"""`report` of 10,000 runs, half of them recorded, against `status --format json`; and its page."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.applying import git
from benchmarks.backfilling import write_backfill
from benchmarks.measure import Sample, compare, run
from benchmarks.table import Row, at_most
from tests.page.chromium import Page, file_url, opened_page

_SCROLLS = """\
new Promise((done) => {
  const list = document.querySelector("#list"), waits = [];
  let before = performance.now(), step = 0;
  const frame = (now) => {
    waits.push(now - before);
    before = now;
    list.scrollTop += 1500;
    step += 1;
    if (step < 120) requestAnimationFrame(frame); else done(waits.slice(2).sort((a, b) => a - b));
  };
  requestAnimationFrame(frame);
})
"""


def measure(folder: Path) -> Iterator[Row]:
    """Time and memory, the page's size, and how a browser takes it."""
    repository, out = folder / "repository", folder / "out"
    write_backfill(repository)
    _commit(repository)
    found = compare(
        lambda: _run(repository, "report", "--out", str(out)),
        lambda: _run(repository, "status", "--format", "json"),
        pairs=5,
    )
    page = out / "index.html"
    work = "`report` of 10,000 runs, half recorded"
    yield Row(
        work=f"{work}, to `status --format json`",
        values=found.ratios,
        goal=at_most(3),
        took=found.took,
    )
    memory = [one.peak_mb for one in found.ours]
    yield Row(work=f"memory of {work}", values=memory, unit=" MB", goal=at_most(200))
    size = page.stat().st_size / 1e6
    yield Row(work=f"page of {work}", values=[size], unit=" MB", goal=at_most(3))
    opened, waits = _in_browser(page)
    drawn = [one / 1000 for one in opened]
    work = "page in Chromium, without a graphics card"
    yield Row(work=f"{work}: until the list is drawn", values=drawn, unit=" s", goal=at_most(2))
    yield Row(work=f"{work}: a frame while it is scrolled", values=waits, unit=" ms")


def _run(repository: Path, *words: str) -> Sample:
    command = [sys.executable, "-m", "reconciler", *words, "--offline", "--repo", str(repository)]
    return run(command, Path.cwd())


def _commit(repository: Path) -> None:
    """A history for the report to read."""
    git("init", "--quiet", "--initial-branch=main", cwd=repository)
    git("add", "--all", cwd=repository)
    named = ("-c", "user.name=b", "-c", "user.email=b@example.test")
    git(*named, "commit", "--quiet", "-m", "Backfill (#1)", cwd=repository)


def _in_browser(page: Path) -> tuple[list[float], list[float]]:
    """Milliseconds until the list was drawn, five times; and between frames while it scrolled."""
    opened = []
    with opened_page() as tab:
        tab.look(1280, 900)
        for _ in range(5):
            tab.open("about:blank")
            tab.open(f"{file_url(page)}#view=runs")
            opened.append(_drawn(tab))
        return opened, list(tab.value(_SCROLLS))


def _drawn(tab: Page) -> float:
    """Milliseconds from the navigation's beginning to the first frame after the script has run."""
    return float(
        tab.value("new Promise((done) => requestAnimationFrame(() => done(performance.now())))")
    )
