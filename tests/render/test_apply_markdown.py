"""What an apply did, as a summary of its job."""

from hypothesis import given

from reconciler.render.apply_markdown import apply_markdown
from tests.render.outcomes import a_result, observed, rejected, triggered
from tests.render.test_apply import MIXED, WAITED
from tests.render.values import OBEYED, SHANGHAI, planned, texts
from tests.sampling import examples


def test_what_needs_a_person_is_open_and_stands_first() -> None:
    text = apply_markdown(MIXED, SHANGHAI, "prod")
    assert text.startswith(
        """\
### Apply of `prod` at `1a2b3c4d5e6f`

**2 triggered, 3 refused, 2 not started, 2 in doubt, 1 waiting**

<details open>
<summary>In doubt: not started again until that is settled: 2 runs</summary>

- 1 run: nothing found yet
  - `lost`
- 1 run: HTTP 503; an apply after 2024-03-02 08:02:05 `(GMT+8)` can settle it
  - `lost-too`

`reconciler status RUN --env prod` shows what is known of one.

</details>

<details open>
<summary>Refused by the service, and tried again by the next apply: 3 runs</summary>
"""
    )
    first_closed = text.index("<details>")
    assert "<details open>" not in text[first_closed:]
    assert text[first_closed:].count("<summary>") == 2  # waiting and triggered


def test_every_number_has_a_list_but_that_of_successes() -> None:
    text = apply_markdown(WAITED, SHANGHAI, "prod")
    assert "1,200 succeeded, 4 failed" in text
    for run in ("wind", "old", "older", "oldest", "solar", "tidal", "import", "slow", "odd"):
        assert f"- `{run}`\n" in text
    assert "march/" not in text


def test_failed_runs_of_a_backfill_are_started_again_by_retry_alone() -> None:
    result = a_result(observed=[observed("march/2024-03-01", 7), observed("solar", 7)])
    text = apply_markdown(result, SHANGHAI, "prod")
    assert "`retry` starts again what failed of march, and only that; a raised `revision`" in text
    assert "To start a failed run again, raise its `revision` or give it a `retry`." in text


def test_nothing_to_do_is_never_said_alone_where_manifests_are_not_pushed() -> None:
    assert "\nNothing to do.\n" in apply_markdown(a_result(), SHANGHAI, "prod")
    note = "triggers/a.yaml differs from origin/main, and an apply does what is there: push"
    text = apply_markdown(a_result(), SHANGHAI, "prod", note)
    assert "\nNothing to do there: `triggers/a.yaml` differs from `origin/main`, and" in text
    text = apply_markdown(a_result(outcomes=[triggered("a")]), SHANGHAI, "prod", note)
    assert "\nNote: `triggers/a.yaml` differs" in text


def test_many_runs_of_one_backfill_share_a_line_and_a_long_list_gives_way_to_its_number() -> None:
    many = [triggered(f"march/{number}") for number in range(1_000)]
    text = apply_markdown(a_result(outcomes=many), SHANGHAI, "prod")
    assert "- `march`: 1,000 runs, `march/0` to `march/999`\n" in text
    odd = [rejected(f"run-{number}", "no " * 90 + str(number)) for number in range(400)]
    unstarted = [planned(one.run) for one in odd]
    result = a_result(outcomes=odd, unstarted=unstarted)
    assert "… and 380 more reasons" in apply_markdown(result, SHANGHAI, "prod")
    short = apply_markdown(result, SHANGHAI, "prod", most=2_000)
    assert "next apply: 400 runs; `reconciler status` lists them." in short
    assert len(short.encode()) < 2_000


@examples(100)
@given(texts, texts)
def test_no_text_is_obeyed_or_taken_for_markup(run: str, message: str) -> None:
    result = a_result(outcomes=[rejected(run, message), triggered(f"{run}/{message}")])
    text = apply_markdown(result, SHANGHAI, run, message)
    assert OBEYED.search(text) is None
    assert text.count("<details") == text.count("</details>") == 2
