"""The page in a real Chromium: quiet, inert, accessible, and quick because little of it exists.

`python -m tests.page.update` makes the pictures in docs/report.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.ledger import RunState
from reconciler.model import InstanceId, Place, RunId
from reconciler.plan import Reason
from reconciler.render.page import Reported, report_page
from tests.page import forge
from tests.page.chromium import Page, file_url, opened_page
from tests.page.pictures import PLACE, pictures_of, shown
from tests.page.scenery import MADE, a_month, a_run, hostile
from tests.render.values import SHANGHAI
from tests.repositories import PROJECT

pytestmark = pytest.mark.long

AXE = PROJECT / ".venv" / "axe.min.js"
VIEWS = ("attention", "runs", "backfills", "calendar", "timeline")
_VIOLATIONS = """\
axe.run(document, {resultTypes: ["violations"]}).then((found) =>
  found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html}`)))
"""


@pytest.fixture
def page() -> Iterator[Page]:
    with opened_page() as opened:
        opened.look(1280, 900)
        yield opened
        assert opened.complaints == []
        loaded = [url for url in opened.requests if not url.startswith("data:")]
        assert all(url.startswith("file:") and url.endswith(".html") for url in loaded)


def written(folder: Path, text: str) -> str:
    file = folder / "index.html"
    file.write_text(text, encoding="utf-8")
    return file_url(file)


def some_run(page: Page) -> None:
    """Open the details of the first run that needs a person."""
    page.value("document.querySelector('#view-attention a[href^=\"#run\"]').click()")
    page.settle()
    assert page.value("document.querySelector('dialog').open")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "told", [a_month(sites=4, days=6), hostile()], ids=["a month", "hostile names"]
)
def test_axe_finds_no_violation_in_any_view(tmp_path: Path, told: object) -> None:
    assert AXE.exists(), "make prove fetches axe-core"
    with opened_page() as page:
        page.ask("Page.setBypassCSP", enabled=True)  # for axe-core, which makes elements of text
        page.open(written(tmp_path, report_page([told], MADE)))  # type: ignore[list-item] # pytest's
        page.value(f"{AXE.read_text('utf-8')};0")
        for dark in (False, True):
            for width in (1280, 390):
                page.look(width, 900, dark=dark)
                for view in VIEWS:
                    shown(page, view)
                    assert page.value(_VIOLATIONS) == [], (view, width, dark)
                shown(page, "attention")
                some_run(page)
                assert page.value(_VIOLATIONS) == [], (width, dark)
                page.press("Escape")


def test_hostile_names_do_nothing_and_ask_nobody(tmp_path: Path, page: Page) -> None:
    page.ask("Page.addScriptToEvaluateOnNewDocument", source="window.alert = () => { bad = 1; }")
    page.open(written(tmp_path, report_page([hostile()], MADE)))
    for view in VIEWS:
        shown(page, view)
        page.value("for (const one of document.querySelectorAll('td.cell')) one.focus()")
    some_run(page)
    assert page.value("typeof bad") == "undefined"
    added = (
        "img, iframe, object, embed, base, svg, video, audio, link:not([rel=icon]), style ~ style"
    )
    assert page.value(f"document.querySelectorAll('{added}').length") == 0
    assert page.value("document.scripts.length") == 2
    links = "[...document.links].filter(one => !/^(file|https?):/.test(one.protocol)).length"
    assert page.value(links) == 0


def test_of_ten_thousand_runs_only_those_in_sight_exist(tmp_path: Path, page: Page) -> None:
    page.open(written(tmp_path, report_page([a_month(sites=40, days=250)], MADE)))
    shown(page, "runs")
    rows = "document.querySelectorAll('#list tbody tr[data-at]').length"
    assert 10 < page.value(rows) < 60
    total = page.value(
        "Number(document.querySelector('#list table').getAttribute('aria-rowcount'))"
    )
    assert total > 10_000
    page.value("document.querySelector('#list').scrollTop = 1e9")
    page.settle()
    assert 10 < page.value(rows) < 60
    last = "document.querySelector('#list tbody tr[data-at]:nth-last-child(2)').dataset.at"
    assert int(page.value(last)) == total - 2


_SCROLLED = """\
new Promise((done) => {
  const list = document.querySelector("#list"), frames = 60;
  let frame = 0, made = 0, most = 0, rows = 0;
  const watch = new MutationObserver((records) => {
    for (const record of records) for (const node of record.addedNodes)
      made += node.nodeType === 1 ? 1 + node.querySelectorAll("*").length : 0;
  });
  watch.observe(list, {childList: true, subtree: true});
  const step = () => {
    most = Math.max(most, made); made = 0;
    rows = Math.max(rows, list.querySelectorAll("tbody tr[data-at]").length);
    if (frame++ === frames) return done([most, rows]);
    list.scrollTop += 1700;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})
"""


def scrolled(page: Page, url: str) -> tuple[float, int, int]:
    """While the list of runs moves by two screens a frame, for sixty frames.

    Layouts a frame, the most elements that were made for one, and the most rows that there were.
    """
    page.open(url)
    shown(page, "runs")
    page.ask("Performance.enable")
    before = layouts(page)
    made, rows = page.value(_SCROLLED)
    return (layouts(page) - before) / 60, made, rows


def layouts(page: Page) -> float:
    metrics = page.ask("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "LayoutCount")


def test_a_frame_of_scrolling_costs_no_more_among_ten_thousand_runs_than_among_few(
    tmp_path: Path, page: Page
) -> None:
    """By what the browser lays out and the script makes, which no slow machine changes."""
    few, many = (
        scrolled(page, written(tmp_path, report_page([a_month(sites=40, days=days)], MADE)))
        for days in (70, 250)
    )
    assert few[0] <= 3
    assert few[1] > 100  # it has moved
    assert many[0] <= few[0] * 1.25 + 0.1
    assert many[1] <= few[1] * 1.25
    assert many[2] <= few[2] + 2 < 60


def test_a_keyboard_is_enough(tmp_path: Path, page: Page) -> None:
    page.open(written(tmp_path, report_page([a_month(sites=4, days=5)], MADE)))
    page.press("/")
    assert page.value("document.activeElement.id") == "q"
    page.ask("Input.insertText", text="wind-march cn-02")
    page.settle()
    assert page.value("document.querySelector('#found').textContent").startswith("5 of ")
    page.value("document.querySelector('#list a.run').focus()")
    page.press("ArrowDown")
    name = page.value("document.activeElement.textContent")
    assert name == "wind-march/2024-03-02/SITE=cn-02"
    page.press("Enter")
    assert page.value("document.querySelector('#details-title').textContent") == name
    page.press("Escape")
    assert page.value("document.querySelector('dialog').open") is False
    assert page.value("document.activeElement.textContent") == name
    shown(page, "backfills")
    page.value("document.querySelector('[aria-label=\"Runs of wind-march\"] td.cell').focus()")
    page.press("ArrowRight")
    label = page.value("document.activeElement.getAttribute('aria-label')")
    assert label == "cn-02, 2024-03-01: succeeded"


def test_an_address_brings_back_what_was_looked_at(tmp_path: Path, page: Page) -> None:
    url = written(tmp_path, report_page([a_month(sites=4, days=5)], MADE))
    page.open(f"{url}#view=runs&state=pending&param=SITE%3Dcn-0*&from=2024-03-05")
    assert page.value("document.querySelector('#found').textContent").startswith("5 of ")
    page.open("about:blank")
    page.open(f"{url}#run=prod%2Fwind-march%2F2024-03-01%2FSITE%3Dcn-01")
    assert page.value("document.querySelector('dialog').open")


def test_what_a_retry_has_mended_counts_once_and_as_well(tmp_path: Path, page: Page) -> None:
    time, place = a_month(1, 1).rows[0].trigger_time, Place(file="triggers/flaky.yaml", line=1)
    bad = a_run("flaky/2024-03-01", RunState.FAILED, time, place=place)
    again = a_run("flaky/2024-03-01#2", RunState.SUCCEEDED, time, place=place)
    well = a_run("flaky/2024-03-02", RunState.SUCCEEDED, time, place=place)
    rows = [bad.but(followed_by=again.run), again, well]
    told = Reported(environment="prod", zone=SHANGHAI, rows=rows)
    page.open(written(tmp_path, report_page([told], MADE)))
    for view in ("backfills", "calendar"):
        shown(page, view)
        title = page.value(f"document.querySelector('#view-{view} h2').textContent")
        assert title.endswith("2 runs: 2 succeeded (1 after a retry)"), view
        assert page.value(f"document.querySelector('#view-{view} .followed')") is None


_CUT = """\
[...document.querySelectorAll("#list tr[data-at] td")].filter((one) =>
  one.scrollWidth > one.clientWidth && getComputedStyle(one).display !== "none")
  .map((one) => one.textContent)
"""


@pytest.mark.parametrize("width", [1200, 1280, 1440])
def test_no_state_time_instance_or_cause_is_cut_where_a_desktop_has_room(
    tmp_path: Path, page: Page, width: int
) -> None:
    time, place = a_month(1, 1).rows[0].trigger_time, Place(file="triggers/a.yaml", line=1)
    ended: dict[str, Any] = {
        "reason": Reason.FAILED,
        "status": "FAIL",
        "instance": InstanceId("33771-20240302080000"),
    }
    rows = [
        a_run("undeclared", RunState.FAILED, time, **ended),
        a_run("cancelled", RunState.FAILED, time, **ended, place=place, is_unwanted=True),
        a_run("again", RunState.FAILED, time, **ended, place=place, followed_by=RunId("again#2")),
        a_run("wind-march/2024-03-01/SITE=cn-01", RunState.SUCCEEDED, time, place=place),
        *(
            a_run(f"later-{one}", RunState.PENDING, time, reason=one, why="short", place=place)
            for one in (Reason.READY, Reason.SUSPENDED, Reason.WAITS_FOR, Reason.MISSED)
        ),
        a_run("much", RunState.PENDING, time, reason=Reason.OVER_LIMIT, why="short", place=place),
    ]
    page.look(width, 900)
    told = Reported(environment="prod", zone=SHANGHAI, rows=rows)
    page.open(written(tmp_path, report_page([told], MADE)))
    shown(page, "runs")
    assert page.value(_CUT) == []
    state = "document.querySelectorAll('#list td.c-state')[{}].lastChild.textContent"
    assert [page.value(state.format(at)) for at in (0, 1)] == ["undeclared", "cancelled"]


def test_the_page_tells_the_time_as_the_zone_does(tmp_path: Path, page: Page) -> None:
    page.ask("Emulation.setTimezoneOverride", timezoneId="America/New_York")
    page.open(written(tmp_path, report_page([a_month(sites=1, days=1)], MADE)))
    shown(page, "runs")
    cell = page.value("document.querySelector('#list td.c-time').textContent")
    assert cell == "2024-03-02 08:00"


def test_the_pictures_of_the_documents_are_there_and_show_this_page(
    tmp_path: Path, page: Page
) -> None:
    check_pictures(PLACE, pictures_of(page, tmp_path))
    check_pictures(forge.PLACE, forge.pictures_of(page, tmp_path))


def check_pictures(place: Path, made: dict[str, bytes]) -> None:
    assert {path.name for path in place.iterdir()} == set(made)
    for name, picture in made.items():
        kept = (place / name).read_bytes()
        assert len(kept) < 200_000
        assert kept[16:24] == picture[16:24]  # as wide and as high
