"""The status as a summary of a pipeline's job."""

from typing import Any

from hypothesis import given

from reconciler.ledger import RunState
from reconciler.model import EpochMs, InstanceId, Place, RunId
from reconciler.plan import Reason
from reconciler.render.status_markdown import MOST_BYTES, status_markdown
from reconciler.render.status_row import StatusRow
from tests.render.values import EIGHT, OBEYED, SHANGHAI, a_row, texts
from tests.sampling import examples

HERE = Place(file="triggers/wind.yaml", line=7)


def failed(run: str, status: str = "TIMEOUT", **more: Any) -> StatusRow:
    values = {"place": HERE, "reason": Reason.FAILED, "instance": InstanceId("3377-1")}
    return a_row(run, RunState.FAILED, status=status, **(values | more))


def pending(run: str, reason: Reason, why: str) -> StatusRow:
    return a_row(run, RunState.PENDING, reason=reason, why=why, place=HERE)


ROWS = [
    a_row("wind-march/2024-03-01", RunState.SUCCEEDED, status="SUCCESS"),
    failed("wind-march/2024-03-02"),
    failed("wind-march/2024-03-03"),
    pending("wind-march/2024-03-04", Reason.READY, "starts immediately: its time is past"),
    pending("report", Reason.BLOCKED, "blocked: wind-march failed (TIMEOUT)"),
    a_row("solar", RunState.SUCCEEDED),
]


def shown(*rows: StatusRow, most: int = MOST_BYTES, detailed: bool = False) -> str:
    return status_markdown([("prod", SHANGHAI, rows)], most, detailed=detailed)


def test_counts_by_manifest_come_first_and_then_what_is_not_done_with_its_reason() -> None:
    assert shown(*ROWS) == (
        """\
### Status of `prod`

**2 pending, 2 succeeded, 2 failed**

| Manifest | pending | succeeded | failed |
| --- | --- | --- | --- |
| `wind-march` | 1 | 1 | 2 |
| `report` | 1 |  |  |
| `solar` |  | 1 |  |

<details>
<summary>2 runs failed: the instance is TIMEOUT: it ran longer than the flow allows</summary>

| Run | Trigger time (`GMT+8`) | Business date | Instance | Manifest |
| --- | --- | --- | --- | --- |
| `wind-march/2024-03-02` | 2024-03-02 08:00:00 | 2024-03-01 | `3377-1` | `triggers/wind.yaml:7` |
| `wind-march/2024-03-03` | 2024-03-02 08:00:00 | 2024-03-01 | `3377-1` | `triggers/wind.yaml:7` |

</details>

<details>
<summary>1 run pending: blocked: wind-march failed (TIMEOUT)</summary>

| Run | Trigger time (`GMT+8`) | Business date | Instance | Manifest |
| --- | --- | --- | --- | --- |
| `report` | 2024-03-02 08:00:00 | 2024-03-01 |  | `triggers/wind.yaml:7` |

</details>

- 1 run pending: starts immediately: its time is past
"""
    )


def test_what_is_in_doubt_stands_above_what_failed_and_that_above_what_is_to_come() -> None:
    text = shown(
        a_row("t", RunState.TRIGGERED, reason=Reason.RUNNING, why="started"),
        failed("f"),
        a_row("d", RunState.IN_DOUBT, reason=Reason.IN_DOUBT),
    )
    assert text.index("run in doubt") < text.index("run failed") < text.index("run triggered")


def test_a_failure_that_another_attempt_mended_counts_no_more_and_needs_nobody() -> None:
    text = shown(failed("a", followed_by=RunId("a#2")), a_row("a#2", RunState.SUCCEEDED))
    assert "**1 succeeded (1 after a retry)**" in text
    assert "| Manifest | succeeded |\n| --- | --- |\n| `a` | 1 |\n" in text
    assert "<details>" not in text


def test_ten_thousand_failures_fit_and_are_counted() -> None:
    rows = [failed(f"m-{number}", "FAIL" if number % 2 else "TIMEOUT") for number in range(10_000)]
    text = shown(*rows)
    assert len(text.encode()) < 60_000
    assert "more manifests" in text
    assert text.count("… and 4,950 more runs; `reconciler status --state failed --verbose`") == 2


def test_groups_that_do_not_fit_are_counted() -> None:
    rows = [failed(f"m-{number}", f"STATUS{number}") for number in range(300)]
    text = shown(*rows, most=20_000)
    assert len(text.encode()) < 20_000
    kept = text.count("<details>")
    assert f"… and {300 - kept} more runs; `reconciler status` shows all." in text


def test_an_environment_without_runs_says_so_and_several_follow_each_other() -> None:
    text = status_markdown([("prod", SHANGHAI, []), ("test", SHANGHAI, ROWS)])
    assert text.startswith("### Status of `prod`\n\n**no runs**\n\n### Status of `test`\n")


@examples(100)
@given(texts, texts)
def test_no_text_is_obeyed_or_leaves_its_cell(run: str, error: str) -> None:
    row = a_row(run, RunState.REJECTED, error=error, instance=InstanceId(error), place=HERE)
    text = shown(row)
    assert OBEYED.search(text) is None
    assert all(line.startswith("|") == line.endswith("|") for line in text.split("\n") if line)


def test_one_run_is_shown_with_all_that_is_known_and_how_it_is_settled() -> None:
    row = a_row("a", RunState.IN_DOUBT, evidence="time|out", settled_from=EpochMs(EIGHT))
    text = shown(row, detailed=True)
    assert "### `a` in `prod`: in doubt" in text
    assert "| seen | `time\\|out` |" in text
    assert "| to be settled | by a search after 2024-03-02 08:00:00" in text
    assert "- `reconciler resolve a --triggered INSTANCE_ID --reason WHY --env prod`" in text


def test_where_something_fits_it_says_that_the_run_is_started_again() -> None:
    row = a_row("a", RunState.IN_DOUBT, evidence={"found": [{"id": "1-1"}]})
    caution = (
        "- Only if that instance is certainly another's: --not-triggered starts the run again: "
    )
    assert f"\n{caution}`reconciler resolve a --not-triggered " in shown(row, detailed=True)
