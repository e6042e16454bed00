"""What the ledger says of runs."""

import json
import shlex
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given

from reconciler.ledger import RunState
from reconciler.ledger.records import Start
from reconciler.model import EpochMs, InstanceId, Nonce, Place, RunId
from reconciler.plan import Reason
from reconciler.render.status_json import statuses_json
from reconciler.render.status_markdown import status_markdown
from reconciler.render.status_text import (
    StatusRow,
    status_detail_text,
    status_text,
)
from tests.render.values import (
    EIGHT,
    LONG_NAME,
    NASTY,
    OBEYED,
    SHANGHAI,
    a_row,
    a_start,
    assert_fits,
    assert_safe,
    texts,
)
from tests.sampling import examples

DOUBT = a_row(
    "wind-daily-2024-03-01",
    RunState.IN_DOUBT,
    claimed_at="2024-03-02T00:00:03Z",
    until=EpochMs(EIGHT + 123_000),
    claim=Nonce("c1a1"),
    by="ci@runner-7",
    evidence="timeout after sending",
)


def test_runs_are_shown_with_what_a_person_must_know() -> None:
    rows = [
        a_row("wind-daily", instance=InstanceId("3377-20240302080000"), status="RUNNING"),
        DOUBT,
        a_row("refused", RunState.REJECTED, error="62103: user has no privilege"),
        a_row(LONG_NAME, RunState.SUCCEEDED, instance=InstanceId("3377-1"), status="SUCCESS"),
        a_row("later", RunState.PENDING),
    ]
    assert status_text("prod", rows, SHANGHAI, width=80) == (
        """\
prod: 1 pending, 1 in doubt, 1 rejected, 1 triggered, 1 succeeded

State      Run                          Trigger time         Instance
                                        (GMT+8)
--------------------------------------------------------------------------------
triggered  wind-daily                   2024-03-02 08:00:00  3377-20240302080000
           the instance is RUNNING
in-doubt   wind-daily-2024-03-01        2024-03-02 08:00:00
           claimed by ci@runner-7 until 2024-03-02 08:02:03
rejected   refused                      2024-03-02 08:00:00
           62103: user has no privilege
succeeded  solar-reprocess-after-the-   2024-03-02 08:00:00  3377-1
           outage-of-the-scada-system-
           2024-03-01
pending    later                        2024-03-02 08:00:00
"""
    )


def march(count: int, state: RunState = RunState.SUCCEEDED, **more: Any) -> list[StatusRow]:
    return [a_row(f"wind-march/{state}-{number}", state, **more) for number in range(count)]


MARCH = [
    *march(1_200, status="SUCCESS"),
    *march(31, RunState.PENDING),
    *march(9, RunState.FAILED, status="TIMEOUT"),
]


def test_a_backfill_is_one_line_with_counts_and_what_its_failures_mean() -> None:
    rows = [MARCH[0], a_row("solar"), *MARCH[1:]]
    assert status_text("prod", rows, SHANGHAI) == (
        """\
prod: 31 pending, 1 triggered, 1,200 succeeded, 9 failed

State      Run    Trigger time         Instance
                  (GMT+8)
-----------------------------------------------
wind-march: 1,240 runs: 31 pending, 1,200 succeeded, 9 failed
           the instance is TIMEOUT: it ran longer than the flow allows (9 runs)
triggered  solar  2024-03-02 08:00:00

--verbose shows every run.
"""
    )


def test_a_run_that_a_retry_has_mended_counts_once_and_by_its_newest_attempt() -> None:
    mended = [
        a_row("march/a", RunState.FAILED, status="FAIL", followed_by=RunId("march/a#2")),
        a_row("march/a#2", RunState.SUCCEEDED, status="SUCCESS"),
        a_row("march/b", RunState.SUCCEEDED, status="SUCCESS"),
    ]
    text = status_text("prod", mended, SHANGHAI)
    assert "prod: 2 succeeded (1 after a retry)\n" in text
    assert "\nmarch: 2 runs: 2 succeeded (1 after a retry)\n" in text
    assert "FAIL" not in text
    twice = mended[0].but(started_twice=True)
    assert "prod: 1 succeeded (1 after a retry), 1 failed" in status_text(
        "prod", [twice, mended[1]], SHANGHAI
    )
    failed_only = status_text("prod", mended[:1], SHANGHAI)  # as --state failed shows it
    assert "prod: 1 failed\n" in failed_only


@pytest.mark.parametrize("how", [{"verbose": True}, {"unfolded": True}])
def test_a_backfill_unfolds_into_its_runs(how: dict[str, bool]) -> None:
    text = status_text("prod", MARCH[-20:], SHANGHAI, **how)
    assert text.count("\npending  wind-march/pending-") == 11
    assert text.count("\nfailed   wind-march/failed-") == 9
    assert text.count("the instance is TIMEOUT: it ran longer than the flow allows\n") == 9
    assert "--verbose" not in text
    assert "wind-march: " not in text


def test_one_run_of_a_backfill_is_a_row() -> None:
    text = status_text("prod", march(1), SHANGHAI)
    assert "\nsucceeded  wind-march/succeeded-0  2024" in text
    assert "--verbose" not in text


def test_of_a_backfills_runs_only_those_that_somebody_must_see_to_have_notes() -> None:
    rows = [*march(2, RunState.CLAIMED, by="ci"), *march(1, RunState.IN_DOUBT, by="ana")]
    text = status_text("prod", rows, SHANGHAI)
    assert "claimed by ana (1 run)\n" in text
    assert "claimed by ci" not in text


def test_many_notes_of_a_backfill_are_cut() -> None:
    rows = [a_row(f"w/{number}", RunState.REJECTED, error=f"{number}: no") for number in range(30)]
    text = status_text("prod", rows, SHANGHAI)
    assert text.count(": no (1 run)\n") == 20
    assert "… and more" in text


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("FAIL", "FAIL: a task of the flow failed"),
        ("SKIP", "SKIP: the service skipped it: nothing ran"),
        ("NOT_FOUND", "NOT_FOUND: the service no longer knows the instance"),
    ],
)
def test_what_a_final_status_means_is_shown(status: str, meaning: str) -> None:
    row = a_row("a", RunState.FAILED, status=status)
    assert f"the instance is {meaning}" in status_text("prod", [row], SHANGHAI)
    assert f"status         {meaning}" in status_detail_text("prod", row, SHANGHAI)


def test_a_late_start_beside_a_known_one_is_told_with_what_to_look_for() -> None:
    start = Start(claim=Nonce("c2"), instance=InstanceId("1-1"), at="2024-03-02T01:00:00Z")
    row = a_row("a", instance="1-1", starts=(start,), started_twice=True)
    detail = " ".join(status_detail_text("prod", row, SHANGHAI).split())
    assert "Look in EnOS for a second instance with its flow and trigger time" in detail
    assert "reconciler resolve a --triggered 1-1 --reason WHY --env prod" in detail
    assert "Two claims have each started it" not in detail


def test_the_answer_to_a_cancellation_is_shown() -> None:
    row = a_row("a", cancelled="it has ended")
    text = status_text("prod", [row], SHANGHAI)
    assert "asked to cancel it, the service said: it has ended\n" in text
    assert "cancellation   it has ended\n" in status_detail_text("prod", row, SHANGHAI)
    (run,) = json.loads("".join(statuses_json([("prod", UTC, [row])])))["runs"]
    assert run["cancelled"] == "it has ended"


def test_json_has_each_run_of_a_backfill_and_each_attempt() -> None:
    rows = [a_row("march/2024-03-01"), a_row("march/2024-03-01@2#3"), a_row("solar")]
    runs = json.loads("".join(statuses_json([("prod", UTC, rows)])))["runs"]
    assert [(one["backfill"], one["attempt"]) for one in runs] == [
        ("march", 1),
        ("march", 3),
        (None, 1),
    ]


def test_an_environment_without_runs_says_so() -> None:
    assert status_text("prod", [], SHANGHAI) == "prod: no runs\n"


def test_verbose_says_when_by_which_flow_and_with_which_labels() -> None:
    row = a_row("a", triggered_at="2024-03-02T00:00:05Z", labels={"team": "wind", "x": "y"})
    text = status_text("prod", [row], SHANGHAI, verbose=True)
    for words in ("flow 3377", "triggered at 2024-03-02 08:00:05", "team=wind, x=y"):
        assert words in text
        assert words not in status_text("prod", [row], SHANGHAI)


def test_a_long_list_keeps_what_somebody_must_look_at() -> None:
    rows = [a_row(f"run-{number}") for number in range(700)]
    rows.append(DOUBT)
    text = status_text("prod", rows, SHANGHAI)
    assert text.count("\ntriggered  ") == 499
    assert "\nin-doubt   wind-daily-2024-03-01" in text
    assert text.endswith("\n… and 201 more; --verbose shows all\n")
    assert status_text("prod", rows, SHANGHAI, verbose=True).count("\ntriggered  ") == 700


def test_a_long_list_counts_lines_and_keeps_a_backfill_with_a_failure() -> None:
    well = [a_row(f"b-{number}/{half}") for number in range(510) for half in (1, 2)]
    text = status_text("prod", [*well, *march(5), *march(1, RunState.FAILED)], SHANGHAI)
    assert text.count(": 2 runs: 2 triggered\n") == 499
    assert "\nwind-march: 6 runs: 5 succeeded, 1 failed\n" in text
    assert text.endswith("\n… and 22 more; --verbose shows all\n")


@pytest.mark.parametrize(
    ("state", "painted"),
    [
        (RunState.FAILED, "\x1b[31mwind-march: "),
        (RunState.IN_DOUBT, "\x1b[1;31mwind-march: "),
        (RunState.PENDING, "\x1b[33mwind-march: "),
        (RunState.SUCCEEDED, "\x1b[32mwind-march: "),
    ],
)
def test_a_backfill_has_the_colour_of_its_most_urgent_run(state: RunState, painted: str) -> None:
    assert painted in status_text("prod", [*march(2), *march(1, state)], SHANGHAI, color=True)


def test_colours_are_used_only_when_asked_for() -> None:
    text = status_text("prod", [DOUBT], SHANGHAI, color=True)
    assert "\x1b[1;31min-doubt\x1b[0m" in text
    assert "\x1b" not in status_text("prod", [DOUBT], SHANGHAI)


def test_nothing_leaves_80_columns_whatever_the_names() -> None:
    rows = [
        a_row(text, state, instance=InstanceId(text), error=text, by=text, labels={text: text})
        for text in NASTY
        for state in RunState
    ]
    folded = [row.but(run=RunId(f"{row.run}/{n}")) for row in rows for n in (1, 2)]
    for color in (False, True):
        assert_fits(status_text(NASTY[0], rows, SHANGHAI, verbose=True, width=80, color=color))
        assert_fits(status_text(NASTY[0], folded, SHANGHAI, width=80, color=color))


@examples(100)
@given(texts, texts, texts)
def test_no_text_is_obeyed_or_leaves_its_columns(run: str, error: str, instance: str) -> None:
    row = a_row(run, error=error, instance=InstanceId(instance), by=error)
    assert_fits(status_text(run, [row], SHANGHAI, width=80))


def test_json_has_the_fields_of_the_contract() -> None:
    (run,) = json.loads("".join(statuses_json([("prod", UTC, [DOUBT])])))["runs"]
    assert run == {
        "run": "wind-daily-2024-03-01",
        "backfill": None,
        "attempt": 1,
        "state": "in-doubt",
        "flowId": 3377,
        "triggerTime": EIGHT,
        "flowInstanceId": None,
        "instanceUrl": None,
        "claimedAt": "2024-03-02T00:00:03Z",
        "triggeredAt": None,
        "status": None,
        "cancelled": None,
        "error": None,
        "starts": [],
        "startedTwice": False,
        "labels": {},
        "claim": "c1a1",
        "claimedBy": "ci@runner-7",
        "claimedUntil": EIGHT + 123_000,
        "evidence": "timeout after sending",
        "businessDate": "2024-03-01",
        "reason": None,
        "waitsFor": [],
        "parameters": None,
        "declaredAs": None,
        "manifest": "wind-daily-2024-03-01",
        "file": None,
        "line": None,
    }


def test_json_of_one_environment_stands_alone_and_of_several_under_environments() -> None:
    one = json.loads("".join(statuses_json([("prod", UTC, [DOUBT])])))
    assert (one["version"], one["environment"]) == (1, "prod")
    both = json.loads("".join(statuses_json([("prod", UTC, [DOUBT]), ("test", UTC, [])])))
    assert both == {
        "version": 1,
        "environments": [one, {"version": 1, "environment": "test", "runs": []}],
    }


def test_a_run_in_doubt_is_shown_with_all_that_is_known_and_how_to_settle_it() -> None:
    assert status_detail_text("prod", DOUBT, SHANGHAI) == (
        """\
wind-daily-2024-03-01 in prod: in doubt

flow           3377
trigger time   2024-03-02 08:00:00 (GMT+8), business date 2024-03-01
claim          c1a1
claimed by     ci@runner-7
claimed at     2024-03-02 08:00:03 (GMT+8)
claimed until  2024-03-02 08:02:03 (GMT+8)
manifest       no longer declared
seen           timeout after sending

It may have been started. The next apply looks for its instance; if that settles
nothing, look in EnOS for an instance of flow 3377 with trigger time 2024-03-02
08:00:00 (GMT+8), created after the claim. Then say what you found, with one of:

  reconciler resolve wind-daily-2024-03-01 --triggered INSTANCE_ID --reason WHY --env prod
  reconciler resolve wind-daily-2024-03-01 --not-triggered --reason WHY --env prod
"""
    )


def shown(evidence: Any, state: RunState = RunState.TRIGGERED, **more: Any) -> str:
    """The detail of a run with that evidence, without its line breaks."""
    row = a_row("a", state, evidence=evidence, **more)
    return " ".join(status_detail_text("prod", row, SHANGHAI).split())


def test_an_adoption_is_told_in_words_and_its_time_is_that_of_the_record() -> None:
    seen = {"id": "1-1", "flowId": 1, "triggerTime": 1_709_337_600_000}
    seen |= {"created": "2024-03-02T00:01:00.000Z"}
    evidence = {"adoptedBy": "Ana Lima <ana@example.com>", "reason": "the gateway was down"}
    start = Start(claim=Nonce("c1"), instance=InstanceId("1-1"), at="x", by_hand=True)
    told = shown(evidence | {"seen": seen}, starts=(start,), triggered_at="2024-03-02T01:00:00Z")
    assert "recorded at 2024-03-02 09:00:00 (GMT+8)" in told
    assert "triggered at" not in told
    assert "adopted by Ana Lima <ana@example.com> because the gateway was down" in told
    was = "1-1 (flow 1, trigger time 2024-03-02 08:00:00, created 2024-03-02 08:01:00)"
    assert f"instance was {was}" in told
    assert "{" not in told


def test_what_a_search_of_a_doubt_found_is_told_in_words_and_when_one_can_settle_it() -> None:
    searched = {
        "reason": "several are possible",
        "answer": "timeout after sending",
        "searchedAt": "2024-03-02T00:05:00.000Z",
        "flowId": 1,
        "fromTriggerTime": 1_709_337_600_000,
        "toTriggerTime": 1_709_337_660_000,
        "createdFrom": None,
        "found": [{"id": "1-1", "created": "2024-03-02T00:01:00.000Z"}, {"id": "1-2"}],
    }
    told = shown(searched, RunState.IN_DOUBT, settled_from=EpochMs(1_709_337_665_000))
    assert "seen several are possible answer was timeout after sending" in told
    assert "searched at 2024-03-02 08:05:00 (GMT+8)" in told
    assert "search found 1-1 (created 2024-03-02 08:01:00), 1-2 searched for flow 1" in told
    assert "trigger times from 2024-03-02 08:00:00 to 2024-03-02 08:01:00" in told
    assert "to be settled by a search after 2024-03-02 08:01:05 (GMT+8)" in told
    assert "search found nothing" in shown(searched | {"found": []})


def test_what_a_newer_reconciler_has_seen_is_shown_as_it_is() -> None:
    told = shown({"resolvedBy": "Ana", "reason": "", "moon": ["full"]})
    assert 'settled by Ana seen {"moon": ["full"]}' in told


def test_a_claim_whose_apply_died_is_said_to_have_left_nothing() -> None:
    row = a_row("a", RunState.IN_DOUBT)
    assert "seen           nothing: the apply that claimed it" in status_detail_text(
        "prod", row, SHANGHAI
    )


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.IN_DOUBT])
def test_only_a_run_in_doubt_is_to_be_settled(state: RunState) -> None:
    assert "reconciler resolve" not in status_detail_text("prod", a_row("a", state), SHANGHAI)


def test_a_run_that_was_started_twice_is_settled_by_naming_the_instance_that_counts() -> None:
    starts = (a_start("3377-1", "c1"), a_start("3377-2", "c2"), a_start("3377-1", "c3"))
    twice = a_row("wind", starts=starts, started_twice=True)
    text = status_detail_text("prod", twice, SHANGHAI)
    commands = [line for line in text.split("\n") if line.startswith("  reconciler")]
    assert commands == [
        "  reconciler resolve wind --triggered 3377-1 --reason WHY --env prod",
        "  reconciler resolve wind --triggered 3377-2 --reason WHY --env prod",
    ]
    (row,) = json.loads("".join(statuses_json([("prod", UTC, [twice])])))["runs"]
    assert row["startedTwice"] is True
    assert row["starts"][1] == {"claim": "c2", "flowInstanceId": "3377-2"}


def test_what_the_service_refused_is_said_once_where_the_reason_says_it_as_well() -> None:
    error = "62103: the flow is locked"
    why = f"refused before ({error}); "
    row = a_row("wind", RunState.REJECTED, error=error, why=f"{why}suspended")
    held = row.but(reason=Reason.SUSPENDED)
    for told in (status_text("prod", [held], SHANGHAI), status_detail_text("prod", held, SHANGHAI)):
        assert f"{why}suspended" in " ".join(told.split())
        assert told.count("62103") == 1
    summary = status_markdown([("prod", SHANGHAI, [held.but(place=Place(file="a.yaml"))])])
    assert summary.count("62103") == 1
    ready = row.but(reason=Reason.REJECTED, why=f"{why}starts immediately: its time is past")
    assert status_text("prod", [ready], SHANGHAI).count("62103") == 1
    other = held.but(why="suspended")
    assert status_text("prod", [other], SHANGHAI).count("62103") == 1


def test_a_run_that_no_manifest_declares_any_more_says_so() -> None:
    text = status_detail_text("prod", a_row("wind", RunState.SUCCEEDED), SHANGHAI)
    assert "\nmanifest       no longer declared\n" in text


def test_an_end_that_was_seen_and_is_not_recorded_yet_says_so() -> None:
    def told(status: str, state: RunState = RunState.TRIGGERED) -> str:
        return status_text("prod", [a_row("wind", state, status=status)], SHANGHAI, width=200)

    words = "the instance is SUCCESS; not recorded yet, so soon after its start: the next look"
    assert words in told("SUCCESS")
    assert "recorded" not in told("RUNNING")
    assert "recorded" not in told("TIMEOUT", RunState.FAILED)


def test_one_run_is_shown_with_its_parameters_its_manifest_and_its_end() -> None:
    row = a_row(
        "wind",
        RunState.SUCCEEDED,
        parameters=(("SITE", "cn-01"), ("MODE", "full")),
        place=Place(file="triggers/wind.yaml", line=3),
        ended_at="2024-03-02T00:07:09Z",
    )
    text = status_detail_text("prod", row, SHANGHAI)
    assert "\nended at       2024-03-02 08:07:09 (GMT+8)\n" in text
    assert "\nmanifest       triggers/wind.yaml:3\n" in text
    assert "\nparameters     SITE=cn-01, MODE=full\n" in text


def test_a_failed_run_says_what_starts_it_again_without_all_that_succeeded() -> None:
    here = {"place": Place(file="a.yaml"), "status": "TIMEOUT"}
    alone = status_detail_text("prod", a_row("wind", RunState.FAILED, **here), SHANGHAI)
    assert alone.endswith(
        "\nTo start a failed run again, raise its `revision` or give it a `retry`.\n"
    )
    stopped = a_row("wind", RunState.FAILED, place=here["place"], status="CANCEL")
    text = " ".join(status_detail_text("prod", stopped, SHANGHAI).split())
    assert text.endswith("its `revision` or give it a `retry` whose `on` names CANCEL.")
    row = a_row("march/2024-03-01", RunState.FAILED, **here)
    text = " ".join(status_detail_text("prod", row, SHANGHAI).split())
    assert text.endswith(
        "`retry` starts again what failed of march, and only that; a raised `revision` starts all "
        "of it again."
    )
    assert "suspend" not in text
    held = " ".join(status_detail_text("prod", row.but(is_suspended=True), SHANGHAI).split())
    assert held.endswith("Take `suspend` away as well: it starts nothing.")
    lost: StatusRow = row.but(status="NOT_FOUND")
    text = " ".join(status_detail_text("prod", lost, SHANGHAI).split())
    assert text.endswith(
        "Look at the service how it ended: `retry` does not start it again. A backfill of its own "
        "with `again: true` does; a raised `revision` starts all of march again."
    )
    lost = a_row("wind", RunState.FAILED, place=Place(file="a.yaml"), status="NOT_FOUND")
    text = " ".join(status_detail_text("prod", lost, SHANGHAI).split())
    assert text.endswith("`retry` does not start it again. A raised `revision` does.")
    row = row.but(followed_by=RunId("march/2024-03-01#2"))
    assert "`retry`" not in status_detail_text("prod", row, SHANGHAI)


def test_the_commands_are_quoted_for_a_shell() -> None:
    text = status_detail_text("my env", a_row("a; rm -rf $HOME", RunState.IN_DOUBT), SHANGHAI)
    commands = [line for line in text.split("\n") if line.startswith("  reconciler")]
    assert [shlex.split(line) for line in commands] == [
        [
            "reconciler",
            "resolve",
            "a; rm -rf $HOME",
            "--triggered",
            "INSTANCE_ID",
            "--reason",
            "WHY",
            "--env",
            "my env",
        ],
        [
            "reconciler",
            "resolve",
            "a; rm -rf $HOME",
            "--not-triggered",
            "--reason",
            "WHY",
            "--env",
            "my env",
        ],
    ]


def test_what_the_service_lists_of_a_run_in_doubt_is_named_where_it_is_settled() -> None:
    found = {"reason": "not certain", "found": [{"id": "1-1"}, {"id": "1-2"}]}
    row = a_row("a", RunState.IN_DOUBT, is_early=True, evidence=found)
    text = status_detail_text("prod", row, SHANGHAI)
    assert [line for line in text.split("\n") if line.startswith("  reconciler")] == [
        "  reconciler resolve a --triggered 1-1 --reason WHY --env prod",
        "  reconciler resolve a --triggered 1-2 --reason WHY --env prod",
        "  reconciler resolve a --not-triggered --force --yes --reason WHY --env prod",
    ]
    assert "the service lists what may be its instance: 1-1, 1-2" in " ".join(
        status_text("prod", [row], SHANGHAI).split()
    )
    caution = (
        "Only if each of those instances is certainly another's: --not-triggered starts the run "
        "again: reconciler resolve a --not-triggered --force "
    )
    assert caution in " ".join(text.split())
    one = row.but(evidence={"found": [{"id": "1-1"}]})
    text = " ".join(status_detail_text("prod", one, SHANGHAI).split())
    assert " Only if that instance is certainly another's: " in text
    nothing = row.but(evidence={"found": []})
    assert "certainly" not in status_detail_text("prod", nothing, SHANGHAI)
    many = row.but(evidence={"found": [{"id": f"1-{number}"} for number in range(4)]})
    assert "--triggered INSTANCE_ID " in status_detail_text("prod", many, SHANGHAI)


@examples(100)
@given(texts, texts)
def test_no_text_in_the_detail_is_obeyed(run: str, evidence: str) -> None:
    for seen in (evidence, {evidence: [evidence]}):
        row = a_row(run, RunState.IN_DOUBT, by=evidence, error=evidence, evidence=seen)
        assert_safe(status_detail_text("prod", row, SHANGHAI))
    assert OBEYED.search("".join(statuses_json([(run, UTC, [row])]))) is None
