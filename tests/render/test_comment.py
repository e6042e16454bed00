"""What a pull request changes, as the comment that its reviewer reads."""

import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import cmarkgfm  # type: ignore[import-untyped] # it has no types
import pytest
from cmarkgfm.cmark import Options  # type: ignore[import-untyped] # the same
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.configuration import GatewayConfiguration
from reconciler.ledger import Ledger
from reconciler.model import Match, Retry, Run
from reconciler.plan import Plan
from reconciler.plan.review import Review, Setting
from reconciler.render.markdown import cell, prose
from reconciler.render.plan_markdown import Comment, plan_markdown
from tests.building import NOW, a_claim, a_ledger, a_run, a_triggered, after, an_observed
from tests.render.test_changes import NOTHING, month, review
from tests.render.values import NASTY, SHANGHAI, assert_safe, texts
from tests.sampling import examples

DAY_MS = 86_400_000
GATEWAY = GatewayConfiguration(
    url="https://apim.example.com/apim",
    org_id="o155",
    user_id="u164",
    timezone="GMT+8",
    zone=SHANGHAI,
)  # fmt: skip - who is asked, in one line
SITES = [f"cn-{number:02d}" for number in range(1, 41)]


def comment(
    before: Sequence[Run],
    now: Sequence[Run],
    ledger: Ledger = NOTHING,
    most: int = 60_000,
    gateway: GatewayConfiguration = GATEWAY,
    **more: Any,
) -> Comment:
    plan, said = review(before, now, ledger, **more)
    return plan_markdown([(plan, SHANGHAI)], most, [replace(said, gateway=gateway)])


def shown(*args: Any, **more: Any) -> str:
    return comment(*args, **more).text


def sites_in_march() -> list[Run]:
    """A day of March at each of forty sites, all in the past."""
    return [
        a_run(
            f"wind-march/2024-01-{day:02d}/SITE={site}",
            trigger_time=after(NOW, (day - 60) * DAY_MS),
            parameters=(("SITE", site), ("MODE", "full")),
            description="Reprocess after the outage",
        )
        for day in range(1, 32)
        for site in SITES
    ]


def test_a_reviewer_reads_everything_in_the_order_in_which_it_matters() -> None:
    ran = a_run("ran", flow_id=2)
    ledger = a_ledger(a_claim(ran), a_triggered(ran), an_observed(ran, status="FAIL"))
    setting = Setting(pointer="/git/branch", before=None, after="main")
    calm = a_run("calm", flow_id=9, suspend=True)
    text = shown(
        [*month("less", 31, flow_id=5), ran, calm],
        [*month("less", 3, flow_id=5), ran, calm, a_run("new", depends_on=("ran",))],
        ledger,
        settings=[setting],
        limit=2,
    )
    assert (
        text
        == """\
<!-- reconciler-plan prod -->

### Plan for `prod`, ledger at `1a2b3c4d5e6f`

**This change adds 1 run that cannot start yet, on organisation `o155`, gateway \
`apim.example.com`, as user `u164`; removes 28 runs that will never start.** Compared with \
`1a2b3c4d5e6f`.

**Refused:** this apply would start 3 runs, and the limit is 2. If that is meant, raise \
`limits.maxRunsPerApply` to 3 in the same pull request; once, by hand: `apply --max-runs 3`.

**Configuration that changes**

- `/git/branch`: `nothing` → `main`

| Manifest | Change | Carries | When |
| --- | --- | --- | --- |
| `less`<br>`triggers/less/2024-03-01.yaml:1` | 31 runs → 3: 28 will never start \
| flow `5`<br>`REPLACE=ddee` | no longer: 28 business dates: 2024-03-05 to 2024-04-01 |
| `new`<br>`triggers/new.yaml:1` | new: 1 run | flow `3377`<br>`REPLACE=ddee` \
| 1 business date: 2024-03-01<br>at 2024-03-02 08:00:00 (`GMT+8`)<br>after `ran` |

<details>
<summary>Also, of what this change does not touch: 3 to trigger, 1 waiting, 1 failed.</summary>

- wait `calm`: 1 run of flow 9, business date 2024-03-01; suspended
- done `ran`: 1 run of flow 2, business date 2024-03-01; failed: FAIL, a task of the flow failed
- trigger `less`: 3 runs of flow 5, business dates 2024-03-02 to 2024-03-04; \
an apply hands it over, and the service starts it at its time

</details>

Nothing is started: see above.
"""
    )


def test_a_month_of_forty_sites_fits_in_one_screen_and_unfolds_into_all_values() -> None:
    found = comment([], sites_in_march(), limit=2_000)
    first, details = found.text.split("<details>")
    assert found.is_complete
    assert len(first.encode()) < 8_000
    assert first.count("\n| `") == 1
    assert "**This change starts 1,240 runs at once, on organisation `o155`" in first
    assert "`SITE`: 40 values: `cn-01` … `cn-40`<br>`MODE=full`" in first
    assert "all 1,240 at once: the time is past" in first
    assert "31 business dates: " in first
    assert "Reprocess after the outage" in first
    assert "not every combination" not in first
    assert [site for site in SITES if f"`{site}`" not in details] == []


def test_a_backfill_with_gaps_says_that_not_every_combination_runs() -> None:
    assert "not every combination" in shown([], sites_in_march()[1:], limit=2_000)


def test_a_row_says_what_starts_and_apart_from_it_what_will_not_any_more() -> None:
    def when(before: Sequence[Run], now: Sequence[Run]) -> str:
        (row,) = re.findall(r"^\| `less.*$", shown(before, now), re.MULTILINE)
        return str(row.split(" | ")[-1])

    month_before = month("less", 31)
    narrowed = when(month_before, month_before[:3])
    assert narrowed == "no longer: 28 business dates: 2024-03-05 to 2024-04-01 |"
    moved = [month_before[0].but(flow_id=1)]
    changed = when(month_before, moved)
    assert changed.startswith("1 business date: 2024-03-02<br>at 2024-03-03 12:00:00")
    assert changed.endswith("<br>no longer: 30 business dates: 2024-03-03 to 2024-04-01 |")


def test_dates_unfold_only_where_two_ends_do_not_tell_them() -> None:
    whole = month("wind", 31)
    assert "all values" not in shown([], whole)
    gaps = shown([], [*whole[:3], *whole[5:7]])
    assert "(5 of <code>business date</code>)" in gaps


def test_runs_that_wait_on_the_branch_and_are_moved_elsewhere_are_told() -> None:
    setting = Setting(pointer="/environments/prod/gateway/userId", before="u1", after="u164")
    runs = [a_run(), a_run("held", flow_id=1, suspend=True)]
    text = shown(runs, runs, settings=[setting])
    assert (
        "**This change starts nothing. It moves 2 runs that wait on the branch to organisation "
        "`o155`, gateway `apim.example.com`, as user `u164`.**" in text
    )
    more = shown(runs, [*runs, a_run("new", flow_id=2)], settings=[setting])
    assert "as user `u164`. It moves 2 runs that wait" in more
    other = Setting(pointer="/environments/prod/limits/concurrency", before=1, after=2)
    assert "It moves" not in shown(runs, runs, settings=[other])
    ran = a_ledger(a_claim(a_run()), a_triggered(a_run()))
    assert "It moves" not in shown(runs[:1], runs[:1], ran, settings=[setting])
    new = replace(setting, before=None)
    assert "It moves" not in shown(runs, runs, settings=[new])


def test_what_starts_is_told_apart_by_when() -> None:
    ran = a_run("again", flow_id=2)
    ledger = a_ledger(a_claim(ran), a_triggered(ran))
    now = [
        a_run("again", flow_id=2, revision=2),
        a_run("past", flow_id=3),
        a_run("later", flow_id=4, trigger_time=after(NOW, DAY_MS)),
        a_run("held", flow_id=5, suspend=True),
        a_run("other", flow_id=6),
    ]
    text = shown([ran, a_run("other", flow_id=7), a_run("gone", flow_id=8)], now, ledger)
    assert (
        "**This change starts 1 run at once, starts 1 run at its time, adds 1 run that cannot "
        "start yet, starts 1 run again and changes 1 run that starts at once, on organisation "
        "`o155`, gateway `apim.example.com`, as user `u164`; removes 1 run that will never start.**"
        in text
    )


def test_an_edit_of_what_ran_is_said_in_the_sentence() -> None:
    ledger = a_ledger(a_claim(a_run()), a_triggered(a_run()))
    text = shown([a_run()], [a_run(flow_id=1)], ledger)
    assert "**This change edits 1 run that ran already, which is refused.**" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"suspend": True}, "suspended"),
        ({"cancel": True}, "called off"),
        ({"depends_on": ("a", "b")}, "after `a`, `b`"),
        (
            {"depends_on": ("a",), "matching": (Match(names=("a",), keys=("businessDate", "S")),)},
            "after `a` by `businessDate, S`",
        ),
        ({"after": "wind/2024-03-01"}, "each after the date before it"),
        ({"max_active": 4}, "at most 4 at the same time"),
        ({"stop_after": 1}, "stops after 1 failure"),
        ({"retry": Retry(max=2, on=frozenset())}, "retry: 2 times"),
        ({"not_after": NOW}, "not after 2024-03-02 12:00:00"),
    ],
)
def test_each_gate_stands_in_the_row(fields: dict[str, Any], words: str) -> None:
    (row,) = re.findall(r"^\| `wind.*$", shown([], [a_run(**fields)]), re.MULTILINE)
    assert row.endswith(f"<br>{words} |")


def test_without_a_base_it_says_where_an_apply_would_start_runs() -> None:
    plan, said = review([], [a_run()])
    found = plan_markdown([(plan, SHANGHAI)], reviews=[Review(gateway=GATEWAY)]).text
    assert said.compared is not None
    assert "On organisation `o155`, gateway `apim.example.com`, as user `u164`.\n" in found


def test_numbers_and_names_in_a_sentence_are_not_split_up() -> None:
    assert prose("waits for wind-march: 0 of 1240 have succeeded, on 2024-03-01 at 08:00:00") == (
        "waits for wind-march: 0 of 1240 have succeeded, on 2024-03-01 at 08:00:00"
    )
    for words in ("named (by `reconciler init`), or", "see (`init`) and (see `new`)."):
        assert prose(words) == words
    assert prose("put `orgId`, `url` or `service` back") == "put `orgId`, `url` or `service` back"
    assert prose("write `duplicateOf: wind` under `spec`") == (
        "write `duplicateOf: wind` under `spec`"
    )


@pytest.mark.parametrize("word", ["1234567", "deadbeef", "GH-12", "#12", "@me", "a/b#1"])
def test_what_a_forge_would_link_is_code(word: str) -> None:
    assert prose(f"see {word} here") == f"see `{word}` here"


def test_a_comment_that_was_cut_says_so_at_its_top() -> None:
    many = [a_run(f"run-{number}", trigger_time=after(NOW, number)) for number in range(130)]
    found = comment([], many, most=6_000)
    assert not found.is_complete
    assert found.text.split("\n\n")[1].startswith("**This comment was cut:**")
    whole = comment([], many)
    assert whole.is_complete
    assert "cut" not in whole.text


@pytest.mark.parametrize(
    "run",
    [
        a_run(parameters=(("A", "x" * 301),)),
        a_run(parameters=tuple((f"K{number}", "x" * 50) for number in range(50))),
        a_run(depends_on=("a", "b", "c", "d")),
        a_run(description="a " * 400),
    ],
)
def test_a_value_that_is_not_shown_whole_is_a_cut(run: Run) -> None:
    assert not comment([], [run]).is_complete


def test_an_ellipsis_of_somebody_elses_is_no_cut() -> None:
    assert comment([], [a_run(description="… and 3 more left out", parameters=())]).is_complete


class _Elements(HTMLParser):
    """Counts the elements and comments of HTML, but for code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the base gives it
        if tag != "code":
            self.found[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag != "code":
            self.found[f"/{tag}"] += 1

    def handle_comment(self, data: str) -> None:  # noqa: ARG002 - the base gives it
        self.found["comment"] += 1


def _shape(markdown: str) -> Counter[str]:
    """How many tables, rows, links, details and the like GitHub's own renderer makes of it."""
    page = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    elements = _Elements()
    elements.feed(page)
    elements.close()
    return elements.found


@given(st.lists(st.sampled_from(["|", "\\", "`", "a", " "])).map("".join))
def test_no_pipe_ends_a_cell_even_where_backslashes_count_in_pairs(text: str) -> None:
    """As remark, marked and others do, by which other forges and editors show a comment."""
    rest = re.sub(r"\\.", "", cell(text), flags=re.DOTALL)
    assert "|" not in rest


def _world(text: str) -> tuple[Plan, Review]:
    text = text.encode(errors="replace").decode()  # no manifest holds half a character
    before = [
        a_run(f"w/1/K={number}", parameters=(("K", str(number)),), flow_id=number)
        for number in range(1, 3)
    ]
    now = [
        a_run(
            f"w/1/K={number}",
            parameters=(("K", f"{text}{number}"), ("L", text)),
            flow_id=number,
            description=text,
            depends_on=(f"a{text}",),
        )
        for number in range(1, 6)
    ]
    setting = Setting(pointer=f"/{text}", before=text, after={"x": text})
    gateway = replace(GATEWAY, org_id=text, user_id=text)
    plan, said = review(before, now, settings=[setting])
    return plan, replace(said, gateway=gateway)


_WAS_CUT = "**This comment was cut:** `reconciler plan --verbose` shows all.\n\n"
_HOSTILE = (
    *NASTY,
    "`a` | b",
    "</details>",
    "@me #1 GH-1 https://x.test www.x.test a@b.test",
    "-->",
    "\\| a",
    "a\\\\|\\\\\\|b",
)


@examples(100)
@given(st.one_of(st.sampled_from(_HOSTILE), texts))
def test_no_text_changes_what_a_renderer_makes_of_the_comment(text: str) -> None:
    (plan, said), (plain, said_plainly) = _world(f"x{text}"), _world("plain")
    hostile = plan_markdown([(plan, SHANGHAI)], reviews=[said]).text
    assert_safe(hostile)
    assert _shape(hostile.replace(_WAS_CUT, "")) == _shape(
        plan_markdown([(plain, SHANGHAI)], reviews=[said_plainly]).text
    )


@examples(120)
@given(texts, st.integers(1, 60), st.integers(4_000, 12_000))
def test_the_limit_is_of_bytes_and_holds(text: str, number: int, most: int) -> None:
    plan, said = _world(text * 20)
    many = [a_run(f"风电-{one}", trigger_time=after(NOW, one)) for one in range(number)]
    other, more = review([], many)
    found = plan_markdown([(plan, SHANGHAI), (other, SHANGHAI)] * 2, most, [said, more] * 2)
    assert len(found.text.encode()) <= most


def test_the_limit_counts_the_bytes_of_letters_that_take_several() -> None:
    many = [
        a_run(f"run-{number}", trigger_time=after(NOW, number), description="风电场日报" * 20)
        for number in range(100)
    ]
    assert 15_000 < len(shown([], many, most=20_000).encode()) <= 20_000
