"""`report` of 10,000 runs, half of them recorded, against `status --format json`; and its page."""

import sys
from pathlib import Path
from statistics import median

from benchmarks.applying import git
from benchmarks.backfilling import RECORDED, RUNS, write_backfill
from benchmarks.measure import Sample, compare, run, seconds, spread
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


def measure(folder: Path) -> None:
    """Print times, peak memory, the page's size, and how a browser takes it."""
    repository, out = folder / "repository", folder / "out"
    write_backfill(repository)
    _commit(repository)
    found = compare(
        lambda: _run(repository, "report", "--out", str(out)),
        lambda: _run(repository, "status", "--format", "json"),
        pairs=5,
    )
    page = out / "index.html"
    print(f"report of {RUNS} runs, {RECORDED} recorded  {seconds(found.ours)}")
    print(f"status --format json              {seconds(found.theirs)}")
    print(f"ratio                             {spread(found.ratios)}")
    print(f"ratio of processor time           {spread(found.cpu_ratios)}")
    print(f"peak memory                       {median(s.peak_mib for s in found.ours):.0f} MiB")
    print(f"page                              {page.stat().st_size / 1e6:.2f} MB")
    opened, waits = _in_browser(page)
    print(f"opened, list of runs drawn        {spread([one / 1000 for one in opened], ' s')}")
    print(f"frames while scrolling            {spread(waits, ' ms')}")


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
