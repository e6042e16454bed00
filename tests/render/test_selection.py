"""Which runs a word on the command line means, and what `status` then shows."""

import re

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.choosing import Filter
from reconciler.cli.options import CommonOptions, Format
from reconciler.cli.reporting import StatusReport
from reconciler.cli.rows import status_rows
from reconciler.configuration import parse_configuration
from reconciler.errors import ReconcilerError
from reconciler.ledger import Ledger, RunState, events
from reconciler.model import Retry, Run, RunId, Stagger, run_id
from reconciler.plan import make_plan
from reconciler.plan.outlook import Outlook
from reconciler.render.status_row import outlook
from reconciler.render.status_text import StatusRow
from reconciler.selection import find_meant
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_ledger,
    a_problem,
    a_rejected,
    a_run,
    a_triggered,
    after,
    an_observed,
    an_unknown,
    declared,
)
from tests.corpus.examples import CORPUS, source
from tests.render.outcomes import AT
from tests.render.values import a_row

RUNS = [
    *("wind", "wind@2", "wind#2", "wind@2#3", "wind-daily"),
    *("march/2024-03-01", "march/2024-03-01#2", "march/2024-03-11", "march/2024-03-01T06:00"),
    *("march/2024-03-02/SITE=cn-01", "march/2024-03-02/SITE=cn-02@2", "march-again"),
]
IDS = [RunId(run) for run in RUNS]
PROD = parse_configuration(source(CORPUS / "config/valid/minimal.yaml")).environments["prod"]

names = st.from_regex(r"[ab](/[ab1]){0,2}", fullmatch=True)
ids = st.builds(run_id, names, st.integers(1, 12), st.integers(1, 12))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("wind", ["wind", "wind@2", "wind#2", "wind@2#3"]),
        ("wind@2", ["wind@2", "wind@2#3"]),
        ("wind@1", ["wind", "wind#2"]),
        ("wind#2", ["wind#2"]),
        ("wind@1#1", ["wind"]),
        ("wind-d", ["wind-daily"]),
        ("march", [run for run in RUNS if run.startswith("march/")]),
        ("march@2", ["march/2024-03-02/SITE=cn-02@2"]),
        ("march/2024-03-01", ["march/2024-03-01", "march/2024-03-01#2"]),
        (
            "march/2024-03-02",
            ["march/2024-03-02/SITE=cn-01", "march/2024-03-02/SITE=cn-02@2"],
        ),
        ("march/2024-03-1", ["march/2024-03-11"]),
        ("march/", [run for run in RUNS if run.startswith("march/")]),
        ("2024-03-01", []),
        ("march/2024-04", []),
    ],
)
def test_a_word_means_a_name_or_a_backfill_or_else_a_beginning(word: str, meant: list[str]) -> None:
    assert find_meant(word, IDS) == set(meant)


@given(st.lists(ids, min_size=1))
def test_every_id_means_its_own_run_and_none_of_another_name(runs: list[RunId]) -> None:
    for run in runs:
        meant = find_meant(run, runs)
        assert run in meant
        name = run.partition("#")[0].partition("@")[0]
        assert all(one.partition("#")[0].partition("@")[0].startswith(name) for one in meant)


@given(st.lists(ids), st.text(max_size=4))
def test_no_word_means_what_is_not_there(runs: list[RunId], word: str) -> None:
    assert find_meant(word, runs) <= set(runs)


def asked(
    *runs: str,
    states: tuple[str, ...] = (),
    labels: tuple[str, ...] = (),
    where: tuple[str, ...] = (),
) -> Filter:
    return Filter.of(runs=runs, states=states, labels=labels, where=where)


def report(rows: list[StatusRow], wanted: Filter) -> StatusReport:
    return StatusReport.of([(PROD, rows)], wanted, CommonOptions(no_color=True))


ROWS = [a_row(run) for run in RUNS]


def test_a_name_that_gives_one_run_shows_everything_known_of_it() -> None:
    text = report(ROWS, asked("wind-daily", "march-again")).render(Format.TEXT)
    assert text.startswith("wind-daily in prod: triggered\n")
    assert "\n\nmarch-again in prod: triggered\n" in text


def test_a_name_that_gives_several_runs_shows_a_row_of_each() -> None:
    text = report(ROWS, asked("wind-daily", "march")).render(Format.TEXT)
    assert text.startswith("prod: 7 triggered\n")
    assert text.count("\ntriggered  march/2024-03-0") == 5
    assert "--verbose shows every run" not in text


def test_details_are_shown_where_the_filters_leave_one_run_of_each_name() -> None:
    rows = [*ROWS, a_row("wind@3", RunState.IN_DOUBT)]
    text = report(rows, asked("wind", states=("in-doubt",))).render(Format.TEXT)
    assert text.startswith("wind@3 in prod: in doubt\n")
    assert report(rows, asked("wind", states=("pending",))).render(Format.TEXT) == "prod: no runs\n"


def test_without_a_name_everything_is_shown_and_backfills_are_folded() -> None:
    text = report(ROWS, asked()).render(Format.TEXT)
    assert "\nmarch: 6 runs: 6 triggered\n" in text
    assert text.endswith("\n--verbose shows every run.\n")


def test_filters_alone_leave_no_details() -> None:
    rows = [a_row("wind", labels={"team": "wind"}), a_row("solar", labels={"team": "sun"})]
    text = report(rows, asked(labels=("team=sun",))).render(Format.TEXT)
    assert text.startswith("prod: 1 triggered\n")
    assert "wind" not in text


def test_an_environment_without_the_run_is_left_out_of_details() -> None:
    environments = [(PROD, [a_row("solar")]), (PROD, [a_row("wind")])]
    found = StatusReport.of(environments, asked("wind"), CommonOptions())
    assert found.render(Format.TEXT).startswith("wind in prod: triggered\n")


def test_a_word_that_means_nothing_is_an_error() -> None:
    with pytest.raises(ReconcilerError, match="nowhere is neither declared nor recorded"):
        report(ROWS, asked("wind", "nowhere"))


def test_a_label_or_parameter_without_a_value_is_wrong_usage() -> None:
    with pytest.raises(click.BadParameter):
        asked(labels=("team",))
    with pytest.raises(click.BadParameter):
        asked(where=("SITE",))


def at_site(run: str, site: str, mode: str = "full") -> StatusRow:
    return a_row(run, parameters=(("SITE", site), ("MODE", mode)))


SITES = [
    at_site("a", "cn-01"),
    at_site("b", "cn-02"),
    at_site("c", "de-01", "part"),
    a_row("gone/2024-03-01/SITE=cn-01"),  # no longer declared: its name tells
    a_row("other"),
]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (("SITE=cn-01",), "a gone/2024-03-01/SITE=cn-01"),
        (("SITE=cn-*",), "a b gone/2024-03-01/SITE=cn-01"),
        (("SITE=*-01",), "a c gone/2024-03-01/SITE=cn-01"),
        (("SITE=*n*0*",), "a b gone/2024-03-01/SITE=cn-01"),
        (("SITE=cn-01*cn-01",), ""),
        (("SITE=*1*1*",), ""),
        (("SITE=*",), "a b c gone/2024-03-01/SITE=cn-01"),
        (("SITE=cn-0?",), ""),
        (("SITE=cn-02", "SITE=de-01"), "b c"),
        (("SITE=*", "MODE=part"), "c"),
        (("NONE=*",), ""),
    ],
)
def test_runs_are_filtered_by_parameter(where: tuple[str, ...], expected: str) -> None:
    wanted = asked(where=where)
    assert [row.run for row in SITES if wanted.fits(row)] == expected.split()


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_star_stands_for_any_text(pattern: str, value: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    fits = asked(where=(f"K={pattern}",)).fits(a_row("a", parameters=(("K", value),)))
    assert fits == (re.fullmatch(expression, value) is not None)


def test_a_parameter_that_no_run_has_is_noted_with_those_that_there_are() -> None:
    wanted = asked(where=("SITE=cn-9*", "SITE=cn-01"))
    assert list(wanted.unmet_notes(SITES)) == [
        "no run has the parameter SITE=cn-9*; SITE is cn-01, cn-02, de-01",
    ]


def test_a_key_that_no_run_has_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(ReconcilerError, match="no run has the parameter SITTE") as caught:
        asked(where=("SITTE=x",)).check_keys(SITES)
    assert "Did you mean SITE?" in (caught.value.hint or "")
    with pytest.raises(ReconcilerError, match="no run has the parameter zzz") as caught:
        asked(where=("zzz=x",)).check_keys(SITES)
    assert "Did you mean" not in (caught.value.hint or "")
    with pytest.raises(ReconcilerError, match="no run has the label team") as caught:
        asked(labels=("team=wind",)).check_keys(SITES)
    assert caught.value.hint == "There is no run with any label."
    asked(where=("SITTE=x",), labels=("team=wind",)).check_keys([])  # nothing is declared yet


def test_a_state_or_a_parameter_that_is_asked_for_unfolds_backfills() -> None:
    for wanted in (asked(states=("triggered",)), asked(where=("SITE=*",))):
        rows: list[StatusRow] = [row.but(parameters=(("SITE", "cn-01"),)) for row in ROWS]
        text = report(rows, wanted).render(Format.TEXT)
        assert text.count("\ntriggered  march/2024-03-0") == 5


def rows_of(ledger: Ledger, *runs: Run, most: int = 200, problem: bool = False) -> list[StatusRow]:
    plan = make_plan(
        declared(*runs, problems=(a_problem(),) if problem else ()),
        ledger,
        NOW,
        environment="prod",
        commit=None,
        same_minute_allowed=True,
    )
    return list(status_rows(plan, ledger, NOW, most=most))


def test_every_run_that_is_not_done_says_why() -> None:
    failed, lost = (a_run(name, flow_id=flow) for flow, name in enumerate(("failed", "lost"), 1))
    ledger = a_ledger(
        a_claim(failed, lost), a_triggered(failed), an_observed(failed, 7), an_unknown(lost)
    )
    runs = (
        failed,
        lost,
        a_run("ready", flow_id=10),
        a_run("off", flow_id=3, suspend=True),
        a_run("late", flow_id=4, not_after=EIGHT),
        a_run("gone", flow_id=5, cancel=True),
        a_run("next", flow_id=6, depends_on=("ready",)),
        a_run("stuck", flow_id=7, depends_on=("failed",)),
    )
    reasons = {row.run: row.reason for row in rows_of(ledger, *runs)}
    assert reasons == {
        "failed": "failed",
        "lost": "in-doubt",
        "ready": "ready",
        "off": "suspended",
        "late": "missed",
        "gone": "cancelled",
        "next": "waits-for",
        "stuck": "blocked",
    }
    assert {row.reason for row in rows_of(a_ledger(), *runs[2:3], most=0)} == {"over-limit"}
    assert {row.reason for row in rows_of(a_ledger(), runs[2], problem=True)} == {"problem"}


def test_a_failure_that_another_attempt_follows_says_so_and_that_has_a_row() -> None:
    retried = a_run("a", retry=Retry(max=2, on=frozenset({"TIMEOUT"})))
    ledger = a_ledger(a_claim(retried), a_triggered(retried), an_observed(retried, 7))
    old, new = rows_of(ledger, retried)
    assert (new.run, new.state, new.reason) == ("a#2", RunState.PENDING, "ready")
    assert new.why.startswith("attempt 2 of 3, because the one before ended with TIMEOUT; ")
    assert (old.run, old.state, old.why) == ("a", "failed", "it ended with TIMEOUT; a#2 follows")
    assert [outlook(row) for row in (new, old)] == [Outlook.COMING, Outlook.WELL]


def test_a_failure_that_none_follows_is_amiss() -> None:
    failed = a_run("a")
    ledger = a_ledger(a_claim(failed), a_triggered(failed), an_observed(failed, 7))
    (row,) = rows_of(ledger, failed)
    assert (row.followed_by, outlook(row)) == (None, Outlook.AMISS)


def test_what_was_started_says_whether_its_time_lies_ahead() -> None:
    later, now = a_run("later", trigger_time=NOW + 1), a_run("now", flow_id=2)
    ledger = a_ledger(a_claim(later, now), a_triggered(later), a_triggered(now))
    assert {row.run: (row.reason, row.why) for row in rows_of(ledger, later, now)} == {
        "later": ("not-due", "the service starts it at its time"),
        "now": ("running", "started, and not known to have ended"),
    }


def test_what_was_not_started_and_is_wanted_no_more_says_so_and_needs_nobody() -> None:
    first, again = a_run("a"), a_run("a", attempt=2)  # whose `retry` was taken away meanwhile
    ledger = a_ledger(
        a_claim(first),
        a_triggered(first),
        an_observed(first, 7),
        a_claim(again, claim="c2"),
        a_rejected(again, claim="c2"),
    )
    rows = rows_of(ledger, first)
    assert [(row.run, row.why) for row in rows if row.reason == "undeclared"] == [
        ("a#2", "this attempt is no longer wanted: will not start")
    ]
    gone = [row for row in rows_of(ledger) if row.run == "a#2"]
    assert [(row.why, outlook(row)) for row in gone] == [
        ("no longer declared: will not start", Outlook.WELL)
    ]


def test_a_run_says_what_it_waits_for() -> None:
    runs = (a_run("x"), a_run("y", flow_id=2), a_run("z", flow_id=3, depends_on=("x", "y")))
    waiting = {row.run: row.waits_for for row in rows_of(a_ledger(), *runs)}
    assert waiting == {"x": (), "y": (), "z": ("x", "y")}


def test_a_run_that_is_cancelled_by_its_manifest_is_unwanted_however_it_ended() -> None:
    gone = a_run("gone", cancel=True)
    ledger = a_ledger(a_claim(gone), a_triggered(gone), an_observed(gone, 8))
    (row,) = rows_of(ledger, gone)
    assert (row.state, outlook(row)) == (RunState.FAILED, Outlook.WELL)


def test_attempts_have_rows_of_their_own_with_the_labels_of_their_manifest() -> None:
    first = a_run("wind", labels={"team": "wind"})
    again = a_run("wind", attempt=2, labels={})
    ledger = a_ledger(
        a_claim(first), a_triggered(first), a_claim(again, claim="c2"), a_triggered(again)
    )
    rows = {row.run: row for row in rows_of(ledger, first, a_run("new"))}
    assert list(rows) == ["new", "wind", "wind#2"]
    assert rows[RunId("wind#2")].labels == {"team": "wind"}


def test_a_row_has_what_is_recorded_of_the_instance() -> None:
    run = a_run("wind")
    asked_for = events.Cancelled(v=1, at=AT, run=run.id, code=62104, message="it has ended")
    ledger = a_ledger(a_claim(run), a_triggered(run), asked_for, an_observed(run, 7))
    (row,) = rows_of(ledger, run)
    assert (row.state, row.status, row.cancelled) == ("failed", "TIMEOUT", "it has ended")


def test_a_staggered_run_is_shown_at_the_time_at_which_it_would_start() -> None:
    stagger = Stagger(step=60_000, before=after(EIGHT, 3_600_000))
    runs = [
        a_run(f"march/{site}", parameters=(("SITE", site),), stagger=stagger) for site in ("a", "b")
    ]
    rows = rows_of(a_ledger(), *runs)
    assert [row.trigger_time for row in rows] == [EIGHT, after(EIGHT, 60_000)]
