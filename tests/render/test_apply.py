"""What an apply did."""

import json
from typing import Any

import pytest
from hypothesis import given

from reconciler.apply.doubt import Doubt
from reconciler.model import EpochMs, RunId
from reconciler.plan import Action, PlannedRun
from reconciler.plan.outlook import HarmlessEnd
from reconciler.render.apply_markdown import apply_markdown
from reconciler.render.apply_text import apply_json, apply_text
from tests.render.outcomes import a_result, absent, cancelled, observed, rejected, triggered
from tests.render.values import (
    COMMIT,
    EIGHT,
    NASTY,
    OBEYED,
    SHANGHAI,
    a_failed_record,
    a_record,
    a_start,
    assert_fits,
    assert_safe,
    planned,
    texts,
)
from tests.sampling import examples

SUSPENDED = planned("later", Action.WAIT, "suspended")


def a_doubt(
    run: str, reason: str = "nothing found yet", decided_at: EpochMs | None = None
) -> Doubt:
    return Doubt(planned=planned(run, Action.RESOLVE, reason), reason=reason, decided_at=decided_at)


MIXED = a_result(
    outcomes=(
        triggered("wind-1", "3377-1"),
        triggered("wind-2", "3377-2", evidence={"found": []}),
        rejected("solar-1"),
        rejected("solar-2"),
        rejected("solar-3", "the workflow has no task"),
        absent("left"),
    ),
    unstarted=[planned(name) for name in ("solar-1", "solar-2", "solar-3", "left", "unreached")],
    doubts=[a_doubt("lost"), a_doubt("lost-too", "HTTP 503", EpochMs(EIGHT + 125_000))],
    waiting=[SUSPENDED],
)


def test_everything_that_came_of_an_apply_is_told_with_what_to_do_next() -> None:
    assert apply_text(MIXED, SHANGHAI, "prod") == (
        """\
prod at 1a2b3c4d5e6f: 2 triggered, 3 refused, 2 not started, 2 in doubt, 1
waiting

Triggered:
  wind-1: 3377-1
Found at the service, started already:
  wind-2: 3377-2

Refused by the service, and tried again by the next apply:
  62103: user has no privilege (2 runs)
    solar-1
    solar-2
  62103: the workflow has no task (1 run)
    solar-3

Not started, and left to the next apply:
  interrupted (1 run)
    left
  not reached (1 run)
    unreached

In doubt: may have been started, and is not started again until it is settled:
  lost: nothing found yet
    reconciler status lost --env prod
  lost-too: HTTP 503
    an apply after 2024-03-02 08:02:05 (GMT+8) can settle it
    reconciler status lost-too --env prod

Waiting:
  suspended (1 run)
    later
"""
    )


def ended_badly(run: str, status: str = "TIMEOUT") -> PlannedRun:
    return planned(run, Action.DONE, f"failed: {status}", record=a_failed_record(run, status))


WAITED = a_result(
    outcomes=(triggered("wind", "3377-1"),),
    observed=(
        *(observed(f"march/{number}") for number in range(1_200)),
        observed("solar", -1),
        observed("wind", 7),
        observed("tidal", "NOT_FOUND"),
    ),
    failed=[ended_badly("wind"), ended_badly("import", "FAIL")],
    unfinished=[a_record("slow", starts=(a_start("12-1"),))],
    untold={RunId("odd"): "the service says 42"},
    cancelled=(
        cancelled("old"),
        cancelled("older", 62104, "it has ended"),
        cancelled("oldest", 62104),
    ),
    refused=[
        planned("locked", Action.WAIT, "would be refused: flow 12 is locked", refused=True),
    ],
)


def test_ends_cancellations_and_refusals_before_a_claim_are_told() -> None:
    assert apply_text(WAITED, SHANGHAI, "prod") == (
        """\
prod at 1a2b3c4d5e6f: 1 triggered, 1 cancelled, 2 not cancelled, 1,200
succeeded, 4 failed, 1 not ended, 1 waited for in vain, 1 refused

Triggered:
  wind: 3377-1

Cancelled:
  old
Not cancelled, because the service refused it:
  62104: it has ended (1 run)
    older
  62104 (1 run)
    oldest

Failed:
  FAIL: a task of the flow failed (1 run)
    solar
  NOT_FOUND: the service no longer knows the instance: nobody can tell how it
  ended (1 run)
    tidal
Failed, with no attempt left:
  TIMEOUT: it ran longer than the flow allows (1 run)
    wind
  FAIL: a task of the flow failed (1 run)
    import
To start a failed run again, raise its `revision` or give it a `retry`.
Look at the service how it ended: `retry` does not start it again. A raised
`revision` does.

Not ended when the time to wait (--timeout) was up:
  slow: 12-1

Waited for in vain: look at the instance at the service, then ask again:
  odd: the service says 42
    reconciler status odd --refresh --env prod

Not claimed, by the preflight:
  would be refused: flow 12 is locked (1 run)
    locked
"""
    )


def test_an_interrupted_wait_is_not_said_to_have_used_up_its_time() -> None:
    waited = a_result(unfinished=WAITED.unfinished, interrupted=True)
    for text in (apply_text(waited, SHANGHAI, "prod"), apply_markdown(waited, SHANGHAI, "prod")):
        assert "Not ended when the apply was interrupted:" in text
        assert "--timeout" not in text


def test_what_was_called_off_is_among_the_cancelled_and_no_failure() -> None:
    result = a_result(
        observed=[observed("a", 8), observed("b", 8), observed("c", -1)],
        cancelled=[cancelled("a")],
        over={RunId(run): HarmlessEnd.CALLED_OFF for run in "abc"},
    )
    assert apply_text(result, SHANGHAI, "prod") == (
        """\
prod at 1a2b3c4d5e6f: 3 cancelled

Cancelled:
  a
  b
  c: FAIL: a task of the flow failed
"""
    )


def test_what_nothing_declares_any_more_or_another_attempt_follows_is_not_advised_about() -> None:
    result = a_result(
        observed=[observed("march/a", -1), observed("wind", -1)],
        over={RunId("march/a"): HarmlessEnd.UNDECLARED, RunId("wind"): HarmlessEnd.FOLLOWED},
    )
    text = apply_text(result, SHANGHAI, "prod")
    assert "retry" not in text
    assert "revision" not in text
    assert "FAIL: a task of the flow failed; no longer declared (1 run)\n    march/a\n" in text


TWICE = a_record(
    "wind",
    starts=(a_start("3377-1", "c1"), a_start("3377-2", "c2")),
    error="started twice: as 3377-1 under claim c1 and as 3377-2 under claim c2",
)


def test_a_run_that_was_started_twice_is_told_with_both_claims_and_instances() -> None:
    assert apply_text(a_result(twice=[TWICE]), SHANGHAI, "prod") == (
        """\
prod at 1a2b3c4d5e6f: 1 started twice

Started twice: look at both instances, then say which one speaks for the run:
  wind: started twice: as 3377-1 under claim c1 and as 3377-2 under claim c2
    reconciler status wind --env prod
"""
    )
    assert json.loads(apply_json(a_result(twice=[TWICE]), "prod"))["startedTwice"] == [
        {
            "run": "wind",
            "starts": [
                {"claim": "c1", "flowInstanceId": "3377-1"},
                {"claim": "c2", "flowInstanceId": "3377-2"},
            ],
        }
    ]


def test_json_has_ends_cancellations_and_refusals() -> None:
    result = json.loads(apply_json(WAITED, "prod"))
    assert result["observed"][0] == {"run": "march/0", "status": "SUCCESS"}
    assert result["observed"][-2:] == [
        {"run": "wind", "status": "TIMEOUT"},
        {"run": "tidal", "status": "NOT_FOUND"},
    ]
    assert result["cancelled"][:2] == [
        {"run": "old", "code": 0, "message": ""},
        {"run": "older", "code": 62104, "message": "it has ended"},
    ]
    assert result["refused"] == [{"run": "locked", "reason": "would be refused: flow 12 is locked"}]
    assert result["failed"] == [
        {"run": "wind", "status": "TIMEOUT"},
        {"run": "import", "status": "FAIL"},
    ]
    assert result["unfinished"] == [{"run": "slow", "flowInstanceId": "12-1"}]
    assert result["untold"] == [{"run": "odd", "reason": "the service says 42"}]


@pytest.mark.parametrize(
    "done",
    [
        {"outcomes": (triggered("a"),)},
        {"outcomes": (absent("a", {"found": []}),)},
        {"unstarted": [planned("a")]},
        {"doubts": [a_doubt("a")]},
        {"observed": (observed("a"),)},
        {"cancelled": (cancelled("a"),)},
        {"failed": [ended_badly("a")]},
        {"unfinished": [a_record("a")]},
        {"untold": {"a": "the service says 42"}},
        {"twice": [TWICE]},
        {"refused": [planned("a", Action.WAIT, refused=True)]},
    ],
    ids=lambda done: next(iter(done)),
)
def test_an_apply_that_did_anything_does_not_say_that_there_was_nothing_to_do(
    done: dict[str, Any],
) -> None:
    assert "Nothing to do." not in apply_text(a_result(**done), SHANGHAI, "prod")


def test_the_runs_of_a_backfill_share_a_line_where_a_list_is_long() -> None:
    runs = [f"march/{number:02}" for number in range(31)]
    result = a_result(
        outcomes=(triggered("solar", "12-1"), *map(triggered, runs)),
        observed=[observed(run, 7) for run in runs],
    )
    text = apply_text(result, SHANGHAI, "prod")
    assert "Triggered:\n  solar: 12-1\n  march: 31 runs, march/00 to march/30\n" in text
    assert "allows (31 runs)\n    march: 31 runs, march/00 to march/30\n" in text


def test_a_list_of_many_backfills_is_cut_and_says_how_many_runs_are_left_out() -> None:
    runs = [f"b-{number}/{half}" for number in range(25) for half in (1, 2)]
    text = apply_text(a_result(outcomes=tuple(map(triggered, runs))), SHANGHAI, "prod")
    assert text.count(": 2 runs, b-") == 20
    assert text.endswith("\n  … and 10 more\n")


def test_the_runs_of_a_backfill_have_a_line_each_where_a_list_is_short() -> None:
    result = a_result(outcomes=tuple(triggered(f"march/{number}") for number in range(20)))
    text = apply_text(result, SHANGHAI, "prod")
    assert text.count("\n  march/") == 20
    assert "…" not in text


def test_an_apply_that_found_no_work_says_so() -> None:
    assert apply_text(a_result(), SHANGHAI, "prod") == "Nothing to do.\n"


def test_an_apply_that_found_only_waiting_runs_says_what_they_wait_for() -> None:
    assert apply_text(a_result(waiting=[SUSPENDED]), SHANGHAI, "prod") == (
        "Nothing to do.\n"
        "prod at 1a2b3c4d5e6f: 1 waiting\n"
        "\n"
        "Waiting:\n"
        "  suspended (1 run)\n"
        "    later\n"
    )


def test_an_interrupted_apply_says_that_another_goes_on() -> None:
    text = apply_text(a_result(interrupted=True), SHANGHAI, "prod")
    assert text.startswith("Interrupted: what is known was recorded")
    assert "Nothing to do." not in text


def test_long_lists_are_cut_with_a_count() -> None:
    many = [f"run-{number:03}" for number in range(120)]
    result = a_result(
        outcomes=(*map(triggered, many), *(rejected(f"no-{run}") for run in many)),
        unstarted=[planned(f"no-{run}") for run in many],
        doubts=[a_doubt(f"lost-{run}") for run in many],
        observed=[observed(f"bad-{run}", 7) for run in many],
        failed=[ended_badly(f"worse-{run}") for run in many],
        unfinished=[a_record(f"slow-{run}") for run in many],
        cancelled=[cancelled(f"old-{run}") for run in many],
        refused=[planned(f"locked-{run}", Action.WAIT, "is locked") for run in many],
        waiting=[planned(f"w-{run}", Action.WAIT, f"waits for {run}") for run in many],
    )
    text = apply_text(result, SHANGHAI, "prod")
    assert text.count("\n  run-") == 20
    assert text.count("\n    no-") == 20
    assert text.count("\n  lost-") == 20
    for names in ("    bad-", "    worse-", "  slow-", "  old-", "    locked-"):
        assert text.count(f"\n{names}") == 20
    assert text.count("… and 100 more\n") == 9


def test_json_has_every_outcome() -> None:
    result = json.loads(apply_json(MIXED, "prod"))
    assert (result["version"], result["environment"], result["commit"]) == (1, "prod", COMMIT)
    assert result["interrupted"] is False
    assert [one["flowInstanceId"] for one in result["triggered"]] == ["3377-1", "3377-2"]
    assert result["rejected"][0] == {
        "run": "solar-1",
        "code": 62103,
        "message": "user has no privilege",
    }
    assert result["notStarted"] == [
        {"run": "left", "reason": "interrupted"},
        {"run": "unreached", "reason": "not reached"},
    ]
    assert result["inDoubt"] == [
        {"run": "lost", "reason": "nothing found yet", "decidedAt": None},
        {"run": "lost-too", "reason": "HTTP 503", "decidedAt": "2024-03-02T00:02:05.000Z"},
    ]
    assert result["waiting"] == [{"run": "later", "reason": "suspended"}]


def test_nothing_leaves_80_columns_but_commands_whatever_the_names() -> None:
    result = a_result(
        outcomes=(*(triggered(text, text) for text in NASTY), *(rejected(t, t) for t in NASTY)),
        unstarted=[planned(text) for text in NASTY],
        doubts=[a_doubt(text, text) for text in NASTY],
        observed=[observed(text, text) for text in NASTY],
        failed=[ended_badly(f"{text}!", text) for text in NASTY],
        unfinished=[a_record(text, starts=(a_start(text),)) for text in NASTY],
        cancelled=[cancelled(f"{text}/{n}", n, text) for text in NASTY for n in range(20)],
        refused=[planned(f"{text}/{n}", Action.WAIT, text) for text in NASTY for n in range(30)],
        waiting=[planned(text, Action.WAIT, text) for text in NASTY],
    )
    text = apply_text(result, SHANGHAI, "prod", width=80)
    kept = [line for line in text.split("\n") if not line.startswith("    reconciler status ")]
    assert_fits("\n".join(kept))


@examples(100)
@given(texts, texts)
def test_no_text_is_obeyed(run: str, message: str) -> None:
    result = a_result(
        outcomes=(triggered(run, message), rejected(run, message), absent(run, message)),
        unstarted=[planned(run, reason=message)],
        doubts=[a_doubt(run, message)],
        observed=[observed(run, message)],
        failed=[ended_badly(message, run)],
        unfinished=[a_record(run, starts=(a_start(message),))],
        cancelled=[cancelled(run, 0, message), cancelled(run, 1, message)],
        refused=[planned(run, Action.WAIT, message)],
        waiting=[planned(run, Action.WAIT, message)],
    )
    assert_safe(apply_text(result, SHANGHAI, message))
    assert OBEYED.search(apply_json(result, message)) is None


def test_what_failed_stands_in_the_order_of_names_whenever_each_end_was_seen() -> None:
    seen = [observed(f"march/{number}", 7) for number in (10, 9, 1)]
    text = apply_text(a_result(observed=seen), SHANGHAI, "prod")
    assert "    march/1\n    march/9\n    march/10\n" in text
