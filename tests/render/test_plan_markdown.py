"""A plan as a pull request's comment."""

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.model import Place
from reconciler.plan import Action
from reconciler.render.markdown import code, prose
from reconciler.render.plan_markdown import plan_markdown as the_comment
from reconciler.render.safe import escape_line
from tests.render.values import (
    NASTY,
    PAST,
    SHANGHAI,
    a_plan,
    a_problem,
    assert_safe,
    of_backfill,
    planned,
    texts,
)
from tests.sampling import examples


def plan_markdown(*given: Any, **more: Any) -> str:
    """The text of the comment."""
    return the_comment(*given, **more).text


_parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])

# Of these GitHub makes nothing in plain text: words, punctuation, and what we write ourselves.
_INERT = re.compile(r"(?:(?![0-9A-Fa-f]{7})[A-Za-z]+|[0-9:-]+|[ ,;:()….→])*")


# The HTML that we write: in it, whatever is foreign stands in code and is escaped.
_FOLD = re.compile(
    r"<details>\n"
    r"<summary>(?:[A-Za-z0-9 ,;:()….-]|<code>(?:[^<>&]|&(?:amp|lt|gt);)*</code>)*</summary>\n"
    r"|</details>\n"
    r"|<!-- reconciler-plan(?: [A-Za-z0-9%._~-]+)? -->\n"
)


def _inline(markdown: str) -> list[Token]:
    return [child for token in _parser.parse(markdown) for child in token.children or ()]


def _cells(markdown: str) -> list[list[Token]]:
    """The body rows of the tables, each cell as its inline token."""
    rows: list[list[Token]] = []
    in_body = False
    for token in _parser.parse(markdown):
        if token.type in {"tbody_open", "tbody_close"}:
            in_body = token.type == "tbody_open"
        elif in_body and token.type == "tr_open":
            rows.append([])
        elif in_body and token.type == "inline":
            rows[-1].append(token)
    return rows


def _shown(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def test_counts_come_first_then_runs_then_problems() -> None:
    plan = a_plan(
        planned("wind", parameters=(("REPLACE", "ddee"), ("SITE", "a|b"))),
        planned("old", Action.WAIT, "waits for wind-1, whose outcome is not known yet"),
        planned("well", Action.DONE, "succeeded"),
        problems=(a_problem("`flowId` must be a whole number"),),
    )
    assert plan_markdown([(plan, SHANGHAI)]) == (
        """\
<!-- reconciler-plan prod -->

### Plan for `prod`, ledger at `1a2b3c4d5e6f`

**1 to trigger**, 1 waiting, 1 done

| Action | Run | Flow | Trigger time (`GMT+8`) | Business date | Parameters | Reason |
| --- | --- | --- | --- | --- | --- | --- |
| trigger | `wind` | 3377 | 2024-03-02 08:00:00 | 2024-03-01 | `REPLACE=ddee`<br>`SITE=a\\|b` \
| starts immediately: its time is past |
| wait | `old` | 3377 | 2024-03-02 08:00:00 | 2024-03-01 | `REPLACE=ddee` \
| waits for `wind-1`, whose outcome is not known yet |

**1 problem**

- `triggers/wind.yaml:7:11` `schema` `flowId` must be a whole number

Nothing is started until every problem is fixed.
"""
    )


def test_the_runs_of_a_backfill_are_one_line_that_unfolds_into_their_table() -> None:
    plan = a_plan(
        *of_backfill("wind", 2, warning="flow 3377 does not declare MODE"),
        planned("solar"),
        *of_backfill("tidal", 2, Action.WAIT, "waits for a & b <1>"),
    )
    assert plan_markdown([(plan, SHANGHAI)]) == (
        """\
<!-- reconciler-plan prod -->

### Plan for `prod`, ledger at `1a2b3c4d5e6f`

**3 to trigger**, 2 waiting

| Action | Run | Flow | Trigger time (`GMT+8`) | Business date | Parameters | Reason |
| --- | --- | --- | --- | --- | --- | --- |
| trigger | `solar` | 3377 | 2024-03-02 08:00:00 | 2024-03-01 | `REPLACE=ddee` \
| starts immediately: its time is past |

<details>
<summary>trigger <code>wind</code>: 2 runs of flow 3377, business dates 2024-03-01 to 2024-03-02; \
starts immediately: its time is past</summary>

| Run | Trigger time (`GMT+8`) | Business date | Parameters |
| --- | --- | --- | --- |
| `wind/run-0` | 2024-03-02 08:00:00 | 2024-03-01 | `REPLACE=ddee` |
| `wind/run-1` | 2024-03-03 08:00:00 | 2024-03-02 | `REPLACE=ddee` |

</details>

<details>
<summary>wait <code>tidal</code>: 2 runs of flow 3377, business dates 2024-03-01 to 2024-03-02; \
waits for a <code>&amp;</code> b <code>&lt;1&gt;</code></summary>

| Run | Trigger time (`GMT+8`) | Business date | Parameters |
| --- | --- | --- | --- |
| `tidal/run-0` | 2024-03-02 08:00:00 | 2024-03-01 | `REPLACE=ddee` |
| `tidal/run-1` | 2024-03-03 08:00:00 | 2024-03-02 | `REPLACE=ddee` |

</details>

**1 warning**

- flow 3377 does not declare MODE (2 runs)
"""
    )


def test_one_run_of_a_backfill_in_a_group_is_a_row() -> None:
    first, other = of_backfill("wind", 2)
    waiting = planned(other.id, Action.WAIT, "suspended")
    text = plan_markdown([(a_plan(first, waiting), SHANGHAI)])
    assert "<details>" not in text
    assert [len(row) for row in _cells(text)] == [7, 7]


def test_runs_of_a_backfill_fold_only_with_those_of_the_same_action_and_reason() -> None:
    plan = a_plan(
        *of_backfill("wind", 2),
        *of_backfill("wind", 3, Action.WAIT),
        *of_backfill("wind", 4, Action.WAIT, "suspended"),
    )
    text = plan_markdown([(plan, SHANGHAI)])
    assert re.findall(r"<summary>(\w+) .*: (\d) runs .*; (.*)</summary>", text) == [
        ("trigger", "2", PAST),
        ("wait", "3", PAST),
        ("wait", "4", "suspended"),
    ]


def test_a_plan_without_work_says_that_there_is_nothing_to_do() -> None:
    assert plan_markdown([(a_plan(commit=None), SHANGHAI)]) == (
        "<!-- reconciler-plan prod -->\n\n### Plan for `prod`\n\n**no runs**\n\nNothing to do.\n"
    )


@pytest.mark.parametrize("text", ["`", "``a`", " a ", "  ", "a\\", "\\|", "a|b", "<!-- -->", "@me"])
def test_code_shows_exactly_the_text(text: str) -> None:
    (token,) = _inline(f"x{code(text)}")[1:]
    assert (token.type, token.content) == ("code_inline", text)


def test_prose_leaves_plain_words_and_makes_everything_else_code() -> None:
    assert prose("(see) @me and https://example.test, or #1: ok") == (
        "(see) `@me` and `https://example.test`, or `#1`: ok"
    )


@given(texts)
def test_prose_keeps_the_words_and_leaves_only_plain_ones_outside_of_code(text: str) -> None:
    children = _inline(f"x {prose(text)}")
    assert {child.type for child in children} <= {"text", "code_inline"}
    for child in children:
        if child.type == "text":
            assert _INERT.fullmatch(child.content)
    words = "x " + escape_line(text)
    if len(words) < 300:
        shown = "".join(child.content for child in children)
        assert shown.replace("`", "").split() == words.replace("`", "").split()


def _in_pairs(backslashes: str) -> str:
    """As they are shown before a pipe: one is doubled, which all renderers read alike."""
    return backslashes + "\\" * (len(backslashes) % 2)


@examples(200)
@given(texts, texts, texts, texts, texts)
@example("run", "reason", "key", "\\|", "label")
@example("run", "reason", "key", "\\\\|", "label")
def test_no_text_breaks_out_of_its_cell(
    run: str, reason: str, key: str, value: str, label: str
) -> None:
    runs = [
        planned(run, reason=reason, parameters=((key, value), ("B", value))),
        planned("second", reason=value, labels={label: label}),
    ]
    problem = a_problem(reason, place=Place(file=key), code="schema")
    text = plan_markdown([(a_plan(*runs, problems=(problem,)), SHANGHAI)])
    rows = _cells(text)
    assert [len(row) for row in rows] == [7, 7]
    assert _shown(rows[1][1]) == "second"
    pair = escape_line(f"{key}={value}")
    if len(pair) <= 300:
        in_pairs = re.sub(r"(\\+)\|", lambda found: _in_pairs(found[1]) + "|", pair)
        assert next(iter(rows[0][5].children or ())).content == in_pairs
    assert_safe(text)
    _assert_inert(text)


@given(st.lists(texts, max_size=3), texts)
def test_neither_environment_nor_problem_is_taken_for_markup(
    messages: list[str], environment: str
) -> None:
    problems = tuple(a_problem(message, place=Place(file=message)) for message in messages)
    _assert_inert(plan_markdown([(a_plan(problems=problems, environment=environment), SHANGHAI)]))


def _assert_inert(markdown: str) -> None:
    blocks = {token.type for token in _parser.parse(markdown) if token.nesting >= 0}
    assert blocks <= {
        "heading_open",
        "paragraph_open",
        "inline",
        "table_open",
        "thead_open",
        "tbody_open",
        "tr_open",
        "th_open",
        "td_open",
        "bullet_list_open",
        "list_item_open",
        "html_block",
    }  # fmt: skip - one line a block would hide the point
    for token in _parser.parse(markdown):
        if token.type == "html_block":
            assert _FOLD.fullmatch(token.content)
    for child in _inline(markdown):
        assert child.type in {"text", "code_inline", "html_inline", "strong_open", "strong_close"}
        if child.type == "html_inline":
            assert child.content == "<br>"
        if child.type == "text":
            assert _INERT.fullmatch(child.content)


@examples(200)
@given(texts, texts, texts)
def test_no_text_breaks_out_of_its_fold(name: str, reason: str, value: str) -> None:
    folded = of_backfill(name, 2, reason=reason, parameters=((value, value),), warning=reason)
    text = plan_markdown([(a_plan(*folded, planned("last")), SHANGHAI)])
    assert [len(row) for row in _cells(text)] == [7, 4, 4]
    (summary,) = re.findall("<summary>.*</summary>", text)
    shown = unescape(re.sub("</?(?:summary|code)>", "", summary))
    backfill = escape_line(f"{name}/".partition("/")[0])
    if len(backfill) <= 300:
        assert shown.startswith(f"trigger {backfill}: 2 runs of flow 3377, business dates ")
    assert_safe(text)
    _assert_inert(text)


def _rows_and_counts(text: str) -> tuple[int, int]:
    """How many runs have a row, and how many are counted as left out."""
    rows = [row for row in text.split("\n") if re.match(r"\| (trigger|`)", row)]
    counts = re.findall(r"^… and ([\d,]+) more runs? left out", text, re.MULTILINE)
    return len(rows), sum(int(count.replace(",", "")) for count in counts)


def test_a_big_backfill_stays_below_githubs_limit_and_shows_its_first_runs() -> None:
    plan = a_plan(*of_backfill("huge", 9_990), *of_backfill("small", 9), planned("alone"))
    text = plan_markdown([(plan, SHANGHAI)])
    assert 50_000 < len(text) <= 60_000
    assert text.count("\n| `huge/run-") > 300
    assert text.count("\n| `small/run-") == 9
    assert "| `alone` |" in text
    assert "`huge/run-0`" in text
    assert sum(_rows_and_counts(text)) == 10_000


def test_two_big_backfills_share_the_room() -> None:
    plan = a_plan(*of_backfill("one", 5_000), *of_backfill("other", 5_001))
    text = plan_markdown([(plan, SHANGHAI)])
    assert len(text) <= 60_000
    assert text.count("\n| `one/run-") > 150
    assert text.count("\n| `other/run-") > 150


def test_runs_that_stand_alone_leave_room_for_folds() -> None:
    alone = [planned(f"run-{number}") for number in range(2_000)]
    text = plan_markdown([(a_plan(*alone, *of_backfill("wind", 2_000)), SHANGHAI)])
    assert len(text) <= 60_000
    assert text.count("| trigger |") > 100
    assert text.count("\n| `wind/run-") > 100
    assert sum(_rows_and_counts(text)) == 4_000


@given(
    st.lists(st.integers(1, 40), max_size=30),
    st.integers(0, 60),
    st.integers(2_000, 12_000),
)
def test_every_run_has_a_row_or_is_counted_within_any_limit(
    backfills: list[int], alone: int, most: int
) -> None:
    runs = [planned(f"run-{number}") for number in range(alone)]
    for number, count in enumerate(backfills):
        runs += of_backfill(f"backfill-{number}", count)
    text = plan_markdown([(a_plan(*runs), SHANGHAI)], most)
    assert len(text) <= most
    assert sum(_rows_and_counts(text)) == len(runs)
    _assert_inert(text)


def test_many_warnings_leave_room_for_the_runs() -> None:
    runs = [planned(f"run-{number}", warning=f"parameter {number}") for number in range(2_000)]
    text = plan_markdown([(a_plan(*runs), SHANGHAI)])
    assert len(text) <= 60_000
    assert "**2,000 warnings**" in text
    assert re.search(r"\n… and [\d,]+ more warnings left out; `reconciler plan --verbose`", text)
    assert text.count("| trigger |") > 100


def test_a_long_plan_stays_below_githubs_limit_and_says_what_is_missing() -> None:
    problems = tuple(a_problem(f"{number} is wrong") for number in range(2_000))
    plan = a_plan(*(planned(f"run-{number}") for number in range(10_000)), problems=problems)
    text = plan_markdown([(plan, SHANGHAI)])
    assert 50_000 < len(text) <= 60_000
    assert "more runs left out; `reconciler plan --verbose` shows all.\n" in text
    assert sum(_rows_and_counts(text)) == 10_000
    listed = re.search(r"\n… and ([\d,]+) more problems left out; `reconciler validate`", text)
    assert listed is not None
    assert text.count("\n- ") + int(listed[1].replace(",", "")) == 2_000
    assert text.count("| trigger |") > 100
    assert text.count("\n- ") > 100


def test_many_environments_share_the_room_and_the_rest_is_counted() -> None:
    runs = [planned(f"run-{number}") for number in range(500)]
    plans = [(a_plan(*runs, environment=f"env-{number}"), SHANGHAI) for number in range(100)]
    text = plan_markdown(plans)
    assert len(text) <= 60_000
    shown = text.count("### Plan for")
    assert text.endswith(f"\n… and {100 - shown} more environments left out.\n")
    assert text.count("**500 to trigger**") == shown > 20


def test_a_run_with_huge_parameters_leaves_room_for_the_others() -> None:
    huge = planned("huge", parameters=tuple((f"K{n}", "|`" * 10_000) for n in range(1_000)))
    text = plan_markdown([(a_plan(huge, planned("small")), SHANGHAI)])
    assert len(text) <= 60_000
    assert "more |" in text
    assert "`small`" in text


@examples(60)
@given(st.lists(texts, min_size=1, max_size=40))
def test_the_limit_holds_whatever_the_texts(some: list[str]) -> None:
    runs = [planned(text, reason=text * 30, parameters=((text, text),) * 30) for text in some]
    for text in some:
        runs += of_backfill(text, 3, reason=text * 30, warning=text * 30)
    plan = a_plan(*runs, problems=tuple(a_problem(text * 30) for text in some))
    assert len(plan_markdown([(plan, SHANGHAI)] * 3, most=6_000)) <= 6_000


def test_the_nastiest_texts_of_all_keep_their_rows() -> None:
    plan = a_plan(*(planned(text, reason=text, parameters=((text, text),)) for text in NASTY))
    assert [len(row) for row in _cells(plan_markdown([(plan, SHANGHAI)]))] == [7] * len(NASTY)
